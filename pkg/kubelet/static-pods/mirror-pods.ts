/**
 * Has the API show the static pods of the node: each has a mirror, which is made anew when it is deleted or shows another one, and goes once its pod is over. A mirror of no pod is
 * taken away. What the API does not take is tried again, and the pods run on meanwhile.
 * Invariant: of one mirror one request at most is under way. Upstream counterpart: kubelet `pod/mirror_client.go`.
 */
import { isMirrorOf, staticPodAnnotations } from '#pkg/api/core/static-pods.ts';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client } from '#pkg/client/client.ts';

/** Time to the next try. */
const retryMs = 10_000;

/** By which client, and of which node. */
export interface MirrorPodsDeps {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted when the kubelet stops. */
  readonly stopping: AbortSignal;
  /** The node as it is in the API. */
  node(): Node | undefined;
  /** What the API shows of a pod is another object now: its status is to be written again. */
  onMirror(podUid: string): void;
  background(work: () => Promise<void>): void;
}

/** The mirrors of one node's static pods. */
export class MirrorPods {
  readonly #deps: MirrorPodsDeps;
  /** By namespace and name, as all here. */
  readonly #shown = new Map<string, Pod>();
  readonly #mirrors = new Map<string, Pod>();
  readonly #busy = new Set<string>();
  /** Mirrors about which something has changed while they were busy. */
  readonly #again = new Set<string>();
  /** All static pods that there were before have been named. */
  #isSettled = false;

  constructor(deps: MirrorPodsDeps) {
    this.#deps = deps;
  }

  /** The static pods that the node has, from now on these. */
  show(all: Iterable<Pod>): void {
    const before = new Set(this.#shown.keys());
    this.#shown.clear();
    for (const pod of all) this.#shown.set(objectKey(pod), pod);
    this.#isSettled = true;
    for (const key of new Set([...before, ...this.#shown.keys(), ...this.#mirrors.keys()])) this.#bring(key);
  }

  /** A mirror is there, or has changed. */
  seen(mirror: Pod): void {
    const key = objectKey(mirror);
    const known = this.#mirrors.get(key);
    this.#mirrors.set(key, mirror);
    if (known?.metadata?.uid !== mirror.metadata?.uid) this.#tell(key);
    this.#bring(key);
  }

  /** It is no longer in the API. */
  removed(mirror: Pod): void {
    const key = objectKey(mirror);
    if (this.#mirrors.get(key)?.metadata?.uid === mirror.metadata?.uid) this.#mirrors.delete(key);
    this.#bring(key);
  }

  /** What the API shows of a static pod; undefined while it shows nothing, or another. */
  of(pod: Pod): Pod | undefined {
    const mirror = this.#mirrors.get(objectKey(pod));
    return mirror !== undefined && isMirrorOf(mirror, pod) ? mirror : undefined;
  }

  #tell(key: string): void {
    const uid = this.#shown.get(key)?.metadata?.uid;
    if (uid !== undefined) this.#deps.onMirror(uid);
  }

  #bring(key: string): void {
    if (!this.#isSettled || this.#deps.stopping.aborted) return;
    this.#again.add(key);
    if (this.#busy.has(key) || this.#missing(key) === undefined) return;
    this.#busy.add(key);
    this.#deps.background(() => this.#work(key));
  }

  /** What is to be done about a mirror. */
  #missing(key: string): { readonly make: Pod } | { readonly remove: Pod } | undefined {
    const [pod, mirror] = [this.#shown.get(key), this.#mirrors.get(key)];
    if (mirror === undefined) return pod === undefined ? undefined : { make: pod };
    const isRight = pod !== undefined && isMirrorOf(mirror, pod) && mirror.metadata?.deletionTimestamp === undefined;
    return isRight ? undefined : { remove: mirror };
  }

  async #work(key: string): Promise<void> {
    const { clock, log, stopping } = this.#deps;
    try {
      while (this.#again.delete(key) && !stopping.aborted) {
        const missing = this.#missing(key);
        if (missing === undefined) continue;
        try {
          if ('make' in missing) await this.#make(key, missing.make);
          else await this.#remove(key, missing.remove);
          this.#again.add(key);
        } catch (error) {
          if (stopping.aborted) return;
          log.warn('What the API shows of a static pod is not as it should be, will try again', { pod: key, error });
          await sleep(clock, retryMs, stopping);
          this.#again.add(key);
        }
      }
    } finally {
      this.#busy.delete(key);
    }
  }

  async #make(key: string, pod: Pod): Promise<void> {
    const { client, node } = this.#deps;
    const { metadata: { name = '', uid = '' } = {} } = node() ?? {};
    const { hash, mirror } = staticPodAnnotations;
    const { annotations, labels, name: podName, namespace } = pod.metadata ?? {};
    const made: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        ...(podName === undefined ? {} : { name: podName }),
        ...(namespace === undefined ? {} : { namespace }),
        ...(labels === undefined ? {} : { labels }),
        annotations: { ...annotations, [mirror]: annotations?.[hash] ?? '' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid, controller: true }],
      },
      ...(pod.spec === undefined ? {} : { spec: pod.spec }),
    };
    const created = await client.resource(pods).create(made);
    if (this.#mirrors.has(key)) return;
    this.#mirrors.set(key, created);
    this.#tell(key);
  }

  async #remove(key: string, { metadata }: Pod): Promise<void> {
    const { name = '', namespace = '', uid } = metadata ?? {};
    try {
      await this.#deps.client.resource(pods).delete(name, {
        namespace,
        gracePeriodSeconds: 0,
        ...(uid === undefined ? {} : { preconditions: { uid } }),
      });
    } catch (error) {
      // It is gone, or another has its name already.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
    if (this.#mirrors.get(key)?.metadata?.uid === uid) this.#mirrors.delete(key);
  }
}
