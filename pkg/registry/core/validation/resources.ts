/**
 * Rules for amounts of resources, and for requests and limits made of them.
 * Source: upstream `validateResourceRequirements`, `validateContainerResourceName`, `pkg/apis/core/helper`.
 */
import { isExtendedResource, isNativeResource } from '#pkg/api/core/resource-names.ts';
import type { ResourceClaim, ResourceRequirements } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldPath,
  forbiddenField,
  invalid,
  notFoundField,
  notSupported,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { parseQuantity, quantityFormatError } from '#pkg/apimachinery/quantity.ts';
import { compareQuantities, quantityAt } from '../../quantities.ts';
import type { Collector } from '../../validation/collector.ts';
import { notNegativeDetail } from '../../validation/numbers.ts';

const nanoPerUnit = 1_000_000_000n;

/** Resources of which containers together may be promised more than there is. */
const overcommitable: ReadonlySet<string> = new Set(['cpu', 'memory', 'ephemeral-storage', 'storage']);

const containerResources: ReadonlySet<string> = new Set(['cpu', 'memory', 'ephemeral-storage']);

/** Countable things that a quota may limit. */
const countedResources: ReadonlySet<string> = new Set([
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
]);

const computeQuotas = ['cpu', 'memory', 'ephemeral-storage', 'storage'].flatMap((name) =>
  name === 'storage' ? ['requests.storage'] : [name, `requests.${name}`, `limits.${name}`],
);
const quotaResources: ReadonlySet<string> = new Set([...computeQuotas, ...countedResources]);

/** Resources without a prefix that exist anywhere. */
const standardResources: ReadonlySet<string> = new Set([...overcommitable, ...quotaResources]);

function isHugePages(name: string): boolean {
  return name.startsWith('hugepages-');
}

function isExtended(name: string): boolean {
  return isExtendedResource(name) && qualifiedNameProblems(`requests.${name}`).length === 0;
}

/** Whether requests may be less than the limits. */
export function mayOvercommit(name: string): boolean {
  return isNativeResource(name) && !isHugePages(name);
}

/** Checks the name of a resource of any kind; returns whether it is one. */
export function checkResourceName(into: Collector, name: string, path: FieldPath): boolean {
  const problems = qualifiedNameProblems(name);
  into.problems(path, name, problems);
  if (problems.length > 0) return false;
  if (name.includes('/') || standardResources.has(name) || isHugePages(name.replace(/^requests\./, ''))) return true;
  into.add(invalid(path, name, 'must be a standard resource type or fully qualified'));
  return false;
}

/** Checks the name of a resource that a container can have. */
export function checkContainerResourceName(into: Collector, name: string, path: FieldPath): void {
  checkResourceName(into, name, path);
  if (!name.includes('/')) {
    if (containerResources.has(name) || isHugePages(name)) return;
    into.add(invalid(path, name, 'must be a standard resource for containers'));
  } else if (!isNativeResource(name) && !isExtended(name)) {
    into.add(invalid(path, name, "doesn't follow extended resource name standard"));
  }
}

/** Whether a resource without a prefix is one that quotas know. */
export function isQuotaResource(name: string): boolean {
  return quotaResources.has(name) || isHugePages(name.replace(/^requests\./, ''));
}

/** Checks the name of a resource that a quota can limit. */
export function checkQuotaResourceName(into: Collector, name: string, path: FieldPath): void {
  checkResourceName(into, name, path);
  if (name.includes('/') || isQuotaResource(name)) return;
  into.add(invalid(path, name, 'must be a standard resource for quota'));
}

/** Checks an amount: not negative, and whole where the resource is counted. */
export function checkAmount(into: Collector, amount: unknown, { name, path }: { name: string; path: FieldPath }): void {
  const isWritten = typeof amount === 'string' || typeof amount === 'number';
  const quantity = isWritten ? parseQuantity(amount) : undefined;
  if (quantity === undefined) {
    into.add(invalid(path, amount, quantityFormatError));
    return;
  }
  if (quantity.nano < 0n) into.add(invalid(path, amount, notNegativeDetail));
  const isWhole = countedResources.has(name) || isExtended(name);
  if (isWhole && quantity.nano % nanoPerUnit !== 0n) into.add(invalid(path, amount, 'must be an integer'));
}

interface RequirementRules {
  readonly path: FieldPath;
  /** Names of the pod's resource claims. */
  readonly claims: ReadonlySet<string>;
  readonly checkName?: (into: Collector, name: string, path: FieldPath) => void;
}

/** Checks the `resources` of a container, or, with another `checkName`, of a pod. */
export function checkResources(
  into: Collector,
  resources: Given<ResourceRequirements> | undefined,
  rules: RequirementRules,
): void {
  if (resources === undefined) return;
  const { path, checkName = checkContainerResourceName } = rules;
  const limits = resources.limits ?? {};
  const requests = resources.requests ?? {};
  for (const [kind, amounts] of [
    ['limits', limits],
    ['requests', requests],
  ] as const) {
    for (const [name, amount] of Object.entries(amounts)) {
      const own = at(child(path, kind), name);
      checkName(into, name, own);
      checkAmount(into, amount, { name, path: own });
      if (kind === 'requests') checkAgainstLimit(into, { name, request: amount, limits }, path);
      if (isHugePages(name)) checkHugePages(into, { name, amount }, own);
    }
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  if (names.some(isHugePages) && !names.some((name) => name === 'cpu' || name === 'memory')) {
    into.add(forbiddenField(path, 'HugePages require cpu or memory'));
  }
  checkClaims(into, resources.claims ?? [], { path: child(path, 'claims'), claims: rules.claims });
}

function checkAgainstLimit(
  into: Collector,
  { name, request, limits }: { name: string; request: unknown; limits: JsonObject },
  path: FieldPath,
): void {
  const mayDiffer = mayOvercommit(name);
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

function checkHugePages(into: Collector, { name, amount }: { name: string; amount: unknown }, path: FieldPath): void {
  const size = parseQuantity(name.slice('hugepages-'.length));
  const { nano } = quantityAt(amount);
  if (size !== undefined && size.nano > 0n && nano % size.nano === 0n) return;
  into.add(invalid(path, String(amount), `${String(amount)} is not positive integer multiple of ${name}`));
}

function checkClaims(
  into: Collector,
  given: readonly Given<ResourceClaim>[],
  { path, claims }: { readonly path: FieldPath; readonly claims: ReadonlySet<string> },
): void {
  const seen = new Set<string>();
  for (const [index, claim] of given.entries()) {
    const own = at(path, index);
    const name = claim.name ?? '';
    if (!into.needsText(own, name)) continue;
    const request = claim.request ?? '';
    into.mayName(child(own, 'request'), request, dns1123LabelProblems);
    const key = request === '' ? name : `${name}/${request}`;
    const overlaps = request === '' && [...seen].some((other) => other.startsWith(`${name}/`));
    if (seen.has(name) || overlaps) into.add(duplicate(own, name));
    else if (seen.has(key)) into.add(duplicate(own, key));
    seen.add(key);
    if (claims.has(name)) continue;
    const known = claims.size === 0 ? ' which is empty' : `: ${[...claims].sort().join(', ')}`;
    const error = notFoundField(own, name);
    into.add({ ...error, message: `${error.message}: must be one of the names in pod.spec.resourceClaims${known}` });
  }
}

/** Checks the name of a resource that a pod as a whole can ask for. */
export function checkPodResourceName(into: Collector, name: string, path: FieldPath): void {
  if (!checkResourceName(into, name, path)) return;
  if (name === 'cpu' || name === 'memory' || isHugePages(name)) return;
  into.add(notSupported(path, name, ['cpu', 'hugepages-', 'memory']));
}
