/** The static pods of one run of a kubelet with what the API shows of them: what of both the rest of the kubelet sees. */
import { isMirrorPod, isStaticPod } from '#pkg/api/core/static-pods.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { KeyedHandler } from '../keyed-source.ts';
import { MirrorPods, type MirrorPodsDeps } from './mirror-pods.ts';
import { type StaticPodSettings, StaticPods } from './static-pods.ts';

/** What it works with. */
export interface NodeStaticPodsDeps extends Omit<MirrorPodsDeps, 'onMirror'> {
  /** A pod is to run, or has changed. */
  seen(pod: Pod): void;
  /** It is to run no more. */
  removed(pod: Pod): void;
  wake(podUid: string): void;
}

/** They. Without settings there are none, and mirrors are taken away all the same. */
export class NodeStaticPods {
  readonly #deps: NodeStaticPodsDeps;
  readonly #mirrors: MirrorPods;
  readonly #pods: StaticPods | undefined;

  constructor(deps: NodeStaticPodsDeps, settings: StaticPodSettings | undefined) {
    this.#deps = deps;
    this.#mirrors = new MirrorPods({ ...deps, onMirror: (podUid) => deps.wake(podUid) });
    if (settings === undefined) return;
    const parts = {
      clock: deps.clock,
      log: deps.log,
      start: (pod: Pod) => deps.seen(pod),
      end: (pod: Pod) => deps.removed(pod),
      statusOf: (pod: Pod) => this.#mirrors.of(pod)?.status,
      onPods: (all: Iterable<Pod>) => this.#mirrors.show(all),
    };
    this.#pods = new StaticPods(parts, settings);
  }

  /** Hears of the pods of the API: those that are no mirrors run. */
  readonly ofApi: KeyedHandler<Pod> = {
    set: (pod) => (isMirrorPod(pod) ? this.#mirrors.seen(pod) : this.#deps.seen(pod)),
    removed: (pod) => (isMirrorPod(pod) ? this.#mirrors.removed(pod) : this.#deps.removed(pod)),
  };

  /** What of the API tells of a pod; undefined while nothing does. */
  apiPodOf(pod: Pod): Pod | undefined {
    return isStaticPod(pod) ? this.#mirrors.of(pod) : pod;
  }

  /** Begins with those that there are, once the API's have been heard of. */
  async begin(): Promise<void> {
    if (this.#pods === undefined) this.#mirrors.show([]);
    else await this.#pods.look();
  }

  /** Follows their files until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#pods?.run(signal);
  }

  /** Nothing is left of a pod. */
  forgotten(pod: Pod): void {
    this.#pods?.forgotten(pod);
  }
}
