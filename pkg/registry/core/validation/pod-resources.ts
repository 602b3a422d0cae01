/** Rules for resources of a pod as a whole, which its containers share. Source: upstream `validatePodResources`, KEP-2837. */
import type { Container, PodSpec, ResourceRequirements } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldPath, forbiddenField, invalid, misnamed } from '#pkg/apimachinery/field-error.ts';
import {
  addQuantity,
  compareQuantity,
  formatQuantity,
  type Quantity,
  zeroQuantity,
} from '#pkg/apimachinery/quantity.ts';
import { compareQuantities, quantityAt } from '../../quantities.ts';
import type { Collector } from '../../validation/collector.ts';
import { checkPodResourceName, checkResources } from './resources.ts';

type Amounts = ReadonlyMap<string, Quantity>;

function requestsOf(container: Given<Container>): Amounts {
  const requests = container.resources?.requests ?? {};
  return new Map(Object.entries(requests).map(([name, amount]) => [name, quantityAt(amount)]));
}

function combine(a: Amounts, b: Amounts, merge: (left: Quantity, right: Quantity) => Quantity): Amounts {
  const all = new Map(a);
  for (const [name, amount] of b) all.set(name, merge(all.get(name) ?? zeroQuantity, amount));
  return all;
}

const larger = (left: Quantity, right: Quantity): Quantity => (compareQuantity(left, right) < 0 ? right : left);

/**
 * What the containers of a pod ask for together: the sum of those that run side by side, or what one of the init containers asks for
 * with the sidecars before it, whichever is more.
 */
function totalRequests(spec: Given<PodSpec>): Amounts {
  const nothing: Amounts = new Map();
  let running = (spec.containers ?? []).reduce((sum, one) => combine(sum, requestsOf(one), addQuantity), nothing);
  let sidecars = nothing;
  let starting = nothing;
  for (const container of spec.initContainers ?? []) {
    const own = requestsOf(container);
    if (container.restartPolicy === 'Always') {
      running = combine(running, own, addQuantity);
      sidecars = combine(sidecars, own, addQuantity);
      starting = combine(starting, sidecars, larger);
    } else starting = combine(starting, combine(sidecars, own, addQuantity), larger);
  }
  return combine(running, starting, larger);
}

/** Checks the resources of a pod spec as a whole, against the sums of its containers. */
export function checkPodResources(
  into: Collector,
  spec: Given<PodSpec>,
  { path, claims }: { readonly path: FieldPath<ResourceRequirements>; readonly claims: ReadonlySet<string> },
): void {
  const resources = spec.resources;
  if (resources === undefined) return;
  if (resources.claims !== undefined) {
    into.add(forbiddenField(child(path, 'claims'), 'claims cannot be set for Resources at pod-level'));
  }
  checkResources(into, resources, { path, claims, checkName: checkPodResourceName });
  const requests = resources.requests ?? {};
  for (const [name, total] of totalRequests(spec)) {
    if (compareQuantity(total, quantityAt(requests[name])) <= 0) continue;
    const detail = `must be greater than or equal to aggregate container requests of ${formatQuantity(total)}`;
    into.add(invalid(at(child(path, 'requests'), name), String(requests[name] ?? '0'), detail));
  }
  const limits = resources.limits ?? {};
  for (const [index, container] of (spec.containers ?? []).entries()) {
    for (const [name, limit] of Object.entries(container.resources?.limits ?? {})) {
      if (!Object.hasOwn(limits, name) || compareQuantities(limit, limits[name]) <= 0) continue;
      const own = misnamed(at(at(misnamed(path, 'containers'), index), name), 'limits');
      into.add(invalid(own, String(limit), `must be less than or equal to pod limits of ${String(limits[name])}`));
    }
  }
}
