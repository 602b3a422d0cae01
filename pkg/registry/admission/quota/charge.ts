/**
 * What a write takes from the quotas of its namespace, or why it may not. A pure function of the quotas and the write, in upstream's words.
 * Source: apiserver `admission/plugin/resourcequota` `CheckRequest`.
 */
import {
  type Amounts,
  addAmounts,
  amountsOf,
  exceeding,
  increaseOf,
  listOf,
  noAmounts,
  selectAmounts,
} from '#pkg/api/quota/amounts.ts';
import { type Evaluator, isQuotaOf } from '#pkg/api/quota/evaluator.ts';
import type { ResourceQuota } from '#pkg/api/types/core-v1.ts';
import { type ErrorSubject, forbidden, type StatusError } from '#pkg/apimachinery/status-error.ts';
import { plainError } from '../refusal.ts';
import { type LimitedResource, uncovered } from './limited.ts';

/** A quota, and what is used of it once the writes before are counted. */
export interface QuotaState {
  readonly quota: ResourceQuota;
  readonly used: Amounts;
}

/** One write. */
export interface QuotaRequest {
  readonly evaluator: Evaluator;
  readonly subject: ErrorSubject;
  /** What may be used only where a quota covers it. */
  readonly limited?: readonly LimitedResource[];
  readonly name: string;
  readonly subresource: string;
  readonly object: object;
  /** Undefined for a new object. */
  readonly old: object | undefined;
  readonly nowMs: number;
}

/** The states after a write, in the order of those before it, and what it took of each; nothing of those that are as they were. */
export interface Charged {
  readonly states: readonly QuotaState[];
  readonly taken: readonly Amounts[];
}

/** Counts a write. Throws Forbidden where a quota has not room for it, or none covers what is limited. */
export function chargeAll(states: readonly QuotaState[], request: QuotaRequest): Charged {
  if (request.limited !== undefined && request.limited.length > 0) checkCovered(states, request, request.limited);
  const taken = states.map((state) => chargeOne(state, request));
  const after = states.map((state, index) => {
    const amounts = taken[index] ?? noAmounts;
    return amounts.size === 0 ? state : { ...state, used: addAmounts(state.used, amounts) };
  });
  return { states: after, taken };
}

function checkCovered(states: readonly QuotaState[], request: QuotaRequest, limited: readonly LimitedResource[]): void {
  const { evaluator, object, old, nowMs } = request;
  const usage = evaluator.usage(object, nowMs);
  const before = old === undefined ? noAmounts : evaluator.usage(old, nowMs);
  if (increaseOf(usage, before).size === 0) return;
  const quotas = states.map(({ quota }) => quota);
  const problem = uncovered(limited, quotas, request, usage);
  if (problem?.kind === 'resources')
    throw forbidden(request.subject, request.name, `insufficient quota to consume: ${problem.what}`);
  // Upstream has no status for this one.
  if (problem !== undefined) throw plainError(`insufficient quota to match these scopes: ${problem.what}`);
}

function chargeOne({ quota, used }: QuotaState, request: QuotaRequest): Amounts {
  const { evaluator, object, old, nowMs } = request;
  if (!isQuotaOf(evaluator, quota, object)) return noAmounts;
  const quotaName = quota.metadata?.name ?? '';
  const refuse = (why: string): StatusError => forbidden(request.subject, request.name, why);
  const hard = amountsOf(quota.status?.hard);
  const names = [...hard.keys()].filter((name) => evaluator.counts(name)).sort();
  const missing = evaluator.missing?.(object, names) ?? '';
  if (missing !== '') throw refuse(`failed quota: ${quotaName}: ${missing}`);
  if (names.some((name) => !used.has(name)))
    throw refuse(`status unknown for quota: ${quotaName}, resources: ${names.join(',')}`);
  const usage = evaluator.usage(object, nowMs);
  const negative = [...usage].filter(([, { nano }]) => nano < 0n).map(([name]) => name);
  if (negative.length > 0) throw refuse(`quota usage is negative for resource(s): ${negative.sort().join(',')}`);
  const before = old !== undefined && isQuotaOf(evaluator, quota, old) ? evaluator.usage(old, nowMs) : noAmounts;
  const increase = selectAmounts(increaseOf(usage, before), (name) => hard.has(name));
  const over = exceeding(
    addAmounts(
      selectAmounts(used, (name) => increase.has(name)),
      increase,
    ),
    hard,
  );
  // What a controller reports of an object has happened: it is counted, and refused to nobody.
  if (over.length === 0 || request.subresource === 'status') return increase;
  const shown = (amounts: Amounts): string =>
    Object.entries(listOf(selectAmounts(amounts, (name) => over.includes(name))))
      .map(([name, amount]) => `${name}=${amount}`)
      .join(',');
  throw refuse(
    `exceeded quota: ${quotaName}, requested: ${shown(increase)}, used: ${shown(used)}, limited: ${shown(hard)}`,
  );
}
