/**
 * What a LimitRange's item asks of amounts, and what a pod asks for as a whole. Pure functions.
 *
 * Rules: each minimum and maximum of an item holds for requests and limits alike, and a ratio for the two together.
 * Source: upstream `plugin/pkg/admission/limitranger` (`minConstraint`, `maxConstraint`, `limitRequestRatioConstraint`), KEP-753 for sidecars,
 * KEP-2837 for amounts of the pod itself.
 */
import type { LimitRangeItem, Pod, ResourceRequirements } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  addQuantity,
  compareQuantity,
  formatQuantity,
  type Quantity,
  zeroQuantity,
} from '#pkg/apimachinery/quantity.ts';
import { compareQuantities, isZeroQuantity, quantityAt } from '../quantities.ts';

/** Amounts by the name of their resource. */
export interface Amounts {
  readonly requests: Readonly<Record<string, unknown>>;
  readonly limits: Readonly<Record<string, unknown>>;
}

type Totals = Map<string, Quantity>;

/** What an owner of `resources` (a container) asks for. */
export function amountsOf({
  resources,
}: {
  readonly resources?: Given<Omit<ResourceRequirements, 'claims'>>;
}): Amounts {
  return { requests: resources?.requests ?? {}, limits: resources?.limits ?? {} };
}

/**
 * What a pod asks for as a whole: its containers and sidecars together, or what it needs while one of its other init containers runs if that
 * is more; what the pod itself says of processors, memory and huge pages comes first.
 */
export function podAmounts(pod: Given<Pod>): Amounts {
  return { requests: podTotal(pod, 'requests'), limits: podTotal(pod, 'limits') };
}

function podTotal({ spec }: Given<Pod>, kind: keyof Amounts): Readonly<Record<string, unknown>> {
  const total: Totals = new Map();
  for (const container of spec?.containers ?? []) add(total, amountsOf(container)[kind]);
  const sidecars: Totals = new Map();
  const peak: Totals = new Map();
  for (const container of spec?.initContainers ?? []) {
    const amounts = amountsOf(container)[kind];
    if (container.restartPolicy === 'Always') {
      add(total, amounts);
      add(sidecars, amounts);
      raise(peak, sidecars);
    } else {
      const during: Totals = new Map(sidecars);
      add(during, amounts);
      raise(peak, during);
    }
  }
  raise(total, peak);
  const own = spec?.resources?.[kind] ?? {};
  const forPod = Object.entries(own).filter(([name]) => isPodLevel(name));
  return Object.fromEntries([...[...total].map(([name, sum]) => [name, formatQuantity(sum)]), ...forPod]);
}

function isPodLevel(name: string): boolean {
  return name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');
}

function add(totals: Totals, amounts: Readonly<Record<string, unknown>>): void {
  for (const [name, amount] of Object.entries(amounts)) {
    const sum = totals.get(name);
    totals.set(name, sum === undefined ? quantityAt(amount) : addQuantity(sum, quantityAt(amount)));
  }
}

function raise(totals: Totals, others: Totals): void {
  for (const [name, other] of others) {
    if (compareQuantity(other, totals.get(name) ?? zeroQuantity) > 0 || !totals.has(name)) totals.set(name, other);
  }
}

/** What is beyond one item of a range for containers or pods, in upstream's words. */
export function violations(type: 'Container' | 'Pod', item: LimitRangeItem, amounts: Amounts): readonly string[] {
  return [
    ...each(item.min, (name, min) => belowMinimum(type, name, min, amounts)),
    ...each(item.max, (name, max) => aboveMaximum(type, name, max, amounts)),
    ...each(item.maxLimitRequestRatio, (name, ratio) => aboveRatio(type, name, ratio, amounts)),
  ];
}

/** What is beyond one item of a range for claims, of which only requests count. */
export function claimViolations(item: LimitRangeItem, { requests }: Amounts): readonly string[] {
  const type = 'PersistentVolumeClaim';
  return [
    ...each(item.min, (name, min) => belowMinimum(type, name, min, { requests, limits: {} })),
    ...each(item.max, (name, max) => {
      const rule = `maximum ${name} usage per ${type} is ${String(max)}`;
      if (!Object.hasOwn(requests, name)) return `${rule}.  No request is specified`;
      return compareQuantities(requests[name], max) > 0 ? `${rule}, but request is ${String(requests[name])}` : '';
    }),
  ];
}

function each(
  bounds: Readonly<Record<string, string>> | undefined,
  check: (name: string, bound: string) => string,
): readonly string[] {
  return Object.entries(bounds ?? {})
    .map(([name, bound]) => check(name, bound))
    .filter((text) => text !== '');
}

function belowMinimum(type: string, name: string, min: unknown, { requests, limits }: Amounts): string {
  const rule = `minimum ${name} usage per ${type} is ${String(min)}`;
  if (!Object.hasOwn(requests, name)) return `${rule}.  No request is specified`;
  if (compareQuantities(requests[name], min) < 0) return `${rule}, but request is ${String(requests[name])}`;
  const isLow = Object.hasOwn(limits, name) && compareQuantities(limits[name], min) < 0;
  return isLow ? `${rule}, but limit is ${String(limits[name])}` : '';
}

function aboveMaximum(type: string, name: string, max: unknown, { requests, limits }: Amounts): string {
  const rule = `maximum ${name} usage per ${type} is ${String(max)}`;
  if (!Object.hasOwn(limits, name)) return `${rule}.  No limit is specified`;
  if (compareQuantities(limits[name], max) > 0) return `${rule}, but limit is ${String(limits[name])}`;
  const isHigh = Object.hasOwn(requests, name) && compareQuantities(requests[name], max) > 0;
  return isHigh ? `${rule}, but request is ${String(requests[name])}` : '';
}

function aboveRatio(type: string, name: string, ratio: unknown, { requests, limits }: Amounts): string {
  const rule = `${name} max limit to request ratio per ${type} is ${String(ratio)}`;
  if (isZeroQuantity(requests[name])) return `${rule}, but no request is specified or request is 0`;
  if (isZeroQuantity(limits[name])) return `${rule}, but no limit is specified or limit is 0`;
  const observed = Number(quantityAt(limits[name]).nano) / Number(quantityAt(requests[name]).nano);
  const allowed = Number(quantityAt(ratio).nano) / 1e9;
  return observed > allowed ? `${rule}, but provided ratio is ${observed.toFixed(6)}` : '';
}
