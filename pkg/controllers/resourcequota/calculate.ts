/**
 * Counts what is used of a quota: asks the server itself for the objects, not an informer, so that the count knows of everything that was written
 * before the version of the quota that it is written to. Of objects that count for one only the number is asked for.
 * Upstream counterpart: apiserver `quota/v1` `CalculateUsage`.
 */
import { type Amounts, addAmounts, amountsOf, noAmounts, selectAmounts } from '#pkg/api/quota/amounts.ts';
import { type Evaluator, evaluatorOf, isInScopes, oldCountNames, specialResources } from '#pkg/api/quota/evaluator.ts';
import type { ResourceQuota } from '#pkg/api/types/core-v1.ts';
import type { ResourceRef } from '#pkg/apimachinery/object.ts';
import { type Quantity, quantityOf, zeroQuantity } from '#pkg/apimachinery/quantity.ts';
import type { Client } from '#pkg/client/client.ts';
import { listInPages } from '#pkg/client/list-pages.ts';

/** Who is asked, and when it is. */
export interface CalculateOptions {
  readonly client: Client;
  readonly nowMs: number;
  readonly signal: AbortSignal;
  /** Resources by what they are counted as, such as `deployments.apps`. */
  readonly resourceOf: (name: string) => Promise<ResourceRef | undefined>;
}

/** What is used, for those limits of the quota that something is known to count for. */
export async function usageOf(quota: ResourceQuota, options: CalculateOptions): Promise<Amounts> {
  const names = Object.keys(quota.spec?.hard ?? {});
  let usage = noAmounts;
  for (const [ref, limits] of await countedBy(names, options.resourceOf)) {
    const evaluator = evaluatorOf(ref);
    if (evaluator === undefined) continue;
    const zeros = new Map<string, Quantity>(limits.map((name) => [name, zeroQuantity]));
    const used = await usageOfKind({ quota, evaluator, ref, limits }, options);
    const wanted = selectAmounts(used, (name) => zeros.has(name));
    usage = addAmounts(usage, addAmounts(zeros, wanted));
  }
  return usage;
}

/** The resources that limits of these names are about, each with its limits. Some are about several. */
export async function countedBy(
  names: readonly string[],
  resourceOf: CalculateOptions['resourceOf'],
): Promise<ReadonlyMap<ResourceRef, readonly string[]>> {
  const found = new Map<ResourceRef, readonly string[]>();
  const refs = new Map<string, ResourceRef>();
  for (const ref of specialResources()) refs.set(`${ref.resource}.${ref.group}`, ref);
  for (const name of names) {
    const counted = countedName(name);
    const ref = counted === undefined ? undefined : await resourceOf(counted);
    if (ref !== undefined && !refs.has(`${ref.resource}.${ref.group}`)) refs.set(`${ref.resource}.${ref.group}`, ref);
  }
  for (const ref of refs.values()) {
    const evaluator = evaluatorOf(ref);
    const own = names.filter((name) => evaluator?.counts(name) === true);
    if (own.length > 0) found.set(ref, own);
  }
  return found;
}

/** The resource whose objects a limit counts, where its name says so. */
function countedName(limit: string): string | undefined {
  if (limit.startsWith('count/')) return limit.slice('count/'.length);
  return oldCountNames.has(limit) ? limit : undefined;
}

interface Kind {
  readonly quota: ResourceQuota;
  readonly evaluator: Evaluator;
  readonly ref: ResourceRef;
  readonly limits: readonly string[];
}

async function usageOfKind(
  { quota, evaluator, ref, limits }: Kind,
  { client, nowMs, signal }: CalculateOptions,
): Promise<Amounts> {
  const namespace = quota.metadata?.namespace ?? '';
  const resource = client.resource(ref);
  const hasScopes = (quota.spec?.scopes ?? []).length > 0 || quota.spec?.scopeSelector !== undefined;
  const isPlainCount = !specialResources().includes(ref);
  if (isPlainCount) {
    // Objects that are in no scope are not counted by quotas that have one.
    if (hasScopes) return noAmounts;
    const { items, metadata } = await resource.list({ namespace, limit: 1, signal });
    const count = quantityOf(items.length + (metadata.remainingItemCount ?? 0));
    return new Map(limits.map((name) => [name, count]));
  }
  let sum = noAmounts;
  const { items } = await listInPages(resource, { namespace, signal });
  for (const item of items) if (isInScopes(evaluator, quota, item)) sum = addAmounts(sum, evaluator.usage(item, nowMs));
  return sum;
}

/** The limits as they are compared. */
export function limitsOf(quota: ResourceQuota): Amounts {
  return amountsOf(quota.spec?.hard);
}
