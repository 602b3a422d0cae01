/**
 * Keeps the status of quotas true: what they limit and what is used of it. The API server adds what is new before it is written; here is counted
 * anew what is gone, what was counted for writes that failed, and everything of a quota that is new or says something else.
 * Upstream counterpart: `pkg/controller/resourcequota`.
 */
import {
  type Amounts,
  addAmounts,
  amountsOf,
  listOf,
  noAmounts,
  sameAmounts,
  selectAmounts,
} from '#pkg/api/quota/amounts.ts';
import type { Evaluator } from '#pkg/api/quota/evaluator.ts';
import type { ResourceQuota } from '#pkg/api/types/core-v1.ts';
import { resourceQuotas } from '#pkg/api/types/refs.ts';
import { objectKey, type ResourceRef } from '#pkg/apimachinery/object.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { discoverResources, groupResource } from '#pkg/client/discovery.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { duration, type FlagTable, type FlagValues, integer } from '#pkg/component/flags.ts';
import { type ControllerContext, createLoop, createPeriodicLoop, type Loop } from '../common/controller.ts';
import { countedBy, limitsOf, usageOf } from './calculate.ts';
import { QuotaMonitors } from './monitors.ts';

/** Source: kube-controller-manager `ResourceQuotaController`. */
export const resourceQuotaFlags = {
  'concurrent-resource-quota-syncs': integer({ help: 'Quotas that are counted at the same time.', fallback: 5 }),
  'resource-quota-sync-period': duration({ help: 'Time after which all quotas are counted anew.', fallback: 300_000 }),
} satisfies FlagTable;

/** Deletions of this time are counted together. */
const gatherMs = 100;
/** What the API server has counted is looked at again after this time: a write may have failed after it was counted. */
const settleMs = 5_000;
/** Resources that are not served now are asked for again after this time. Source: upstream's discovery period. */
const rediscoverMs = 30_000;

/** The resource-quota controller. */
export function createResourceQuotaController(
  context: ControllerContext,
  values: FlagValues<typeof resourceQuotaFlags>,
): Component {
  return new ResourceQuotaController(context, values);
}

class ResourceQuotaController implements Component {
  readonly #context: ControllerContext;
  readonly #resyncMs: number;
  readonly #informer: Informer<ResourceQuota>;
  readonly #loop: Loop;
  readonly #monitors: QuotaMonitors;
  readonly #watched = new Map<string, readonly ResourceRef[]>();
  /** What was counted last: whoever writes something else has counted, too. */
  readonly #counted = new Map<string, Amounts>();
  #known: ReadonlyMap<string, ResourceRef> = new Map();
  #askedAtMs: number | undefined;

  constructor(context: ControllerContext, values: FlagValues<typeof resourceQuotaFlags>) {
    this.#context = context;
    this.#resyncMs = values['resource-quota-sync-period'];
    this.#informer = context.informers.informer(resourceQuotas);
    this.#loop = createLoop(context, {
      name: 'resourcequota',
      workers: values['concurrent-resource-quota-syncs'],
      reconcile: (key, signal) => this.#reconcile(key, signal),
    });
    this.#monitors = new QuotaMonitors(context, (namespace, evaluator) => this.#replenish(namespace, evaluator));
    const { queue } = this.#loop;
    this.#informer.addHandler({
      added: (quota) => queue.add(objectKey(quota)),
      updated: (_, quota) => {
        const key = objectKey(quota);
        const isStale = !sameAmounts(limitsOf(quota), amountsOf(quota.status?.hard));
        if (isStale) queue.add(key);
        else if (!sameAmounts(amountsOf(quota.status?.used), this.#counted.get(key) ?? noAmounts))
          queue.addAfter(key, settleMs);
      },
      deleted: (quota) => queue.add(objectKey(quota)),
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const resync = async (): Promise<void> => {
      for (const quota of this.#informer.lister.list()) this.#loop.queue.add(objectKey(quota));
    };
    await Promise.all([
      this.#loop.run(signal),
      createPeriodicLoop(this.#context, { name: 'resourcequota-resync', periodMs: this.#resyncMs, work: resync }).run(
        signal,
      ),
    ]);
    await this.#monitors.ended();
  }

  #replenish(namespace: string, evaluator: Evaluator): void {
    for (const quota of this.#informer.lister.list(namespace)) {
      const isCounted = Object.keys(quota.spec?.hard ?? {}).some((name) => evaluator.counts(name));
      if (isCounted) this.#loop.queue.addAfter(objectKey(quota), gatherMs);
    }
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const quota = this.#informer.lister.get(key);
    if (quota === undefined) {
      this.#watched.delete(key);
      this.#counted.delete(key);
      this.#follow(signal);
      return undefined;
    }
    const resourceOf = (name: string): Promise<ResourceRef | undefined> => this.#resourceOf(name, signal);
    this.#watched.set(key, [...(await countedBy(Object.keys(quota.spec?.hard ?? {}), resourceOf)).keys()]);
    this.#follow(signal);
    const { client, clock } = this.#context;
    const hard = limitsOf(quota);
    const before = amountsOf(quota.status?.used);
    const counted = await usageOf(quota, { client, nowMs: clock.nowMs(), signal, resourceOf });
    const kept = selectAmounts(before, (name) => hard.has(name) && !counted.has(name));
    const used = addAmounts(kept, counted);
    this.#counted.set(key, used);
    const isSame = sameAmounts(used, before) && sameAmounts(hard, amountsOf(quota.status?.hard));
    if (isSame && quota.status?.hard !== undefined && quota.status.used !== undefined) return undefined;
    return this.#write(quota, { hard: listOf(hard), used: listOf(used) });
  }

  async #write(quota: ResourceQuota, status: NonNullable<ResourceQuota['status']>): Promise<ReconcileResult> {
    try {
      const resource = this.#context.client.resource(resourceQuotas);
      const written = await resource.update({ ...quota, status }, { subresource: 'status' });
      // The server has counted itself what this count may have missed.
      if (!sameAmounts(amountsOf(written.status?.used), amountsOf(status.used))) return { requeueAfterMs: gatherMs };
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return undefined;
  }

  #follow(signal: AbortSignal): void {
    this.#monitors.follow([...this.#watched.values()].flat(), signal);
  }

  /** The resource of a name such as `deployments.apps`, if it is served. */
  async #resourceOf(name: string, signal: AbortSignal): Promise<ResourceRef | undefined> {
    const nowMs = this.#context.clock.monotonicMs();
    const mayAsk = this.#askedAtMs === undefined || nowMs - this.#askedAtMs >= rediscoverMs;
    if (!this.#known.has(name) && mayAsk) {
      this.#askedAtMs = nowMs;
      const { resources } = await discoverResources(this.#context.client, signal);
      const counted = resources.filter(({ ref, verbs }) => ref.namespaced && counts(verbs));
      this.#known = new Map(counted.map(({ ref }) => [groupResource(ref), ref]));
    }
    return this.#known.get(name);
  }
}

/** Whether objects with these verbs can be counted. Source: upstream `GetQuotableResources`. */
function counts(verbs: readonly string[]): boolean {
  return ['create', 'delete', 'list', 'watch'].every((verb) => verbs.includes(verb));
}
