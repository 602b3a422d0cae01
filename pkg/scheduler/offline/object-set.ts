/**
 * The objects of a cluster at one moment, by kind, as plugins read them through listers: from a dump, a snapshot or a list of each kind.
 * Nothing of it is ever written back.
 */
import { apiVersionOf, type KubeObject, objectKey, type ResourceRef } from '#pkg/apimachinery/object.ts';
import type { Lister } from '#pkg/client/informer.ts';

/** One kind. */
class OfKind {
  readonly byKey = new Map<string, unknown>();
}

/** The objects. */
export class ObjectSet {
  readonly #kinds = new Map<string, OfKind>();
  readonly #asked = new Map<string, ResourceRef>();

  /** What anybody asked a lister for: all that has to be read for them. */
  asked(): Iterable<ResourceRef> {
    return this.#asked.values();
  }

  /** Adds an object, in place of one of its name. One without a name is left out. */
  add(ref: Pick<ResourceRef, 'group' | 'kind' | 'version'>, object: KubeObject): void {
    if (!object.metadata?.name) return;
    this.#of(ref).byKey.set(objectKey(object), object);
  }

  lister<T extends KubeObject>(ref: ResourceRef<T>): Lister<T> {
    const { byKey } = this.#of(ref);
    const { group, version, resource, kind, namespaced } = ref;
    this.#asked.set(`${group}/${resource}`, { group, version, resource, kind, namespaced });
    const isOne = (object: unknown): object is T => object !== undefined;
    const all = (): readonly T[] => [...byKey.values()].filter(isOne);
    return {
      get: (key) => {
        const object = byKey.get(key);
        return isOne(object) ? object : undefined;
      },
      list: (namespace) =>
        all().filter((object) => namespace === undefined || object.metadata?.namespace === namespace),
      byIndex: (index) => {
        throw new Error(`Cannot look up by the index ${index} as objects that were read once have none`);
      },
    };
  }

  #of(ref: Pick<ResourceRef, 'group' | 'kind' | 'version'>): OfKind {
    const name = `${apiVersionOf({ group: ref.group, version: ref.version })} ${ref.kind}`;
    let kind = this.#kinds.get(name);
    if (kind === undefined) {
      kind = new OfKind();
      this.#kinds.set(name, kind);
    }
    return kind;
  }
}
