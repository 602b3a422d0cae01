/**
 * Runs pods until enough of them have succeeded, or too many have failed.
 *
 * Invariant: an ended pod keeps its finalizer until the job's status has its uid, and is counted once, whenever the controller stops or its
 * copies are behind. Upstream counterpart: `pkg/controller/job`.
 */
import type { Job } from '#pkg/api/types/batch-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { jobs, pods } from '#pkg/api/types/refs.ts';
import { compiledLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import { controllerOf, objectKey } from '#pkg/apimachinery/object.ts';
import { Expectations } from '#pkg/client/expectations.ts';
import type { Informer } from '#pkg/client/informer.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { claim } from '../common/adoption.ts';
import { type ControllerContext, createLoop, type Loop } from '../common/controller.ts';
import { LastWrites } from '../common/last-writes.ts';
import { indexByController, orphanPods, podsOf } from '../common/pod.ts';
import type { BackoffRecord } from './backoff.ts';
import { letGo, ReleasedPods } from './finalizers.ts';
import { JobMetrics } from './job-metrics.ts';
import { isJobFinished, isManagedElsewhere, isTracked, trackingFinalizer } from './job-pods.ts';
import { syncJob } from './sync.ts';

/** Jobs worked on at the same time. */
const workers = 5;
/** Longest time until a Job that could not be written is tried again. Source: upstream `MaxJobApiBackOff`. */
const retry = { maxDelayMs: 60_000 } as const;
/**
 * How long changes of pods are gathered before their job is looked at: pods that end of one cause are counted by one write. (Upstream waits a
 * second.)
 */
const gatherMs = 100;

/** The Job controller. */
export function createJobController(context: ControllerContext): Component {
  return new JobController(context);
}

class JobController implements Component {
  readonly #context: ControllerContext;
  readonly #events;
  readonly #jobs: Informer<Job>;
  readonly #pods: Informer<Pod>;
  readonly #expectations: Expectations;
  readonly #released = new ReleasedPods();
  readonly #backoff = new Map<string, BackoffRecord>();
  readonly #writes = new LastWrites();
  readonly #metrics: JobMetrics;
  readonly #loop: Loop;
  /** Pods that no running job will let go. */
  readonly #strays: Loop;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#metrics = new JobMetrics(context);
    this.#events = context.recorder('job-controller');
    this.#expectations = new Expectations(context.clock);
    this.#jobs = context.informers.informer(jobs);
    this.#pods = context.informers.informer(pods);
    this.#loop = createLoop(context, { name: 'job', workers, retry, reconcile: (key, s) => this.#reconcile(key, s) });
    this.#strays = createLoop(context, {
      name: 'job-pods',
      workers: 1,
      retry,
      reconcile: (key) => this.#letStrayGo(key),
    });
    indexByController(this.#pods);
    this.#jobs.addHandler({
      added: (job) => this.#loop.queue.add(objectKey(job)),
      updated: (previous, job) => this.#jobUpdated(previous, job),
      deleted: (job) => this.#jobDeleted(job),
    });
    this.#pods.addHandler({
      added: (pod) => this.#podAdded(pod),
      updated: (previous, pod) => this.#podUpdated(previous, pod),
      deleted: (pod) => this.#podLeaving(pod, { isGone: true }),
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#loop.run(signal), this.#strays.run(signal)]);
  }

  #jobUpdated(previous: Job, job: Job): void {
    if (isJobFinished(job)) this.#leavePods(job);
    const isNewWish = previous.metadata?.generation !== job.metadata?.generation;
    if (isNewWish) this.#loop.queue.add(objectKey(job));
    else this.#loop.queue.addAfter(objectKey(job), gatherMs);
  }

  #jobDeleted(job: Job): void {
    this.#forget(objectKey(job));
    this.#leavePods(job);
  }

  /** Another of this name may follow at once: what was expected of the one that is gone will not come. */
  #forget(key: string): void {
    this.#expectations.forget(key);
    this.#released.forget(key);
    this.#backoff.delete(key);
    this.#writes.forget(key);
  }

  #leavePods(job: Job): void {
    for (const pod of podsOf(this.#pods, job.metadata?.uid ?? '')) {
      if (isTracked(pod)) this.#strays.queue.add(objectKey(pod));
    }
  }

  /** The job that controls a pod, if it is still the same object. */
  #jobOf(pod: Pod): Job | undefined {
    const reference = controllerOf(pod);
    if (reference?.kind !== 'Job') return undefined;
    const job = this.#jobs.lister.get(`${pod.metadata?.namespace}/${reference.name}`);
    return job?.metadata?.uid === reference.uid ? job : undefined;
  }

  #podAdded(pod: Pod): void {
    if (pod.metadata?.deletionTimestamp !== undefined) {
      this.#podLeaving(pod, { isGone: false });
      return;
    }
    const job = this.#jobOf(pod);
    if (job !== undefined) {
      this.#expectations.creationObserved(objectKey(job));
      this.#loop.queue.addAfter(objectKey(job), gatherMs);
    }
    this.#checkStray(pod, job);
  }

  #podUpdated(previous: Pod, pod: Pod): void {
    const before = this.#jobOf(previous);
    const after = this.#jobOf(pod);
    if (before !== undefined && before !== after) {
      if (!isTracked(pod)) this.#released.observed(objectKey(before), pod.metadata?.uid ?? '');
      this.#loop.queue.addAfter(objectKey(before), gatherMs);
    }
    if (pod.metadata?.deletionTimestamp !== undefined) {
      this.#podLeaving(pod, { isGone: false });
      return;
    }
    if (after !== undefined) {
      if (!isTracked(pod)) this.#released.observed(objectKey(after), pod.metadata?.uid ?? '');
      this.#loop.queue.addAfter(objectKey(after), gatherMs);
    }
    this.#checkStray(pod, after);
  }

  #podLeaving(pod: Pod, { isGone }: { readonly isGone: boolean }): void {
    const job = this.#jobOf(pod);
    if (job !== undefined) {
      const key = objectKey(job);
      this.#expectations.deletionObserved(key, objectKey(pod));
      if (isGone || !isTracked(pod)) this.#released.observed(key, pod.metadata?.uid ?? '');
      this.#loop.queue.addAfter(key, gatherMs);
    }
    if (!isGone) this.#checkStray(pod, job);
  }

  /** A pod without a job that counts it is let go; one without a controller may be adopted as well. */
  #checkStray(pod: Pod, job: Job | undefined): void {
    if (isTracked(pod) && (job === undefined || isJobFinished(job))) this.#strays.queue.add(objectKey(pod));
    if (controllerOf(pod) !== undefined || pod.metadata?.labels === undefined) return;
    for (const other of this.#jobs.lister.list(pod.metadata.namespace)) {
      if (this.#matcherOf(other)(pod)) this.#loop.queue.addAfter(objectKey(other), gatherMs);
    }
  }

  #matcherOf(job: Job): (pod: Pod) => boolean {
    const selector = compiledLabelSelector(job.spec?.selector);
    return (pod) => !selector.isEmpty && selector.matches(pod.metadata?.labels);
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const job = this.#jobs.lister.get(key);
    if (job === undefined || isManagedElsewhere(job)) return undefined;
    if (isJobFinished(job)) {
      this.#backoff.delete(key);
      return undefined;
    }
    if (this.#writes.isBehind(key, job)) return undefined;
    const mayAct = this.#expectations.satisfied(key);
    const { client } = this.#context;
    const claimed = await this.#claim(job, signal);
    const memory = {
      client,
      random: this.#context.random,
      events: this.#events,
      expectations: this.#expectations,
      released: this.#released,
      backoff: this.#backoff,
      metrics: this.#metrics,
      wrote: (written: Job) => this.#writes.wrote(key, written),
    };
    const input = { key, job, pods: claimed, mayAct, nowMs: this.#context.clock.nowMs() };
    const dueMs = await syncJob(memory, input);
    if (this.#jobs.lister.get(key) === undefined) this.#forget(key);
    const expiresInMs = this.#expectations.expiresInMs(key);
    if (expiresInMs === 0) return dueMs === undefined ? undefined : { requeueAfterMs: dueMs };
    return { requeueAfterMs: Math.min(dueMs ?? expiresInMs, expiresInMs) };
  }

  #claim(job: Job, signal: AbortSignal): Promise<readonly Pod[]> {
    const { uid = '', namespace = '' } = job.metadata ?? {};
    return claim([...podsOf(this.#pods, uid), ...orphanPods(this.#pods, namespace)], {
      client: this.#context.client,
      ref: pods,
      owner: job,
      ownerRef: jobs,
      matches: this.#matcherOf(job),
      finalizers: [trackingFinalizer],
      signal,
    });
  }

  async #letStrayGo(key: string): Promise<ReconcileResult> {
    const pod = this.#pods.lister.get(key);
    if (pod === undefined) return undefined;
    const job = this.#jobOf(pod);
    if (job !== undefined && (isManagedElsewhere(job) || !isJobFinished(job))) return undefined;
    await letGo(this.#context.client, pod);
    return undefined;
  }
}
