/**
 * Has the processors and devices of a container near each other: asks those who give them out which NUMA nodes would do, before any of them gives anything, and tells them what was agreed on.
 * Invariant: what was agreed for a container stays until its pod is over. Of what is given out between the agreement and the devices of the pod nothing is known here: who gives them looks again.
 * Upstream counterpart: kubelet `cm/topologymanager`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { PodFailure } from '../status/pod-status-input.ts';
import {
  agreementOf,
  type NumaHint,
  type NumaMask,
  type NumaSupply,
  numaHints,
  type TopologyPolicy,
} from './numa-hints.ts';

/** How many of a resource a container wants. */
export interface NumaWish {
  readonly container: string;
  readonly count: number;
  /** It has ended before those that come after it begin, which then may have what it had. */
  readonly isInit: boolean;
}

/** A resource of which it matters where it is, as a pod wants it. */
export interface NumaResource extends Pick<NumaSupply, 'all' | 'free'> {
  /** In the order in which the containers run. */
  readonly wishes: readonly NumaWish[];
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
    const resources = this.#deps.resourcesOf(pod).map((resource) => new Supply(resource));
    const names = new Set(resources.flatMap(({ wishes }) => wishes.map(({ container }) => container)));
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

  #forEach(resources: readonly Supply[], names: ReadonlySet<string>): ReadonlyMap<string, NumaMask> | undefined {
    const agreed = new Map<string, NumaMask>();
    for (const name of names) {
      const wanted = resources.filter((resource) => resource.countOf(name) > 0);
      const { mask, isAdmitted } = this.#agree(wanted.map((one) => one.hints(one.countOf(name), this.#settings.nodes)));
      if (!isAdmitted) return undefined;
      if (mask !== undefined) agreed.set(name, mask);
      for (const one of wanted) one.take(name, mask);
    }
    return agreed;
  }

  #forPod(resources: readonly Supply[], names: ReadonlySet<string>): ReadonlyMap<string, NumaMask> | undefined {
    const { mask, isAdmitted } = this.#agree(resources.map((one) => one.hints(one.atOnce(), this.#settings.nodes)));
    if (!isAdmitted) return undefined;
    return new Map(mask === undefined ? [] : [...names].map((name) => [name, mask]));
  }

  #agree(hints: readonly (readonly NumaHint[])[]) {
    return agreementOf(hints, this.#settings);
  }
}

/** What is left of a resource as the containers of a pod get theirs. */
class Supply {
  readonly wishes: readonly NumaWish[];
  readonly #all: readonly NumaMask[];
  #free: readonly NumaMask[];
  /** What init containers leave. */
  #again: readonly NumaMask[] = [];

  constructor({ all, free, wishes }: NumaResource) {
    this.wishes = wishes;
    this.#all = all;
    this.#free = free;
  }

  countOf(container: string): number {
    return this.wishes.find((wish) => wish.container === container)?.count ?? 0;
  }

  /** What all containers want of it at one time. */
  atOnce(): number {
    let lasting = 0;
    let most = 0;
    for (const { count, isInit } of this.wishes) {
      most = Math.max(most, lasting + count);
      if (!isInit) lasting += count;
    }
    return most;
  }

  hints(count: number, nodes: readonly number[]): readonly NumaHint[] {
    return numaHints({ count, all: this.#all, again: this.#again.slice(0, count), free: this.#free }, nodes);
  }

  /** A container gets what it wants: what init containers leave first, then what is near. */
  take(container: string, near: NumaMask | undefined): void {
    const wish = this.wishes.find((one) => one.container === container);
    if (wish === undefined) return;
    const isNear = (one: NumaMask): boolean => near === undefined || (one & near) !== 0;
    const order = [...this.#again, ...this.#free.filter(isNear), ...this.#free.filter((one) => !isNear(one))];
    const left = Math.max(0, this.#again.length - wish.count);
    const taken = order.slice(0, wish.count);
    const rest = order.slice(wish.count);
    this.#again = [...rest.slice(0, left), ...(wish.isInit ? taken : [])];
    this.#free = rest.slice(left);
  }
}
