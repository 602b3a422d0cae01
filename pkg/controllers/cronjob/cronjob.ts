/**
 * Makes jobs by a schedule. A run that was missed, because nobody looked or the last one went on, is caught up once, the latest one.
 * Invariant: a run has one job, whose name says its minute. Upstream counterpart: `pkg/controller/cronjob`.
 */
import { type ParsedSchedule, parseSchedule, type Schedule } from '#pkg/api/batch/schedule.ts';
import { wallClockOf } from '#pkg/api/batch/zone-time.ts';
import type { CronJob, CronJobStatus, Job } from '#pkg/api/types/batch-v1.ts';
import { cronJobs, jobs } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { controllerOf, objectKey } from '#pkg/apimachinery/object.ts';
import { isAlreadyExists, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { exponentialBuckets, type Histogram } from '#pkg/base/metrics.ts';
import type { Informer } from '#pkg/client/informer.ts';
import { isNamespaceTerminating } from '#pkg/client/refusals.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop, type Loop } from '../common/controller.ts';
import { LastWrites } from '../common/last-writes.ts';
import { timeMs } from '../common/pod.ts';
import { jobFor, jobName, outcomeOf, referenceTo, scheduledAnnotation, surplusJobs } from './jobs.ts';
import { dueRun, nextRunInMs } from './times.ts';

/** Cron jobs worked on at the same time. */
const workers = 5;
const ownerIndex = 'cronjob';

/** The CronJob controller. */
export function createCronJobController(context: ControllerContext): Component {
  return new CronJobController(context);
}

class CronJobController implements Component {
  readonly #context: ControllerContext;
  readonly #events;
  readonly #cronJobs: Informer<CronJob>;
  readonly #jobs: Informer<Job>;
  readonly #writes = new LastWrites();
  readonly #skew: Histogram;
  /** Uids of jobs that somebody else made and that were spoken of. Bounded by the jobs that there are. */
  readonly #strangers = new Set<string>();
  readonly #loop: Loop;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#skew = context.metrics
      .histogram({
        name: 'cronjob_controller_job_creation_skew_duration_seconds',
        help: 'Time from when a job was due until it was made',
        buckets: exponentialBuckets(1, 2, 10),
      })
      .of();
    this.#events = context.recorder('cronjob-controller');
    this.#cronJobs = context.informers.informer(cronJobs);
    this.#jobs = context.informers.informer(jobs);
    this.#loop = createLoop(context, { name: 'cronjob', workers, reconcile: (key) => this.#reconcile(key) });
    this.#jobs.addIndex(ownerIndex, (job) => {
      const owner = controllerOf(job);
      return owner?.kind === 'CronJob' ? [owner.uid] : [];
    });
    this.#cronJobs.addHandler({
      added: (cronJob) => this.#loop.queue.add(objectKey(cronJob)),
      updated: (previous, cronJob) => this.#updated(previous, cronJob),
      deleted: (cronJob) => this.#writes.forget(objectKey(cronJob)),
    });
    this.#jobs.addHandler({
      added: (job) => this.#enqueueOwner(job),
      updated: (_, job) => this.#enqueueOwner(job),
      deleted: (job) => {
        this.#strangers.delete(job.metadata?.uid ?? '');
        this.#enqueueOwner(job);
      },
    });
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal);
  }

  /** A new schedule holds from now on: what it would have asked for before is not caught up. */
  #updated(previous: CronJob, cronJob: CronJob): void {
    const isSame = previous.spec.schedule === cronJob.spec.schedule && previous.spec.timeZone === cronJob.spec.timeZone;
    const key = objectKey(cronJob);
    const parsed = isSame || !isKnownZone(cronJob.spec.timeZone) ? undefined : scheduleOf(cronJob);
    if (parsed === undefined || 'problem' in parsed) {
      this.#loop.queue.add(key);
      return;
    }
    const nextMs = nextRunInMs(cronJob, parsed.schedule, this.#nowMs());
    if (nextMs === undefined) this.#loop.queue.add(key);
    else this.#loop.queue.addAfter(key, nextMs);
  }

  #enqueueOwner(job: Job): void {
    const owner = controllerOf(job);
    if (owner?.kind !== 'CronJob') return;
    const key = `${job.metadata?.namespace}/${owner.name}`;
    if (this.#cronJobs.lister.get(key)?.metadata?.uid === owner.uid) this.#loop.queue.add(key);
  }

  #nowMs(): number {
    return this.#context.clock.nowMs();
  }

  #warn(cronJob: CronJob, reason: string, message: string): void {
    this.#events.record(cronJob, { type: 'Warning', reason, message });
  }

  #say(cronJob: CronJob, reason: string, message: string): void {
    this.#events.record(cronJob, { type: 'Normal', reason, message });
  }

  async #reconcile(key: string): Promise<ReconcileResult> {
    const cached = this.#cronJobs.lister.get(key);
    if (cached === undefined || this.#writes.isBehind(key, cached)) return undefined;
    const children = this.#jobs.lister.byIndex(ownerIndex, cached.metadata?.uid ?? '');
    const seen = await this.#withWhatWasSeen(cached, children);
    const { cronJob, dueMs, failed } = await this.#runWhatIsDue(seen);
    await this.#prune(cronJob, children);
    if (!deepEqual(cached.status ?? {}, cronJob.status ?? {})) {
      const answer = await this.#context.client.resource(cronJobs).update(cronJob, { subresource: 'status' });
      this.#writes.wrote(key, answer);
      if (this.#cronJobs.lister.get(key) === undefined) this.#writes.forget(key);
    }
    if (failed !== undefined) throw failed.error;
    return dueMs === undefined ? undefined : { requeueAfterMs: dueMs };
  }

  /** Takes into the status what has become of the jobs. */
  async #withWhatWasSeen(cronJob: CronJob, children: readonly Job[]): Promise<CronJob> {
    let status: CronJobStatus = cronJob.status ?? {};
    for (const job of children) {
      const { uid = '', name = '' } = job.metadata ?? {};
      const isListed = status.active?.some((one) => one.uid === uid) === true;
      const outcome = outcomeOf(job);
      if (outcome === undefined) {
        if (isListed) continue;
        if (job.metadata?.annotations?.[scheduledAnnotation] !== undefined) status = withJob(status, job);
        else this.#sayStranger(cronJob, job);
        continue;
      }
      if (isListed) {
        this.#say(cronJob, 'SawCompletedJob', `Saw completed job: ${name}, condition: ${outcome}`);
        status = withoutJob(status, uid);
      }
      const ended = job.status?.completionTime;
      if (ended !== undefined && timeMs(ended) > timeMs(status.lastSuccessfulTime)) {
        status = { ...status, lastSuccessfulTime: ended };
      }
    }
    const known = new Set(children.map(({ metadata }) => metadata?.uid));
    for (const { uid = '', name = '', namespace = '' } of status.active ?? []) {
      if (known.has(uid) || (await this.#isThere(namespace, name, uid))) continue;
      this.#say(cronJob, 'MissingJob', `Active job went missing: ${name}`);
      status = withoutJob(status, uid);
    }
    return { ...cronJob, status };
  }

  /** A job that somebody made from the cron job, as `kubectl create job --from` does: it does not count as a run. */
  #sayStranger(cronJob: CronJob, { metadata }: Job): void {
    const { uid = '', name = '' } = metadata ?? {};
    if (this.#strangers.has(uid)) return;
    this.#strangers.add(uid);
    this.#warn(cronJob, 'UnexpectedJob', `Saw a job that the controller did not create or forgot: ${name}`);
  }

  /** Asks the server: the watch may not have brought a new job yet. */
  async #isThere(namespace: string, name: string, uid: string): Promise<boolean> {
    try {
      return (await this.#context.client.resource(jobs).get(name, { namespace })).metadata?.uid === uid;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  async #runWhatIsDue(cronJob: CronJob): Promise<Outcome> {
    const { timeZone, suspend, schedule: text } = cronJob.spec;
    if (cronJob.metadata?.deletionTimestamp !== undefined) return { cronJob };
    if (!isKnownZone(timeZone)) {
      this.#warn(
        cronJob,
        'UnknownTimeZone',
        `invalid timeZone: ${JSON.stringify(timeZone)}: unknown time zone ${timeZone}`,
      );
      return { cronJob };
    }
    if (suspend === true) return { cronJob };
    const parsed = scheduleOf(cronJob);
    if ('problem' in parsed) {
      this.#warn(cronJob, 'UnparseableSchedule', `unparseable schedule: ${JSON.stringify(text)} : ${parsed.problem}`);
      return { cronJob };
    }
    const nowMs = this.#nowMs();
    const due = dueRun(cronJob, parsed.schedule, nowMs);
    if (due === 'never') {
      const why = 'time difference between two schedules is less than 1 second';
      this.#warn(cronJob, 'InvalidSchedule', `invalid schedule: ${text} : ${why}`);
      return { cronJob };
    }
    if (due.isTooManyMissed) {
      const advice = 'Set or decrease .spec.startingDeadlineSeconds or check clock skew';
      this.#warn(cronJob, 'TooManyMissedTimes', `too many missed start times. ${advice}`);
    }
    if (due.runMs === undefined) return waiting(cronJob, parsed.schedule, nowMs);
    return this.#start(cronJob, { runMs: due.runMs, schedule: parsed.schedule, nowMs });
  }

  async #start(cronJob: CronJob, run: Run): Promise<Outcome> {
    const { runMs, schedule, nowMs } = run;
    const { startingDeadlineSeconds: deadline, concurrencyPolicy } = cronJob.spec;
    const later = waiting(cronJob, schedule, nowMs);
    if (deadline !== undefined && runMs + deadline * 1_000 < nowMs) {
      const when = new Date(runMs).toUTCString().replace('GMT', '+0000');
      this.#warn(cronJob, 'MissSchedule', `Missed scheduled time to start a job: ${when}`);
      return later;
    }
    const active = cronJob.status?.active ?? [];
    const isBegun = active.some(({ name }) => name === jobName(cronJob, runMs));
    if (isBegun || timeMs(cronJob.status?.lastScheduleTime) === runMs) return later;
    if (concurrencyPolicy === 'Forbid' && active.length > 0) {
      const why = 'prior execution is running and concurrency policy is Forbid';
      this.#say(cronJob, 'JobAlreadyActive', `Not starting job because ${why}`);
      return later;
    }
    let current = cronJob;
    try {
      if (concurrencyPolicy === 'Replace') {
        for (const { namespace = '', name = '', uid = '' } of active) {
          await this.#delete(current, { namespace, name, uid });
          current = { ...current, status: withoutJob(current.status, uid) };
        }
      }
      return await this.#create(current, run);
    } catch (error) {
      return isNamespaceTerminating(error) ? { cronJob: current } : { cronJob: current, failed: { error } };
    }
  }

  async #create(cronJob: CronJob, { runMs, schedule, nowMs }: Run): Promise<Outcome> {
    const wanted = jobFor(cronJob, runMs);
    const { name = '', namespace = '' } = wanted.metadata ?? {};
    const resource = this.#context.client.resource(jobs);
    let job: Job;
    try {
      job = await resource.create(wanted);
      this.#skew.observe((this.#nowMs() - runMs) / 1_000);
      this.#say(cronJob, 'SuccessfulCreate', `Created job ${name}`);
    } catch (error) {
      if (!isAlreadyExists(error)) {
        if (!isNamespaceTerminating(error))
          this.#warn(cronJob, 'FailedCreate', `Error creating job: ${errorText(error)}`);
        throw error;
      }
      job = await resource.get(name, { namespace });
      if (controllerOf(job)?.uid !== cronJob.metadata?.uid) return waiting(cronJob, schedule, nowMs);
    }
    const listed = outcomeOf(job) === undefined ? withJob(cronJob.status, job) : cronJob.status;
    const started = { ...cronJob, status: { ...listed, lastScheduleTime: formatTimestamp(runMs) } };
    return waiting(started, schedule, nowMs);
  }

  /** Deletes a job and its pods. */
  async #delete(
    cronJob: CronJob,
    { namespace, name, uid }: { readonly namespace: string; readonly name: string; readonly uid: string },
  ): Promise<void> {
    try {
      const options = { namespace, propagationPolicy: 'Background', preconditions: { uid } } as const;
      await this.#context.client.resource(jobs).delete(name, options);
      this.#say(cronJob, 'SuccessfulDelete', `Deleted job ${name}`);
    } catch (error) {
      if (isNotFound(error)) return;
      this.#warn(cronJob, 'FailedDelete', `Deleted job: ${errorText(error)}`);
      throw error;
    }
  }

  /** Deletes finished jobs beyond the history; what cannot be deleted now is tried the next time. */
  async #prune(cronJob: CronJob, children: readonly Job[]): Promise<void> {
    for (const { metadata } of surplusJobs(cronJob, children)) {
      if (metadata?.deletionTimestamp !== undefined) continue;
      const { namespace = '', name = '', uid = '' } = metadata ?? {};
      await this.#delete(cronJob, { namespace, name, uid });
    }
  }
}

interface Run {
  readonly runMs: number;
  readonly schedule: Schedule;
  readonly nowMs: number;
}

interface Outcome {
  /** With the status as it is to be written. */
  readonly cronJob: CronJob;
  readonly dueMs?: number | undefined;
  readonly failed?: { readonly error: unknown };
}

function waiting(cronJob: CronJob, schedule: Schedule, nowMs: number): Outcome {
  return { cronJob, dueMs: nextRunInMs(cronJob, schedule, nowMs) };
}

function scheduleOf({ spec }: CronJob): ParsedSchedule {
  return parseSchedule(spec.schedule, spec.timeZone);
}

function isKnownZone(zone: string | undefined): boolean {
  try {
    return wallClockOf(zone ?? 'UTC') !== undefined;
  } catch {
    return false;
  }
}

function withJob(status: CronJobStatus | undefined, job: Job): CronJobStatus {
  return { ...status, active: [...(status?.active ?? []), referenceTo(job)] };
}

function withoutJob(status: CronJobStatus | undefined, uid: string): CronJobStatus {
  const { active = [], ...rest } = status ?? {};
  const left = active.filter((one) => one.uid !== uid);
  return left.length === 0 ? rest : { ...rest, active: left };
}
