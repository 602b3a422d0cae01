/**
 * Knows whether a cached object is older than what its controller wrote last. A controller that acted on such a copy would count or create
 * again what it has counted or created already. Invariant: holds one entry for each object written to and not yet forgotten.
 * Upstream counterpart: `pkg/controller/util/consistency`.
 */
import type { KubeObject } from '#pkg/apimachinery/object.ts';

/** The newest versions written, by controller key. Bounded by the objects of the controller's kind: `forget` when one is gone. */
export class LastWrites {
  readonly #written = new Map<string, { readonly uid: string; readonly version: number }>();

  /** Remembers what the server answered to a write. */
  wrote(key: string, answer: KubeObject): void {
    const { uid = '', resourceVersion = '' } = answer.metadata ?? {};
    this.#written.set(key, { uid, version: Number(resourceVersion) });
  }

  /** Whether the copy is older than the last write: the watch brings a newer one. An object made anew under the name is not. */
  isBehind(key: string, copy: KubeObject): boolean {
    const last = this.#written.get(key);
    const { uid, resourceVersion = '' } = copy.metadata ?? {};
    return last !== undefined && last.uid === uid && Number(resourceVersion) < last.version;
  }

  forget(key: string): void {
    this.#written.delete(key);
  }
}
