/**
 * What PodDisruptionBudgets allow: an eviction takes one of the disruptions that the budget's status offers. Working out how many there
 * are is its controller's; a budget whose status nobody has brought up to date offers none.
 * Source: `pkg/registry/core/pod/storage/eviction.go` `checkAndDecrement`; API reference, `PodDisruptionBudgetStatus`.
 */
import { type Condition, findCondition, setCondition } from '#pkg/apimachinery/conditions.ts';
import { type LabelSelector, selectorFromLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { forbidden, type StatusCause, StatusError, staleVersion } from '#pkg/apimachinery/status-error.ts';
import type { ServedResource } from '#pkg/apiserver/catalog.ts';
import { attemptsMax } from '#pkg/apiserver/endpoints/change.ts';
import type { Scope } from '#pkg/apiserver/endpoints/scope.ts';
import type { StoredEntry } from '#pkg/apiserver/storage/object-codec.ts';
import { timestamp } from '#pkg/base/clock.ts';

const budgets = { group: 'policy', resource: 'poddisruptionbudgets' };

/** Evictions that a budget has allowed and that its controller has not seen yet. Source: `MaxDisruptedPodSize`. */
const disruptedPodsMax = 2_000;

interface DisruptionBudget extends KubeObject {
  readonly spec?: { readonly selector?: LabelSelector; readonly unhealthyPodEvictionPolicy?: string };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly disruptionsAllowed?: number;
    readonly currentHealthy?: number;
    readonly desiredHealthy?: number;
    readonly disruptedPods?: Readonly<Record<string, string>>;
    readonly conditions?: readonly Condition[];
  };
}

/** A budget and where it is kept. */
export interface FoundBudget {
  readonly served: ServedResource;
  readonly entry: StoredEntry;
  readonly object: DisruptionBudget;
}

/** The budget that covers a pod. Throws when there are several. */
export async function budgetOf({ core }: Scope, { metadata }: KubeObject): Promise<FoundBudget | undefined> {
  const served = core.catalog.findAny(budgets);
  if (served === undefined) return undefined;
  const entries = await served.store.list(served.store.scope(metadata?.namespace ?? ''));
  const covering = entries
    .map((entry) => foundBudget(served, entry))
    .filter(({ object }) => {
      const parsed = selectorFromLabelSelector(object.spec?.selector);
      // A budget without a selector covers nothing rather than everything.
      return parsed.ok && !parsed.selector.isEmpty && parsed.selector.matches(metadata!.labels);
    });
  if (covering.length <= 1) return covering[0];
  const message = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.';
  throw new StatusError({ code: 500, reason: '', message });
}

function foundBudget(served: ServedResource, entry: StoredEntry): FoundBudget {
  return { served, entry, object: served.view.object(entry) };
}

/** Whether a pod that is not ready may go without counting, as it is not among those that the budget keeps. */
export function isSparable({ spec, status }: DisruptionBudget): boolean {
  if (spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

/** Takes one disruption from the budget. Throws TooManyRequests when it has none. */
export async function takeDisruption(
  { core }: Scope,
  found: FoundBudget,
  { podName, dryRun }: { readonly podName: string; readonly dryRun: boolean },
): Promise<void> {
  const { served } = found;
  let { entry, object } = found;
  const now = timestamp(core.clock);
  for (let attempt = 1; ; attempt++) {
    checkAllowed(object);
    if (dryRun) return;
    const draft = { ...object, status: withDisruption(object, { podName, now }) } as JsonObject;
    const result = await served.store.put(entry.key, served.view.toStored(draft), entry.modRevision);
    if (result.ok) return;
    // A budget that is gone in the meantime keeps nobody.
    if (result.current === undefined) return;
    if (attempt >= attemptsMax) throw staleVersion(budgets, object.metadata?.name ?? '');
    ({ entry, object } = foundBudget(served, result.current));
  }
}

function withDisruption(
  { metadata, status = {} }: DisruptionBudget,
  { podName, now }: { podName: string; now: string },
): DisruptionBudget['status'] {
  const left = (status.disruptionsAllowed ?? 0) - 1;
  const disruptedPods = { ...status.disruptedPods, [podName]: now };
  if (left > 0) return { ...status, disruptionsAllowed: left, disruptedPods };
  const exhausted = {
    type: 'DisruptionAllowed',
    status: 'False',
    reason: 'InsufficientPods',
    message: '',
    observedGeneration: metadata?.generation,
  };
  const conditions = setCondition(status.conditions, exhausted, now);
  return { ...status, conditions, disruptionsAllowed: left, disruptedPods };
}

function checkAllowed(budget: DisruptionBudget): void {
  const { metadata, status = {} } = budget;
  const name = metadata?.name ?? '';
  const { disruptionsAllowed = 0, disruptedPods = {} } = status;
  if ((status.observedGeneration ?? 0) < (metadata?.generation ?? 0)) throw stillProcessing(budget);
  const subject = { group: 'policy', resource: 'poddisruptionbudget' };
  if (disruptionsAllowed < 0) throw forbidden(subject, name, 'pdb disruptions allowed is negative');
  if (Object.keys(disruptedPods).length > disruptedPodsMax) {
    const why = 'DisruptedPods map too big - too many evictions not confirmed by PDB controller';
    throw forbidden(subject, name, why);
  }
  if (disruptionsAllowed > 0) return;
  const failed = findCondition(status.conditions, 'DisruptionAllowed');
  const why =
    failed?.reason === 'SyncFailed'
      ? `does not allow evicting pods currently because it failed sync: ${failed.message ?? ''}`
      : `needs ${status.desiredHealthy ?? 0} healthy pods and has ${status.currentHealthy ?? 0} currently`;
  throw violation({ reason: 'DisruptionBudget', message: `The disruption budget ${name} ${why}` });
}

/** The refusal while the budget's controller has not said yet what it allows. */
export function stillProcessing({ metadata }: DisruptionBudget): StatusError {
  const message = `The disruption budget ${metadata!.name} is still being processed by the server.`;
  return violation({ reason: 'DisruptionBudget', message }, 10);
}

function violation(cause: StatusCause, retryAfterSeconds?: number): StatusError {
  return new StatusError({
    code: 429,
    reason: 'TooManyRequests',
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    details: { causes: [cause], ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) },
  });
}
