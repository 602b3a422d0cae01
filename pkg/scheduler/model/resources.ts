/**
 * Amounts of resources as plain numbers, so that comparing a pod with a node costs a few floating-point operations.
 * Amounts up to 2^53 are exact: 9 PB of memory. CPU is in thousandths of a core, everything else in whole units (bytes, counts).
 * Source: component-helpers `resource.PodRequests`; scheduler `util.GetNonzeroRequests`.
 */

import type { Container, ContainerStatus, Pod, PodStatus } from '#pkg/api/types/core-v1.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { parseQuantity, quantityMilliValue, quantityValue } from '#pkg/apimachinery/quantity.ts';

/** Amounts of a pod, of a node, or summed up over pods. */
export interface Resources {
  /** Thousandths of a core. */
  milliCpu: number;
  /** Bytes. */
  memory: number;
  /** Bytes. */
  ephemeralStorage: number;
  /** On a node: how many pods it takes. */
  pods: number;
  /** Extended resources and huge pages by name; absent when there are none. */
  scalars: Map<string, number> | undefined;
}

/** CPU that a container without a request counts with when nodes are scored, thousandths of a core. */
const defaultMilliCpu = 100;
/** Memory that a container without a request counts with when nodes are scored, bytes. */
const defaultMemoryBytes = 200 * 1024 * 1024;

type Amounts = Readonly<Record<string, string>>;
type Sums = Map<string, number>;

/** No resources at all. */
export function noResources(): Resources {
  return { milliCpu: 0, memory: 0, ephemeralStorage: 0, pods: 0, scalars: undefined };
}

/** The amounts of a resource list such as `status.allocatable`. */
export function resourcesOf(list: Amounts | undefined): Resources {
  const sums: Sums = new Map();
  if (list !== undefined) addAmounts(sums, list);
  return fromSums(sums);
}

/** Adds `sign` times `amount` to `total`, in place. */
export function addResources(total: Resources, amount: Resources, sign: 1 | -1): void {
  total.milliCpu += sign * amount.milliCpu;
  total.memory += sign * amount.memory;
  total.ephemeralStorage += sign * amount.ephemeralStorage;
  if (amount.scalars === undefined) return;
  total.scalars ??= new Map();
  for (const [name, value] of amount.scalars) total.scalars.set(name, (total.scalars.get(name) ?? 0) + sign * value);
}

/** The amount of a resource by its name; 0 where there is none. */
export function requestOf(amounts: Readonly<Resources>, name: string): number {
  if (name === 'cpu') return amounts.milliCpu;
  if (name === 'memory') return amounts.memory;
  return name === 'ephemeral-storage' ? amounts.ephemeralStorage : (amounts.scalars?.get(name) ?? 0);
}

/** A copy that shares nothing. */
export function copyResources(source: Resources): Resources {
  return { ...source, scalars: source.scalars === undefined ? undefined : new Map(source.scalars) };
}

/**
 * What a pod takes from its node: the containers that run together, or one of the init containers with the sidecars started before
 * it, whichever is more; pod-level requests in place of both where given; and the overhead of its runtime class.
 */
export function podRequests(pod: Pod): Resources {
  const { spec } = pod;
  if (!isPlain(pod)) return fromSums(requestSums(pod, {}));
  const [only] = spec?.containers ?? [];
  const own = amountsOf(only?.resources?.requests);
  if (spec?.containers.length === 1) return own;
  const total = noResources();
  for (const { resources } of spec?.containers ?? []) addResources(total, amountsOf(resources?.requests), 1);
  return total;
}

/** As `podRequests`, with the default CPU and memory for each container that requests none: what scores count with. */
export function nonZeroRequests(pod: Pod): { readonly milliCpu: number; readonly memory: number } {
  if (isPlain(pod)) {
    const total = { milliCpu: 0, memory: 0 };
    for (const { resources } of pod.spec?.containers ?? []) {
      const { milliCpu, memory } = amountsOf(resources?.requests);
      total.milliCpu += milliCpu || (resources?.requests?.cpu === undefined ? defaultMilliCpu : 0);
      total.memory += memory || (resources?.requests?.memory === undefined ? defaultMemoryBytes : 0);
    }
    return total;
  }
  const floor = { cpu: defaultMilliCpu, memory: defaultMemoryBytes };
  const { milliCpu, memory } = fromSums(requestSums(pod, floor));
  return { milliCpu, memory };
}

/** Whether a pod takes the sum of what its containers ask for, as nearly all do that wait for a node. */
function isPlain({ spec, status }: Pod): boolean {
  return (
    spec !== undefined &&
    spec.initContainers === undefined &&
    spec.resources === undefined &&
    spec.overhead === undefined &&
    status?.containerStatuses === undefined &&
    status?.initContainerStatuses === undefined
  );
}

/** What was read of a resource list. Pods that were made alike share theirs, and both versions of a pod that is bound do. */
const known = new WeakMap<Amounts, Resources>();
const nothing: Resources = noResources();

/** As `resourcesOf`, once for each list. The answer is shared and never changed. */
function amountsOf(list: Amounts | undefined): Resources {
  if (list === undefined) return nothing;
  let amounts = known.get(list);
  if (amounts === undefined) {
    amounts = resourcesOf(list);
    known.set(list, amounts);
  }
  return amounts;
}

function requestSums({ spec, status }: Pod, floor: Readonly<Record<string, number>>): Sums {
  const total: Sums = new Map();
  if (spec === undefined) return total;
  const isRefused = isResizeInfeasible(status);
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const sumsOf = (container: Container): Sums => {
    const inUse = statuses.find(({ name }) => name === container.name);
    const sums = containerSums(container, { inUse, isRefused });
    for (const [name, amount] of Object.entries(floor)) if (!sums.has(name)) sums.set(name, amount);
    return sums;
  };
  for (const container of spec.containers) addAll(total, sumsOf(container));
  const sidecars: Sums = new Map();
  const peak: Sums = new Map();
  for (const container of spec.initContainers ?? []) {
    const own = sumsOf(container);
    if (container.restartPolicy === 'Always') {
      addAll(total, own);
      addAll(sidecars, own);
      raise(peak, sidecars);
    } else {
      addAll(own, sidecars);
      raise(peak, own);
    }
  }
  raise(total, peak);
  for (const [name, amount] of Object.entries(spec.resources?.requests ?? {})) total.set(name, unitsOf(name, amount));
  if (spec.overhead !== undefined) addAmounts(total, spec.overhead);
  return total;
}

/** How far the node has followed a change of what a container asks for. */
interface ResizeState {
  /** What the node says of the container; absent before it has said anything. */
  readonly inUse: ContainerStatus | undefined;
  /** Whether the node can never follow the change. */
  readonly isRefused: boolean;
}

/**
 * What a container asks for and, while its node has not followed a change of that, what it still has: the larger of each. A change that the
 * node can never follow does not count.
 */
function containerSums({ resources }: Container, { inUse, isRefused }: ResizeState): Sums {
  const sums: Sums = new Map();
  if (inUse?.resources === undefined || !isRefused) addAmounts(sums, resources?.requests ?? {});
  if (inUse?.resources === undefined) return sums;
  for (const held of [inUse.resources.requests, inUse.allocatedResources]) {
    const amounts: Sums = new Map();
    addAmounts(amounts, held ?? {});
    raise(sums, amounts);
  }
  return sums;
}

function isResizeInfeasible(status: PodStatus | undefined): boolean {
  return findCondition(status?.conditions, 'PodResizePending')?.reason === 'Infeasible';
}

function addAmounts(sums: Sums, list: Amounts): void {
  for (const [name, amount] of Object.entries(list)) sums.set(name, (sums.get(name) ?? 0) + unitsOf(name, amount));
}

function addAll(sums: Sums, other: Sums): void {
  for (const [name, amount] of other) sums.set(name, (sums.get(name) ?? 0) + amount);
}

function raise(sums: Sums, floor: Sums): void {
  for (const [name, amount] of floor) if (amount > (sums.get(name) ?? 0)) sums.set(name, amount);
}

function unitsOf(name: string, amount: string): number {
  const quantity = parseQuantity(amount);
  // The API server lets nothing else in; what it would not be able to read counts as nothing.
  if (quantity === undefined) return 0;
  return name === 'cpu' ? quantityMilliValue(quantity) : quantityValue(quantity);
}

function fromSums(sums: Sums): Resources {
  const resources = noResources();
  for (const [name, amount] of sums) {
    if (name === 'cpu') resources.milliCpu = amount;
    else if (name === 'memory') resources.memory = amount;
    else if (name === 'ephemeral-storage') resources.ephemeralStorage = amount;
    else if (name === 'pods') resources.pods = amount;
    else {
      resources.scalars ??= new Map();
      resources.scalars.set(name, amount);
    }
  }
  return resources;
}
