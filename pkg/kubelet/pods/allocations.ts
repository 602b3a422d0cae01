/**
 * What the node has allotted to each of its pods: whether it takes them at all, and whether it can follow when one asks for more while it runs. It
 * is the one place that knows both. A pod keeps what it has until the node can give it what it asks for; what cannot be given now is looked at
 * again whenever another pod has given something back.
 *
 * Invariant: what is allotted to the pods that are not over never exceeds what is allocatable, but for pods that a kubelet had taken before it
 * started again. Nothing here awaits. Upstream counterpart: kubelet `allocation/allocation_manager.go`.
 */
import { isPodTerminal } from '#pkg/api/core/pod.ts';
import type { Node, Pod, ResourceRequirements } from '#pkg/api/types/core-v1.ts';
import { podRequests, quantityValue } from '../model/amounts.ts';
import { allStatuses } from '../model/pod-view.ts';
import {
  type PendingResize,
  resizableContainers,
  resizeSummary,
  resourceChanges,
  withResources,
} from '../model/resize.ts';
import type { RuntimeCapabilities } from '../runtime/runtime.ts';
import type { PodFailure } from '../status/pod-status-input.ts';
import { type AdmittedPod, admitPod } from './admission.ts';

/** What there is to allot. */
export interface AllocationsDeps {
  /** The node as it is in the API. */
  node(): Pick<Node, 'metadata' | 'spec' | 'status'>;
  /** What pods may use in all, beside what the API says of the node. */
  allocatable(): Readonly<Record<string, string>>;
  readonly operatingSystem: string;
  /** Nothing of the pod runs any more, nor will. */
  isOver(uid: string): boolean;
  /** Of the runtime of a pod. */
  capabilitiesOf(pod: Pod): RuntimeCapabilities | undefined;
  /** Whose policy keeps the pod from being resized, as a container of it has something for itself; undefined where none does. */
  pinnedBy(pod: Pod): string | undefined;
  /** Told of each resize that was begun or put off. */
  event(
    pod: Pod,
    event: { readonly type: 'Normal' | 'Warning'; readonly reason: string; readonly message: string },
  ): void;
  /** What is allotted to the pod has changed. */
  onAllotted(uid: string): void;
}

interface Entry {
  /** As it asks. */
  pod: Pod;
  /** What its containers have where that is not what it asks for; absent where all have what they ask for. */
  held: ReadonlyMap<string, ResourceRequirements> | undefined;
  /** The sums of what it has. */
  requests: ReadonlyMap<string, number>;
  pending: PendingResize | undefined;
  /** The generation of the pod whose resources were allotted last. */
  generation: number | undefined;
}

/** What was allotted, by pod. */
export class Allocations {
  readonly #deps: AllocationsDeps;
  /** The pods that were taken, by uid, in the order in which they came. */
  readonly #entries = new Map<string, Entry>();

  constructor(deps: AllocationsDeps) {
    this.#deps = deps;
  }

  /** Takes a pod, or says why not. One that a kubelet has taken before keeps its place and what it had, also over a restart. */
  admit(pod: Pod): PodFailure | undefined {
    if (isPodTerminal(pod)) return undefined;
    const isNew = pod.status?.startTime === undefined && pod.metadata?.deletionTimestamp === undefined;
    const requests = podRequests(pod);
    if (isNew) {
      const rejection = this.#refusal({ pod, requests });
      if (rejection !== undefined) return rejection;
    }
    const held = isNew ? undefined : heldBefore(pod);
    const { generation } = pod.metadata ?? {};
    const entry: Entry = { pod, held, requests, pending: undefined, generation };
    this.#entries.set(uidOf(pod), entry);
    if (held !== undefined) {
      entry.requests = podRequests(withResources(pod, held));
      this.#decide(entry);
    }
    return undefined;
  }

  /** The pod has changed in the API. */
  updated(pod: Pod): void {
    const entry = this.#entries.get(uidOf(pod));
    if (entry === undefined) return;
    const before = entry.pod;
    entry.pod = pod;
    if (before.metadata?.generation === pod.metadata?.generation || pod.metadata?.deletionTimestamp !== undefined)
      return;
    const has = withResources(before, entry.held);
    entry.held = differences(pod, has);
    if (entry.held === undefined && entry.pending === undefined) {
      entry.generation = pod.metadata?.generation;
      return;
    }
    this.#decide(entry);
    // One that asks for less, or no more, may make room.
    this.retry();
  }

  /** The pod is gone, or nothing of it runs any more: what it had is free. */
  release(uid: string): void {
    if (this.#entries.delete(uid)) this.retry();
  }

  /** Looks again at what was put off: the most important pod first, then who has waited longest. */
  retry(): void {
    const waiting = [...this.#entries.values()].filter(({ pending }) => pending?.reason === 'Deferred');
    const priority = ({ pod }: Entry): number => pod.spec?.priority ?? 0;
    for (const entry of waiting.sort((a, b) => priority(b) - priority(a))) this.#decide(entry);
  }

  /** The pod with the resources that it has been allotted. */
  allotted(pod: Pod): Pod {
    return withResources(pod, this.#entries.get(uidOf(pod))?.held);
  }

  /** What is asked for and has not been allotted. */
  pending(uid: string): PendingResize | undefined {
    return this.#entries.get(uid)?.pending;
  }

  /** The generation of the pod whose resources it has been allotted. */
  generation(uid: string): number | undefined {
    return this.#entries.get(uid)?.generation;
  }

  /** Allots what the pod asks for, or notes why not. */
  #decide(entry: Entry): void {
    const { pod, held } = entry;
    const generation = pod.metadata?.generation;
    if (held === undefined) {
      entry.pending = undefined;
      this.#allot(entry);
      return;
    }
    const requests = podRequests(pod);
    const pending = this.#obstacle({ pod, requests }, entry);
    if (pending === undefined) {
      entry.held = undefined;
      entry.pending = undefined;
      entry.requests = requests;
      this.#allot(entry);
      return;
    }
    const before = entry.pending;
    entry.pending = { ...pending, generation };
    if (before?.reason === pending.reason && before.message === pending.message && before.generation === generation)
      return;
    this.#deps.onAllotted(uidOf(pod));
    this.#deps.event(pod, {
      type: 'Warning',
      reason: `Resize${pending.reason}`,
      message: `Pod resize ${pending.reason}: ${resizeSummary(pod, pending.message)}`,
    });
  }

  #allot(entry: Entry): void {
    entry.generation = entry.pod.metadata?.generation;
    this.#deps.onAllotted(uidOf(entry.pod));
  }

  /** Why the node cannot give the pod what it asks for. Source: kubelet `canResizePod`. */
  #obstacle(wanted: AdmittedPod, entry: Entry): Omit<PendingResize, 'generation'> | undefined {
    const allocatable = this.#allocatable();
    for (const [name, scale] of [
      ['memory', 1],
      ['cpu', 1000],
    ] as const) {
      const [asked, capacity] = [wanted.requests.get(name) ?? 0, quantityValue(allocatable[name])];
      // Sums of fractions: what differs by less than a thousandth fits.
      if (asked <= capacity + 0.0005) continue;
      const amounts = `${name}, requested: ${Math.round(asked * scale)}, capacity: ${Math.round(capacity * scale)}`;
      return { reason: 'Infeasible', message: `Node didn't have enough capacity: ${amounts}` };
    }
    const impossible = this.#impossible(wanted.pod, entry);
    if (impossible !== undefined) return { reason: 'Infeasible', message: impossible };
    const refusal = this.#refusal(wanted);
    return refusal === undefined ? undefined : { reason: 'Deferred', message: refusal.message };
  }

  /** A change of a pod with processors of its own, or one that the runtime can only make by a restart, of containers that are not restarted. */
  #impossible(pod: Pod, { held }: Entry): string | undefined {
    const manager = this.#deps.pinnedBy(pod);
    if (manager !== undefined) return `Resize is infeasible for Guaranteed Pods alongside ${manager} static policy`;
    const capabilities = this.#deps.capabilitiesOf(pod);
    if (capabilities === undefined || capabilities.features.has('update') || pod.spec?.restartPolicy !== 'Never')
      return undefined;
    const stuck = resizableContainers(pod).find(({ name, resources }) => {
      const has = held?.get(name);
      return has !== undefined && isEnforced(resourceChanges(has, resources), capabilities);
    });
    if (stuck === undefined) return undefined;
    return `the ${capabilities.name} runtime cannot change the limits of container ${stuck.name} while it runs, and restartPolicy Never does not let it be restarted`;
  }

  #refusal(wanted: AdmittedPod): PodFailure | undefined {
    const uid = uidOf(wanted.pod);
    const others = [...this.#entries].filter(([other]) => other !== uid && !this.#deps.isOver(other));
    return admitPod({
      ...wanted,
      others: others.map(([, entry]) => entry),
      node: this.#deps.node(),
      allocatable: this.#allocatable(),
      operatingSystem: this.#deps.operatingSystem,
    });
  }

  #allocatable(): Readonly<Record<string, string>> {
    return { ...this.#deps.node().status?.allocatable, ...this.#deps.allocatable() };
  }
}

/** Whether a runtime that cannot change limits while a container runs keeps those that change. */
export function isEnforced(
  { cpu, memoryLimit }: { readonly cpu: boolean; readonly memoryLimit: boolean },
  { features }: RuntimeCapabilities,
): boolean {
  return (cpu && features.has('cpuLimits')) || (memoryLimit && features.has('memoryLimits'));
}

function uidOf(pod: Pod): string {
  return pod.metadata?.uid ?? '';
}

/** What the containers of `has` have where `asks` is for something else; undefined where nothing differs. */
function differences(asks: Pod, has: Pod): ReadonlyMap<string, ResourceRequirements> | undefined {
  const now = new Map(resizableContainers(has).map(({ name, resources }) => [name, resources ?? {}]));
  const held = resizableContainers(asks).flatMap(({ name, resources }): [string, ResourceRequirements][] => {
    const own = now.get(name);
    return own === undefined || resourceChanges(own, resources).none ? [] : [[name, own]];
  });
  return held.length === 0 ? undefined : new Map(held);
}

/** What the API says that containers have been allotted, from before the kubelet started, where that is not what they ask for. */
function heldBefore(pod: Pod): ReadonlyMap<string, ResourceRequirements> | undefined {
  const said = new Map<string, ResourceRequirements>();
  for (const { name, allocatedResources: requests, resources } of allStatuses(pod)) {
    if (requests === undefined) continue;
    said.set(name, { requests, ...(resources?.limits === undefined ? {} : { limits: resources.limits }) });
  }
  return differences(pod, withResources(pod, said));
}
