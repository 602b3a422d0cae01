/**
 * A cluster that is only reckoned with: nodes and the pods on them from objects that were read once, and further pods that are placed one after the other as
 * the scheduler would. It touches no cluster. Preemption is left out: what fits nowhere is said not to fit.
 */
import { isPodTerminal } from '#pkg/api/core/pod.ts';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { namespaces, nodes, pods } from '#pkg/api/types/refs.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { Nominator } from '../cache/nominator.ts';
import { SchedulerCache } from '../cache/scheduler-cache.ts';
import type { ChoiceOptions } from '../config/choose-plugins.ts';
import { defaultConfiguration, type SchedulerConfiguration } from '../config/configuration.ts';
import { defaultSchedulerName } from '../event-handlers.ts';
import { type Cycle, CycleState } from '../framework/cycle.ts';
import { Decider } from '../framework/decide.ts';
import { type Explanation, explain } from '../framework/explain.ts';
import { fitErrorMessage } from '../framework/fit-error.ts';
import type { Profile } from '../framework/profile.ts';
import { type PodInfo, podInfoOf } from '../model/pod-info.ts';
import type { ObjectSet } from './object-set.ts';
import { offlineProfile } from './offline-profile.ts';
import { type Placement, SimulatedGangs } from './simulated-gangs.ts';

/** What a simulation starts from. */
export interface SimulationOptions extends ChoiceOptions {
  readonly objects: ObjectSet;
  readonly configuration?: SchedulerConfiguration;
  /** Whether pods of a gang are scheduled as a whole. Default: they are not. */
  readonly hasGangs?: boolean;
}

interface ProfileAtWork {
  readonly profile: Profile;
  readonly decider: Decider;
}

/** The cluster. */
export class Simulation {
  readonly #cache: SchedulerCache;
  readonly #nominator = new Nominator();
  readonly #profiles = new Map<string, ProfileAtWork>();
  readonly #objects: ObjectSet;
  readonly #gangs: SimulatedGangs | undefined;
  /** Of pods that were placed, for what plugins reserved for them. */
  readonly #cycles = new Map<string, Cycle>();

  /** Its profiles are made at once, so that what they read can be put into `objects`; nodes and pods are taken over by `load`. */
  constructor(options: SimulationOptions) {
    const { objects, configuration = defaultConfiguration, hasGangs = false } = options;
    this.#objects = objects;
    this.#gangs = hasGangs ? new SimulatedGangs(objects) : undefined;
    this.#cache = new SchedulerCache({ clock: new VirtualClock() });
    const { table } = this.#cache;
    for (const spec of configuration.profiles) {
      const profile = offlineProfile({ ...options, spec, lister: (ref) => objects.lister(ref) });
      const decider = new Decider({ profile, table, nominator: this.#nominator });
      this.#profiles.set(spec.schedulerName, { profile, decider });
    }
  }

  /** The nodes as they are with what was placed. */
  get table(): SchedulerCache['table'] {
    return this.#cache.table;
  }

  /** Takes over nodes, namespaces and the pods that have a node, and returns those that wait, in the order in which they are tried. */
  load(): readonly PodInfo[] {
    for (const namespace of this.#objects.lister(namespaces).list())
      this.#cache.table.setNamespaceLabels(namespace.metadata?.name ?? '', namespace.metadata?.labels ?? {});
    for (const node of this.#objects.lister(nodes).list()) this.#cache.setNode(node);
    const waiting: PodInfo[] = [];
    for (const pod of this.#objects.lister(pods).list()) {
      if (isPodTerminal(pod)) continue;
      const info = podInfoOf(pod);
      if (pod.spec?.nodeName) this.#cache.setPod(info, pod.spec.nodeName);
      else if (pod.metadata?.deletionTimestamp === undefined) {
        waiting.push(info);
        const promised = pod.status?.nominatedNodeName;
        if (promised) this.#nominator.set(info, promised);
      }
    }
    return inOrder(waiting);
  }

  /** Whether some profile is for the pod. */
  isKnown({ pod }: PodInfo): boolean {
    return this.#profiles.has(schedulerOf(pod));
  }

  /** Places pods in their order; those of a gang together, when the turn of the first has come. */
  placeAll(waiting: readonly PodInfo[]): readonly Placement[] {
    return this.#gangs?.placeAll(waiting, this) ?? waiting.map((pod) => this.place(pod));
  }

  /** Places a pod, which counts there from then on. */
  place(pod: PodInfo): Placement {
    const by = this.#profiles.get(schedulerOf(pod.pod));
    if (by === undefined) {
      return { pod: pod.key, message: `no profile schedules pods of the scheduler "${schedulerOf(pod.pod)}"` };
    }
    for (const plugin of by.profile.preEnqueue) {
      const { code, reasons } = plugin.preEnqueue(pod);
      if (code !== 'Success') return { pod: pod.key, message: reasons.join(', ') };
    }
    const cycle: Cycle = { pod, cluster: this.#cache.table, state: new CycleState() };
    const decision = by.decider.decide(cycle);
    if (decision.kind === 'error') return { pod: pod.key, message: decision.message };
    if (decision.kind === 'unschedulable') return { pod: pod.key, message: fitErrorMessage(decision.diagnosis) };
    const { nodeName } = decision;
    this.#cache.assume(pod, nodeName);
    this.#nominator.delete(pod.uid);
    for (const plugin of by.profile.reserve) {
      const status = plugin.reserve(cycle, nodeName);
      if (status.code === 'Success') continue;
      for (const other of by.profile.reserve.toReversed()) other.unreserve(cycle, nodeName);
      this.#cache.forget(pod.uid);
      return { pod: pod.key, message: status.reasons.join(', ') };
    }
    this.#cycles.set(pod.uid, cycle);
    return { pod: pod.key, node: nodeName };
  }

  /** Takes back a pod that was placed, with what plugins reserved for it. */
  takeBack(pod: PodInfo, nodeName: string): void {
    const cycle = this.#cycles.get(pod.uid);
    const { profile } = this.#profiles.get(schedulerOf(pod.pod)) ?? {};
    if (cycle !== undefined)
      for (const plugin of profile?.reserve.toReversed() ?? []) plugin.unreserve(cycle, nodeName);
    this.#cycles.delete(pod.uid);
    this.#cache.forget(pod.uid);
  }

  /** Counts a pod on a node without asking anybody. */
  put(pod: PodInfo, nodeName: string): void {
    this.#cache.setPod(pod, nodeName);
  }

  /** Opens a node for pods, or closes it to those that are not there. */
  setOpen(name: string, { isOpen }: { readonly isOpen: boolean }): void {
    const node = this.#cache.table.node(name)?.node;
    if (node !== undefined) this.#cache.setNode({ ...node, spec: { ...node.spec, unschedulable: !isOpen } });
  }

  /** Adds a node, or changes one. */
  setNode(node: Node): void {
    this.#cache.setNode(node);
  }

  /** Takes away a node that no pod is on any more. */
  removeNode(name: string): void {
    this.#cache.removeNode(name);
  }

  /** Why a node does not take a pod; empty where it does, and for a node or a profile that is not there. */
  refusal(pod: PodInfo, nodeName: string): readonly string[] {
    const by = this.#profiles.get(schedulerOf(pod.pod));
    const node = this.#cache.table.node(nodeName);
    if (by === undefined || node === undefined) return [];
    const cycle: Cycle = { pod, cluster: this.#cache.table, state: new CycleState() };
    for (const plugin of by.profile.preFilter) {
      const { status } = plugin.preFilter(cycle);
      if (status.reasons.length > 0) return status.reasons;
    }
    return by.decider.check(cycle, node).reasons;
  }

  /** Takes a pod from its node. */
  remove({ uid }: PodInfo): void {
    this.#cache.removePod(uid);
  }

  /** What each plugin says of each node for a pod; where it has one, as if it had none. */
  explain(pod: PodInfo): Explanation {
    const by = this.#profiles.get(schedulerOf(pod.pod));
    if (by === undefined) {
      const reasons = [`no profile schedules pods of the scheduler "${schedulerOf(pod.pod)}"`];
      return { refusedWhole: { plugin: '', reasons }, nodes: [] };
    }
    const { nodeName } = pod.pod.spec ?? {};
    this.#cache.removePod(pod.uid);
    try {
      const wanted = nodeName ? withoutNode(pod) : pod;
      const options = { profile: by.profile, nominator: this.#nominator };
      const gang = this.#gangs?.explain(pod, this);
      const explanation = explain({ pod: wanted, cluster: this.#cache.table }, options);
      return gang === undefined ? explanation : { ...explanation, gang };
    } catch (error) {
      return { refusedWhole: { plugin: '', reasons: [errorText(error)] }, nodes: [] };
    } finally {
      if (nodeName) this.#cache.setPod(pod, nodeName);
    }
  }
}

/** The pod as if it had not been given a node. */
export function withoutNode({ pod }: PodInfo): PodInfo {
  const { nodeName: _, ...spec } = pod.spec ?? { containers: [] };
  return podInfoOf({ ...pod, spec });
}

function schedulerOf({ spec }: Pod): string {
  return spec?.schedulerName || defaultSchedulerName;
}

/** As the queue has them: by priority, then by age, then by name. */
function inOrder(waiting: readonly PodInfo[]): readonly PodInfo[] {
  const age = ({ pod }: PodInfo): string => pod.metadata?.creationTimestamp ?? '';
  const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return waiting.toSorted((a, b) => b.priority - a.priority || order(age(a), age(b)) || order(a.key, b.key));
}
