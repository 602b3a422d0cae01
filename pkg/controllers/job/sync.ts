/**
 * One look at one job: makes or deletes pods, counts those that have ended, writes the status. Writes nothing where nothing has changed.
 * Upstream counterpart: `job_controller.go` `syncJob`.
 */

import { isPodReady, isPodTerminating } from '#pkg/api/core/pod.ts';
import type { Job, JobCondition } from '#pkg/api/types/batch-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { jobs } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import type { Random } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { Expectations } from '#pkg/client/expectations.ts';
import { forEachLimited, requestsInFlightMax } from '../common/concurrency.ts';
import { createPod, deletePod, type PodControlOptions } from '../common/pod-control.ts';
import { createInGrowingBatches } from '../common/slow-start.ts';
import type { BackoffRecord } from './backoff.ts';
import { type Counted, countEnded, uncountedToNumbers } from './counting.ts';
import { letAllGo, letGo, type ReleasedPods } from './finalizers.ts';
import type { JobMetrics, SyncAction } from './job-metrics.ts';
import { isSuspended } from './job-pods.ts';
import { conditionNow, draftOf, type StatusDraft, statusOf, withJobCondition } from './status-draft.ts';
import { deadlineInMs, type Stock, takeStock } from './stock.ts';
import { nameBase, templateFor, wantedOf } from './wanted.ts';

/** What the controller keeps between two looks. */
export interface JobMemory {
  readonly client: Client;
  readonly random: Random;
  readonly events: EventRecorder;
  readonly expectations: Expectations;
  readonly released: ReleasedPods;
  readonly backoff: Map<string, BackoffRecord>;
  readonly metrics: JobMetrics;
  /** Told of every status that the server took. */
  wrote(job: Job): void;
}

/** One look at one job. */
export interface SyncInput {
  readonly key: string;
  readonly job: Job;
  readonly pods: readonly Pod[];
  /** Whether all pods that were made or deleted before are seen. */
  readonly mayAct: boolean;
  readonly nowMs: number;
}

type Failure = { readonly error: unknown } | undefined;

/** Does what is to be done now; milliseconds until something is due by time alone. */
export async function syncJob(memory: JobMemory, input: SyncInput): Promise<number | undefined> {
  return memory.metrics.synced(input.job, async () => {
    const sync = new JobSync(memory, input);
    const value = await sync.run();
    return { action: sync.action, value };
  });
}

class JobSync {
  readonly #memory: JobMemory;
  readonly #input: SyncInput;
  #job: Job;
  #draft: StatusDraft;
  readonly #stock: Stock;
  #active: number;
  #ready: number;
  #terminating: number;
  #isChanged = false;
  #action: SyncAction = 'reconciling';
  #dueMs: number | undefined;

  constructor(memory: JobMemory, input: SyncInput) {
    this.#memory = memory;
    this.#input = input;
    const { job, nowMs } = input;
    this.#draft = draftOf(job.status);
    if (this.#draft.startTime === undefined && !isSuspended(job)) {
      this.#draft.startTime = formatTimestamp(nowMs);
      this.#isChanged = true;
    }
    this.#job = { ...job, status: statusOf(this.#draft) };
    this.#stock = takeStock({
      ...input,
      job: this.#job,
      released: memory.released.of(input.key),
      record: memory.backoff.get(input.key),
    });
    this.#active = this.#stock.active.length;
    this.#ready = this.#stock.active.filter(isPodReady).length;
    this.#terminating = input.pods.filter(isPodTerminating).length;
  }

  /** What it did. */
  get action(): SyncAction {
    return this.#action;
  }

  async run(): Promise<number | undefined> {
    const { nowMs } = this.#input;
    let { ending } = this.#stock;
    let failed: Failure;
    if (ending === undefined) {
      const leftMs = deadlineInMs(this.#job, nowMs);
      if (leftMs !== undefined) this.#dueIn(leftMs);
      ({ ending, failed } = await this.#goOn());
    } else {
      failed = await this.#delete(this.#stock.active);
      // Pods that are not seen yet, or could not be deleted, would be left behind.
      if (failed !== undefined || !this.#input.mayAct) ending = undefined;
    }
    this.#setCounts();
    await this.#track(ending);
    if (failed !== undefined) throw failed.error;
    return this.#dueMs;
  }

  #dueIn(ms: number): void {
    this.#dueMs = Math.min(this.#dueMs ?? ms, ms);
  }

  #setCounts(): void {
    const draft = this.#draft;
    const counts = { active: this.#active, ready: this.#ready, terminating: this.#terminating };
    if (draft.active !== counts.active || draft.ready !== counts.ready || draft.terminating !== counts.terminating) {
      this.#isChanged = true;
    }
    Object.assign(draft, counts);
  }

  /** Brings the number of pods in line; whether the job is complete with that. */
  async #goOn(): Promise<{ readonly ending: JobCondition | undefined; readonly failed: Failure }> {
    const { mayAct, nowMs } = this.#input;
    const isActing = mayAct && this.#job.metadata?.deletionTimestamp === undefined;
    const failed = isActing ? await this.#manage() : undefined;
    const { completions } = this.#job.spec ?? {};
    const { succeeded } = this.#stock;
    const isComplete = this.#active === 0 && (completions === undefined ? succeeded > 0 : succeeded >= completions);
    if (isComplete) {
      const message = 'Reached expected number of succeeded pods';
      return { ending: conditionNow('SuccessCriteriaMet', { reason: 'CompletionsReached', message }, nowMs), failed };
    }
    if (isActing) this.#saySuspended();
    return { ending: undefined, failed };
  }

  async #manage(): Promise<Failure> {
    const { key } = this.#input;
    const { expectations } = this.#memory;
    const wanted = wantedOf(this.#stock, this.#terminating);
    if (wanted.kind === 'wait') this.#dueIn(wanted.ms);
    if (wanted.kind === 'delete') {
      this.#action = 'pods_deleted';
      expectations.expectDeletions(key, wanted.pods.map(objectKey));
      return this.#delete(wanted.pods, { isUncounted: true });
    }
    if (wanted.kind !== 'create') return undefined;
    this.#action = 'pods_created';
    expectations.expectCreations(key, wanted.indexes.length);
    const { failed, notCreated } = await createInGrowingBatches(wanted.indexes, (index) => {
      const named = index === undefined ? {} : { generateName: nameBase(this.#job, index) };
      return createPod(templateFor(this.#stock, index), { ...this.#control(), ...named });
    });
    for (let i = 0; i < notCreated; i++) expectations.creationObserved(key);
    this.#active += wanted.indexes.length - notCreated;
    return failed;
  }

  #control(): PodControlOptions {
    const { client, random, events } = this.#memory;
    return { client, random, events, owner: this.#job, ownerRef: jobs };
  }

  /** `isUncounted`: the pods are let go first, so that they do not count as failed. */
  async #delete(pods: readonly Pod[], { isUncounted = false } = {}): Promise<Failure> {
    const { client, expectations } = this.#memory;
    let failed: Failure;
    await forEachLimited(pods, requestsInFlightMax, async (pod) => {
      try {
        if (isUncounted) await letGo(client, pod);
        const isDeleted = await deletePod(pod, this.#control());
        if (!isDeleted) expectations.deletionObserved(this.#input.key, objectKey(pod));
        this.#active--;
        this.#terminating++;
        if (isPodReady(pod)) this.#ready--;
      } catch (error) {
        expectations.deletionObserved(this.#input.key, objectKey(pod));
        failed ??= { error };
      }
    });
    return failed;
  }

  #saySuspended(): void {
    const { nowMs } = this.#input;
    const isNow = isSuspended(this.#job);
    const said = isNow
      ? { status: 'True', reason: 'JobSuspended', message: 'Job suspended' }
      : { status: 'False', reason: 'JobResumed', message: 'Job resumed' };
    const conditions = withJobCondition(this.#draft.conditions, conditionNow('Suspended', said, nowMs));
    if (conditions === this.#draft.conditions) return;
    this.#isChanged = true;
    this.#draft.conditions = conditions;
    const event = { type: 'Normal', reason: isNow ? 'Suspended' : 'Resumed', message: said.message } as const;
    this.#memory.events.record(this.#job, event);
    // The time allowed to be active begins anew.
    if (!isNow) this.#draft.startTime = formatTimestamp(nowMs);
  }

  async #track(ending: JobCondition | undefined): Promise<void> {
    const { client, released, backoff } = this.#memory;
    const { key } = this.#input;
    const counted = countEnded({ stock: this.#stock, draft: this.#draft, ending });
    if (this.#isChanged || counted.isChanged) {
      await this.#write();
      backoff.set(key, this.#stock.backoff);
    }
    const { done, failed } = await letAllGo({ client, key, released }, counted.leaving);
    const held = new Set([...counted.held].filter((uid) => !done.has(uid)));
    const before = { succeeded: this.#draft.succeeded, failed: this.#draft.failed };
    const isCounted = uncountedToNumbers(this.#draft, held);
    const { succeeded, failed: lost } = this.#draft;
    this.#memory.metrics.counted(this.#job, { succeeded: succeeded - before.succeeded, failed: lost - before.failed });
    if (isCounted && this.#action === 'reconciling') this.#action = 'tracking';
    if (failed !== undefined) {
      if (isCounted) await this.#write();
      throw failed.error;
    }
    const isOver = counted.isAll && this.#end(counted.final);
    if (isCounted || isOver) await this.#write();
    if (isOver) this.#sayOver(counted.final!);
  }

  /** Writes the last condition once every pod is counted and gone; whether it did. */
  #end(final: Counted['final']): boolean {
    const draft = this.#draft;
    if (final === undefined || this.#terminating > 0) return false;
    if (draft.uncounted.succeeded.length + draft.uncounted.failed.length > 0) return false;
    draft.conditions = withJobCondition(draft.conditions, final);
    if (final.type === 'Complete') draft.completionTime = final.lastTransitionTime!;
    return true;
  }

  #sayOver(final: JobCondition): void {
    const { events, metrics } = this.#memory;
    const { completions } = this.#job.spec ?? {};
    metrics.finished(this.#job, { isComplete: final.type === 'Complete', reason: final.reason ?? '' });
    if (final.type !== 'Complete') {
      const { reason = '', message = '' } = final;
      events.record(this.#job, { type: 'Warning', reason, message });
      return;
    }
    if (completions !== undefined && this.#draft.succeeded > completions) {
      const message = 'Too many succeeded pods running after completion count reached';
      events.record(this.#job, { type: 'Warning', reason: 'TooManySucceededPods', message });
    }
    events.record(this.#job, { type: 'Normal', reason: 'Completed', message: 'Job completed' });
  }

  async #write(): Promise<void> {
    const status = statusOf(this.#draft);
    this.#job = await this.#memory.client.resource(jobs).update({ ...this.#job, status }, { subresource: 'status' });
    this.#draft = draftOf(this.#job.status);
    this.#memory.wrote(this.#job);
  }
}
