/**
 * What a pod asks for as a whole, exactly: its containers and sidecars together, or what it needs while one of its other init containers runs if
 * that is more; what the pod itself says comes first; and the overhead of its runtime class.
 * Source: component-helpers `resource.PodRequests`, `PodLimits`; KEP-753, KEP-1287, KEP-2837.
 */
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { compareQuantity, zeroQuantity } from '#pkg/apimachinery/quantity.ts';
import type { Container, Pod } from '../types/core-v1.ts';
import { type Amounts, addAmounts, amountsOf, noAmounts } from './amounts.ts';

type Kind = 'limits' | 'requests';

/** Requests or limits of a pod. While its node has not followed a resize, the larger of what it asks for and what it has. */
export function podAmounts(pod: Pod, kind: Kind): Amounts {
  const { spec } = pod;
  if (spec === undefined) return noAmounts;
  const own = (container: Container): Amounts => containerAmounts(pod, container, kind);
  let total = noAmounts;
  for (const container of spec.containers ?? []) total = addAmounts(total, own(container));
  let sidecars = noAmounts;
  let peak = noAmounts;
  for (const container of spec.initContainers ?? []) {
    const amounts = own(container);
    if (container.restartPolicy === 'Always') {
      total = addAmounts(total, amounts);
      sidecars = addAmounts(sidecars, amounts);
      peak = largerOf(peak, sidecars);
    } else peak = largerOf(peak, addAmounts(sidecars, amounts));
  }
  const needed = new Map(largerOf(total, peak));
  for (const [name, amount] of amountsOf(spec.resources?.[kind])) if (isPodLevel(name)) needed.set(name, amount);
  return addAmounts(needed, overhead(pod, needed, kind));
}

/** Whether the pod itself says what its containers may use together. */
export function hasPodLevelAmounts({ spec }: Pod): boolean {
  const { requests = {}, limits = {} } = spec?.resources ?? {};
  return [...Object.keys(requests), ...Object.keys(limits)].some(isPodLevel);
}

function isPodLevel(name: string): boolean {
  return name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');
}

/** The overhead raises limits that there are, and makes none. */
function overhead({ spec }: Pod, needed: Amounts, kind: Kind): Amounts {
  const amounts = amountsOf(spec?.overhead);
  if (kind === 'requests') return amounts;
  return new Map([...amounts].filter(([name]) => (needed.get(name) ?? zeroQuantity).nano > 0n));
}

function containerAmounts({ status }: Pod, { name, resources }: Container, kind: Kind): Amounts {
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const inUse = statuses.find((one) => one.name === name);
  const wanted = amountsOf(resources?.[kind]);
  if (inUse?.resources === undefined) return wanted;
  const isRefused = findCondition(status?.conditions, 'PodResizePending')?.reason === 'Infeasible';
  const held = amountsOf(inUse.resources[kind]);
  const allocated = kind === 'requests' ? amountsOf(inUse.allocatedResources) : noAmounts;
  return largerOf(largerOf(isRefused ? noAmounts : wanted, held), allocated);
}

function largerOf(a: Amounts, b: Amounts): Amounts {
  const larger = new Map(a);
  for (const [name, amount] of b) {
    const other = larger.get(name);
    if (other === undefined || compareQuantity(amount, other) > 0) larger.set(name, amount);
  }
  return larger;
}
