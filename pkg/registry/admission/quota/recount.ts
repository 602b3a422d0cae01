/**
 * Counts for a quota what was promised of it, from what this server has and is about to write. Whoever has counted it by watches may have missed such objects or not: there
 * is no telling, so that neither their number nor that with the promises added to it is right, and upstream's controller looks at neither again.
 */
import { type Amounts, addAmounts, increaseOf, noAmounts, selectAmounts } from '#pkg/api/quota/amounts.ts';
import { type Evaluator, evaluatorOf, isInScopes, quotaResourceName } from '#pkg/api/quota/evaluator.ts';
import type { ResourceQuota } from '#pkg/api/types/core-v1.ts';
import { zeroQuantity } from '#pkg/apimachinery/quantity.ts';
import type { RegistryReader } from '#pkg/apiserver/strategy.ts';
import type { PromisedWrite } from './quota-book.ts';

/** Of what the amounts of these writes are amounts of, how much is used once they are done. */
export async function recount(
  quota: ResourceQuota,
  promised: readonly PromisedWrite[],
  { reader, nowMs }: { readonly reader: RegistryReader; readonly nowMs: number },
): Promise<Amounts> {
  let used = noAmounts;
  const kinds = Map.groupBy(promised, ({ subject }) => quotaResourceName(subject));
  for (const writes of kinds.values()) {
    const subject = writes[0]?.subject;
    const evaluator = subject === undefined ? undefined : evaluatorOf(subject);
    if (subject === undefined || evaluator === undefined) continue;
    const names = new Set(writes.flatMap(({ amounts }) => [...amounts.keys()]));
    const all = await reader.list(subject, quota.metadata?.namespace);
    const objects = new Map(all.map((object) => [object.metadata?.name ?? '', object]));
    const total = usageOf({ quota, evaluator, nowMs }, { objects, writes });
    const zeros = new Map([...names].map((name) => [name, zeroQuantity]));
    used = addAmounts(
      used,
      addAmounts(
        zeros,
        selectAmounts(total, (name) => names.has(name)),
      ),
    );
  }
  return used;
}

/** Of an object that is there and is about to be another one, it is the more of both: it may be the other one by now. */
function usageOf(
  { quota, evaluator, nowMs }: { readonly quota: ResourceQuota; readonly evaluator: Evaluator; readonly nowMs: number },
  { objects, writes }: { readonly objects: ReadonlyMap<string, object>; readonly writes: readonly PromisedWrite[] },
): Amounts {
  const usage = (object: object | undefined): Amounts =>
    object === undefined || !isInScopes(evaluator, quota, object) ? noAmounts : evaluator.usage(object, nowMs);
  let sum = noAmounts;
  for (const object of objects.values()) sum = addAmounts(sum, usage(object));
  const writing = new Map(writes.map(({ name, object }) => [name, object]));
  for (const [name, object] of writing) sum = addAmounts(sum, increaseOf(usage(object), usage(objects.get(name))));
  return sum;
}
