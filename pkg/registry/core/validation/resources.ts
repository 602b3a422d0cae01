/** Rules for requests and limits. Source: upstream `ValidateContainerResourceRequirements`. */
import { at, child, type FieldPath, invalid, required } from '#pkg/apimachinery/field-error.ts';
import { qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { parseQuantity, quantityFormatError } from '#pkg/apimachinery/quantity.ts';
import { objectAt } from '../../draft.ts';
import { compareQuantities, quantityAt } from '../../quantities.ts';
import type { Collector } from '../../validation/collector.ts';
import { notNegativeDetail } from '../../validation/numbers.ts';

const overcommitable: ReadonlySet<string> = new Set(['cpu', 'memory', 'ephemeral-storage']);
const nanoPerUnit = 1_000_000_000n;

function isStandard(name: string): boolean {
  return overcommitable.has(name) || name.startsWith('hugepages-');
}

function isExtended(name: string): boolean {
  return name.includes('/') && !name.startsWith('requests.') && !name.split('/')[0]!.endsWith('kubernetes.io');
}

function checkName(into: Collector, name: string, path: FieldPath): void {
  into.problems(path, name, qualifiedNameProblems(name));
  if (!name.includes('/') && !isStandard(name)) {
    into.add(invalid(path, name, 'must be a standard resource type or fully qualified'));
    into.add(invalid(path, name, 'must be a standard resource for containers'));
  }
}

/** Checks one quantity of a resource. */
export function checkQuantity(into: Collector, value: unknown, path: FieldPath): void {
  const isWritten = typeof value === 'string' || typeof value === 'number';
  const quantity = isWritten ? parseQuantity(value) : undefined;
  if (quantity === undefined) into.add(invalid(path, value, quantityFormatError));
  else if (quantity.nano < 0n) into.add(invalid(path, value, notNegativeDetail));
}

/** Checks the `resources` of a container. */
export function checkContainerResources(into: Collector, resources: JsonObject | undefined, path: FieldPath): void {
  const limits = objectAt(resources, 'limits') ?? {};
  const requests = objectAt(resources, 'requests') ?? {};
  for (const [kind, amounts] of [
    ['limits', limits],
    ['requests', requests],
  ] as const) {
    for (const [name, value] of Object.entries(amounts)) {
      const own = at(child(path, kind), name);
      checkName(into, name, own);
      checkQuantity(into, value, own);
      if (isExtended(name) && quantityAt(value).nano % nanoPerUnit !== 0n) {
        into.add(invalid(own, value, 'must be an integer'));
      }
    }
  }
  for (const [name, request] of Object.entries(requests)) {
    checkAgainstLimit(into, { name, request, limits }, path);
  }
}

function checkAgainstLimit(
  into: Collector,
  { name, request, limits }: { name: string; request: unknown; limits: JsonObject },
  path: FieldPath,
): void {
  const mayDiffer = overcommitable.has(name);
  if (!Object.hasOwn(limits, name)) {
    if (!mayDiffer) into.add(required(child(path, 'limits'), 'Limit must be set for non overcommitable resources'));
    return;
  }
  const order = compareQuantities(request, limits[name]);
  const own = child(path, 'requests');
  const limit = `${name} limit of ${String(limits[name])}`;
  if (!mayDiffer && order !== 0) into.add(invalid(own, String(request), `must be equal to ${limit}`));
  else if (order > 0) into.add(invalid(own, String(request), `must be less than or equal to ${limit}`));
}
