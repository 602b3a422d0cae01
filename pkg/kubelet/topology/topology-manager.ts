/**
 * Has the processors, the memory and the devices of a container near each other: asks those who give them out which NUMA nodes would do, before any of them gives anything, and tells them what was agreed on.
 * Invariant: what was agreed for a container stays until its pod is over. Of what is given out between the agreement and the devices of the pod nothing is known here: who gives them looks again.
 * Upstream counterpart: kubelet `cm/topologymanager`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { PodFailure } from '../status/pod-status-input.ts';
import { agreementOf, type NumaHint, type NumaMask, type TopologyPolicy } from './numa-hints.ts';

/**
 * A resource of which it matters where it is, as one pod wants it that has nothing yet. It changes nothing: it only knows what would be left as the containers of the pod get theirs.
 */
export interface NumaResource {
  /** Those that want some, in the order in which they run. */
  readonly containers: readonly string[];
  /** Where a container's would do, after those that have taken theirs. */
  hintsFor(container: string, nodes: readonly number[]): readonly NumaHint[];
  /** Where all would do that the containers of the pod have at one time. */
  hintsForPod(nodes: readonly number[]): readonly NumaHint[];
  /** A container takes what it wants, near to these nodes as far as it can. */
  take(container: string, near: NumaMask | undefined): void;
}

/** What is asked of it, and where. */
export interface TopologySettings {
  readonly policy: TopologyPolicy;
  /** Whether all containers of a pod are to be near each other. */
  readonly isForPods: boolean;
  /** NUMA nodes of the machine. */
  readonly nodes: readonly number[];
}

/** What it works with. */
export interface TopologyDeps {
  /** What a pod wants of those who give things out. */
  resourcesOf(pod: Pod): readonly NumaResource[];
  /** Nothing of the pod runs any more, nor will. */
  isOver(podUid: string): boolean;
}

/** Source: `TopologyAffinityError`. */
const refusal: PodFailure = {
  reason: 'TopologyAffinityError',
  message: 'Resources cannot be allocated with Topology locality',
};

/** The agreements of one kubelet's pods. */
export class TopologyManager {
  readonly #deps: TopologyDeps;
  readonly #settings: TopologySettings;
  readonly #byPod = new Map<string, ReadonlyMap<string, NumaMask>>();

  constructor(deps: TopologyDeps, settings: TopologySettings) {
    this.#deps = deps;
    this.#settings = settings;
  }

  /** Agrees on where the containers of a pod have what they want, or says why it is refused. */
  admit(pod: Pod): PodFailure | undefined {
    for (const uid of this.#byPod.keys()) if (this.#deps.isOver(uid)) this.#byPod.delete(uid);
    const resources = this.#deps.resourcesOf(pod);
    const names = new Set(resources.flatMap(({ containers }) => containers));
    const agreed = this.#settings.isForPods ? this.#forPod(resources, names) : this.#forEach(resources, names);
    if (agreed === undefined) return refusal;
    if (agreed.size > 0) this.#byPod.set(pod.metadata?.uid ?? '', agreed);
    return undefined;
  }

  /** NUMA nodes that a container's resources are to be near to; undefined where it does not matter. */
  nearOf(podUid: string, container: string): NumaMask | undefined {
    return this.#byPod.get(podUid)?.get(container);
  }

  /** Whether a container is not to have anything that is elsewhere. */
  get isStrict(): boolean {
    return this.#settings.policy !== 'best-effort';
  }

  #forEach(resources: readonly NumaResource[], names: ReadonlySet<string>): ReadonlyMap<string, NumaMask> | undefined {
    const { nodes } = this.#settings;
    const agreed = new Map<string, NumaMask>();
    for (const name of names) {
      const wanted = resources.filter(({ containers }) => containers.includes(name));
      const { mask, isAdmitted } = this.#agree(wanted.map((one) => one.hintsFor(name, nodes)));
      if (!isAdmitted) return undefined;
      if (mask !== undefined) agreed.set(name, mask);
      for (const one of wanted) one.take(name, mask);
    }
    return agreed;
  }

  #forPod(resources: readonly NumaResource[], names: ReadonlySet<string>): ReadonlyMap<string, NumaMask> | undefined {
    const { mask, isAdmitted } = this.#agree(resources.map((one) => one.hintsForPod(this.#settings.nodes)));
    if (!isAdmitted) return undefined;
    return new Map(mask === undefined ? [] : [...names].map((name) => [name, mask]));
  }

  #agree(hints: readonly (readonly NumaHint[])[]) {
    return agreementOf(hints, this.#settings);
  }
}
