/** What a node says of itself: labels and status. Pure. Source: kubelet `nodestatus/setters.go`. */

import { isExtendedResource } from '#pkg/api/core/resource-names.ts';
import type {
  ContainerImage,
  NodeAddress,
  NodeCondition,
  NodeRuntimeHandler,
  NodeStatus,
  Taint,
} from '#pkg/api/types/core-v1.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { canonicalQuantity } from '#pkg/apimachinery/quantity.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import type { PressureKind } from '../eviction/thresholds.ts';

/** What is known of the node. */
export interface NodeFacts {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  readonly addresses: readonly NodeAddress[];
  readonly kubeletPort: number;
  readonly capacity: Readonly<Record<string, string>>;
  readonly allocatable: Readonly<Record<string, string>>;
  /** Such as `v1.36.4`. */
  readonly kubeletVersion: string;
  /** Such as `inprocess://1.0.0`. */
  readonly runtimeVersion: string;
  readonly runtimeHandlers: readonly NodeRuntimeHandler[];
  readonly machine: MachineFacts;
  readonly images: readonly ContainerImage[];
  /** Volumes that it has in use, which are not to be detached. Default: nothing is said of them. */
  readonly volumesInUse?: readonly string[] | undefined;
  /** What it has too little of for its pods. */
  readonly pressure: ReadonlySet<PressureKind>;
  /** Why the node cannot run pods; undefined when it can. */
  readonly notReady: string | undefined;
}

/** The machine a node says it is. */
export interface MachineFacts {
  readonly machineId: string;
  readonly systemUuid: string;
  readonly bootId: string;
  readonly kernelVersion: string;
  readonly osImage: string;
  /** Such as `linux`. */
  readonly operatingSystem: string;
  /** Such as `amd64`. */
  readonly architecture: string;
}

/** Images listed in the status, the largest first. Source: kubelet `nodeStatusMaxImages`. */
const imagesMax = 50;

/** The labels every node has, and its own. */
export function nodeLabels(facts: NodeFacts): Readonly<Record<string, string>> {
  const { operatingSystem, architecture } = facts.machine;
  return {
    'beta.kubernetes.io/arch': architecture,
    'beta.kubernetes.io/os': operatingSystem,
    'kubernetes.io/arch': architecture,
    'kubernetes.io/hostname': facts.name,
    'kubernetes.io/os': operatingSystem,
    ...facts.labels,
  };
}

/**
 * The whole status; conditions that stay keep their transition times from `before`. What others have added to the capacity, such as extended
 * resources, stays and may be used. Source: kubelet `nodestatus.MachineInfo`.
 */
export function nodeStatus(facts: NodeFacts, before: NodeStatus | undefined, nowMs: number): NodeStatus {
  const { machine } = facts;
  return {
    capacity: { ...before?.capacity, ...facts.capacity },
    allocatable: allocatable(facts, before),
    conditions: conditions(facts, before, formatTimestamp(nowMs)),
    addresses: facts.addresses,
    daemonEndpoints: { kubeletEndpoint: { Port: facts.kubeletPort } },
    nodeInfo: {
      machineID: machine.machineId,
      systemUUID: machine.systemUuid,
      bootID: machine.bootId,
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      containerRuntimeVersion: facts.runtimeVersion,
      kubeletVersion: facts.kubeletVersion,
      kubeProxyVersion: '',
      operatingSystem: machine.operatingSystem,
      architecture: machine.architecture,
    },
    images: facts.images.slice(0, imagesMax).map(imageStatus),
    ...(facts.volumesInUse === undefined ? {} : { volumesInUse: facts.volumesInUse }),
    ...(facts.runtimeHandlers.length === 0 ? {} : { runtimeHandlers: facts.runtimeHandlers }),
  };
}

/** As the API has it, where a size that is not known is not written. */
function imageStatus({ names, sizeBytes }: ContainerImage): ContainerImage {
  return { names, ...(sizeBytes ? { sizeBytes } : {}) };
}

type Amounts = Readonly<Record<string, string>>;

/** An extended resource that has left the capacity leaves with it. */
function allocatable(facts: NodeFacts, before: NodeStatus | undefined): Amounts {
  const capacity: Amounts = { ...before?.capacity, ...facts.capacity };
  const kept = Object.entries(before?.allocatable ?? {}).filter(
    ([name]) => Object.hasOwn(capacity, name) || !isExtendedResource(name),
  );
  return { ...Object.fromEntries(kept), ...capacity, ...facts.allocatable };
}

/** Events for conditions that turned, by type and status. Source: kubelet `events/event.go`. */
const conditionEvents: Readonly<Record<string, string>> = {
  'MemoryPressure False': 'NodeHasSufficientMemory',
  'MemoryPressure True': 'NodeHasInsufficientMemory',
  'DiskPressure True': 'NodeHasDiskPressure',
  'PIDPressure True': 'NodeHasInsufficientPID',
  'DiskPressure False': 'NodeHasNoDiskPressure',
  'PIDPressure False': 'NodeHasSufficientPID',
  'Ready True': 'NodeReady',
  'Ready False': 'NodeNotReady',
};

/** Reasons of the events that a change of status is worth. A node that is new and not ready yet is no news. */
export function statusEvents(before: NodeStatus | undefined, after: NodeStatus): readonly string[] {
  return (after.conditions ?? []).flatMap(({ type, status }) => {
    const known = findCondition(before?.conditions, type);
    if (known?.status === status || (known === undefined && type === 'Ready' && status === 'False')) return [];
    return conditionEvents[`${type} ${status}`] ?? [];
  });
}

/** The fields that differ, as a strategic merge patch of the status. Conditions always: they carry the heartbeat. */
export function changedNodeStatus(before: NodeStatus | undefined, after: NodeStatus): JsonObject {
  const patch: JsonObject = {};
  for (const [name, value] of Object.entries(after)) {
    if (name === 'conditions') {
      patch[name] = value;
      continue;
    }
    const known = before?.[name as keyof NodeStatus];
    if (isSame(name, known, value)) continue;
    // Addresses are merged by type, so that those which went have to be replaced as a whole; amounts by name, so that they have to be unset.
    if (name === 'addresses') patch[name] = [...(value as readonly unknown[]), { $patch: 'replace' }];
    else if (name === 'allocatable') patch[name] = { ...unset(known as Amounts | undefined), ...(value as Amounts) };
    else patch[name] = value;
  }
  return patch;
}

/** Whether the API says anything else of the node than its kubelet, but for when. Source: kubelet `nodeStatusHasChanged`. */
export function statusDiffers(known: NodeStatus | undefined, wanted: NodeStatus): boolean {
  return Object.entries(wanted).some(([name, value]) => !isSame(name, known?.[name as keyof NodeStatus], value));
}

function unset(amounts: Amounts | undefined): JsonObject {
  return Object.fromEntries(Object.keys(amounts ?? {}).map((name) => [name, null]));
}

/** Whether a field of the API's status says what ours does: amounts may be written otherwise, what is empty may be absent. */
function isSame(name: string, known: unknown, value: unknown): boolean {
  switch (name) {
    case 'conditions':
      return (value as readonly NodeCondition[]).every(({ type, status, reason, message }) => {
        const there = findCondition(known as readonly NodeCondition[] | undefined, type);
        return there?.status === status && there.reason === reason && there.message === message;
      });
    case 'allocatable':
    case 'capacity':
      return (
        deepEqual(known, value) ||
        deepEqual(canonicalAmounts(known as Amounts | undefined), canonicalAmounts(value as Amounts))
      );
    default:
      return deepEqual(known, value) || (known === undefined && Array.isArray(value) && value.length === 0);
  }
}

function canonicalAmounts(amounts: Amounts | undefined): Amounts {
  return Object.fromEntries(
    Object.entries(amounts ?? {}).map(([name, amount]) => [name, canonicalQuantity(amount) ?? amount]),
  );
}

function conditions(facts: NodeFacts, before: NodeStatus | undefined, now: string): readonly NodeCondition[] {
  const ready =
    facts.notReady === undefined
      ? (['Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'] as const)
      : (['Ready', 'False', 'KubeletNotReady', facts.notReady] as const);
  const all = [
    facts.pressure.has('memory')
      ? ([
          'MemoryPressure',
          'True',
          'KubeletHasInsufficientMemory',
          'kubelet has insufficient memory available',
        ] as const)
      : (['MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'] as const),
    facts.pressure.has('disk')
      ? (['DiskPressure', 'True', 'KubeletHasDiskPressure', 'kubelet has disk pressure'] as const)
      : (['DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'] as const),
    facts.pressure.has('pid')
      ? (['PIDPressure', 'True', 'KubeletHasInsufficientPID', 'kubelet has insufficient PID available'] as const)
      : (['PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'] as const),
    ready,
  ] as const;
  return all.map(([type, status, reason, message]) => {
    const known = findCondition(before?.conditions, type);
    const since = known?.status === status ? known.lastTransitionTime : undefined;
    return { type, status, lastHeartbeatTime: now, lastTransitionTime: since ?? now, reason, message };
  });
}
