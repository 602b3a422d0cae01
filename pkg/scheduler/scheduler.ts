/**
 * The scheduler: takes pods from the queue one after the other, decides on a node without waiting for anything, counts the pod there at
 * once, and binds it in the background with many others.
 *
 * Invariants: between the decision and the assumption nothing else runs, so no two pods are given the same room. What the scheduler knows it
 * has from the API: a restart loses nothing. It does not evict pods of failed nodes (node lifecycle) nor start pods (kubelet).
 * Upstream counterpart: kube-scheduler `schedule_one.go`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { namespaces, nodes, persistentVolumeClaims, persistentVolumes, pods } from '#pkg/api/types/refs.ts';
import { repeat } from '#pkg/base/async.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { Lister } from '#pkg/client/informer.ts';
import { createEventRecorder } from '#pkg/client/recorder.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import { apiProfile } from './api-profile.ts';
import { Nominator } from './cache/nominator.ts';
import { SchedulerCache } from './cache/scheduler-cache.ts';
import { defaultSchedulerName, namespaceHandler, nodeHandler, podHandler, volumeHandler } from './event-handlers.ts';
import { evict } from './eviction.ts';
import { asEventObject, type Failure, FailureReporter } from './failure-report.ts';
import { type Cycle, CycleState } from './framework/cycle.ts';
import { Decider, type Decision } from './framework/decide.ts';
import { fitErrorMessage } from './framework/fit-error.ts';
import type { NodeInfo } from './framework/node-info.ts';
import type { NodeRefusal, PostFilterResult } from './framework/plugin.ts';
import type { PodInfo } from './framework/pod-info.ts';
import { type Profile, type ProfileEntry, profileOf } from './framework/profile.ts';
import { isRejected, type Status } from './framework/status.ts';
import { InFlight } from './in-flight.ts';
import { flushPeriodMs, type QueuedPod, SchedulingQueue } from './queue/scheduling-queue.ts';

/** Bindings under way at once. Enough that the API server can commit many writes together; a waiting pod costs a few kB. */
const bindingsInFlightMax = 256;

/** Longest time of deciding before other work in the process gets a turn, milliseconds. */
const sliceMs = 8;

export interface SchedulerOptions {
  readonly deps: ComponentDeps;
  /** The table of plugins; default `defaultProfile`. */
  readonly profile?: readonly ProfileEntry[];
  /** Which pods are this scheduler's, by `spec.schedulerName`; default `default-scheduler`. */
  readonly schedulerName?: string;
}

/** The scheduler as a component. Its informers are those of `deps`, which the composition runs. */
export function createScheduler(options: SchedulerOptions): Component {
  return { run: (signal) => new Run(options, signal).run() };
}

/** One run of the scheduler, with all that lives as long as it. */
class Run {
  readonly #deps: ComponentDeps;
  readonly #signal: AbortSignal;
  readonly #schedulerName: string;
  readonly #profile: Profile;
  readonly #cache: SchedulerCache;
  readonly #nominator = new Nominator();
  readonly #queue: SchedulingQueue;
  readonly #decider: Decider;
  readonly #recorder: EventRecorder;
  readonly #reporter: FailureReporter;
  readonly #lister: Lister<Pod>;
  readonly #bindings = new InFlight(bindingsInFlightMax);

  constructor({ deps, profile, schedulerName = defaultSchedulerName }: SchedulerOptions, signal: AbortSignal) {
    const { client, clock, random, log, informers } = deps;
    this.#deps = deps;
    this.#signal = signal;
    this.#schedulerName = schedulerName;
    this.#profile = profileOf(profile ?? apiProfile(deps));
    this.#cache = new SchedulerCache({ clock });
    const { queueSort, preEnqueue, events } = this.#profile;
    this.#queue = new SchedulingQueue({ clock, sort: queueSort, preEnqueue, events });
    this.#decider = new Decider({ profile: this.#profile, table: this.#cache.table, nominator: this.#nominator });
    this.#recorder = createEventRecorder({
      client,
      clock,
      random,
      log,
      component: schedulerName,
      asSeries: true,
      signal,
    });
    this.#reporter = new FailureReporter({ client, clock, log, recorder: this.#recorder });
    this.#lister = informers.informer(pods).lister;
  }

  async run(): Promise<void> {
    const { clock, informers } = this.#deps;
    const context = {
      cache: this.#cache,
      queue: this.#queue,
      nominator: this.#nominator,
      schedulerName: this.#schedulerName,
    };
    informers.informer(nodes).addHandler(nodeHandler(context));
    informers.informer(namespaces).addHandler(namespaceHandler(context));
    informers.informer(persistentVolumes).addHandler(volumeHandler(context, 'PersistentVolume'));
    informers.informer(persistentVolumeClaims).addHandler(volumeHandler(context, 'PersistentVolumeClaim'));
    informers.informer(pods).addHandler(podHandler(context));
    if (!(await informers.synced(this.#signal))) return;
    const onAbort = (): void => this.#queue.close();
    this.#signal.addEventListener('abort', onAbort, { once: true });
    const housekeeping = repeat(clock, { periodMs: () => flushPeriodMs, signal: this.#signal }, () =>
      this.#keepHouse(),
    );
    try {
      await this.#scheduleAll();
    } finally {
      this.#queue.close();
      this.#signal.removeEventListener('abort', onAbort);
      await housekeeping;
      await this.#bindings.idle();
      await this.#reporter.idle();
      await this.#recorder.flush();
    }
  }

  async #scheduleAll(): Promise<void> {
    const { clock } = this.#deps;
    let sliceStartMs = clock.monotonicMs();
    while (!this.#signal.aborted) {
      if (this.#queue.counts.active === 0) {
        await this.#queue.waitActive();
        sliceStartMs = clock.monotonicMs();
      }
      if (this.#bindings.isFull) await this.#bindings.room();
      if (this.#signal.aborted) return;
      const entry = this.#queue.pop();
      if (entry !== undefined) await this.#schedule(entry);
      if (clock.monotonicMs() - sliceStartMs > sliceMs) {
        await clock.yield();
        sliceStartMs = clock.monotonicMs();
      }
    }
  }

  #keepHouse(): void {
    this.#queue.flush();
    for (const uid of this.#cache.expire()) {
      this.#deps.log.warn('Bound pod was never seen on its node, its place is given up', { uid });
    }
  }

  /** One attempt: decides and starts the binding. Resolves before the binding ends. */
  #schedule(entry: QueuedPod): Promise<void> | undefined {
    const { pod } = entry;
    if (pod.pod.metadata?.deletionTimestamp !== undefined) {
      const message = `skip schedule deleting pod: ${pod.key}`;
      this.#recorder.record(asEventObject(pod.pod), { type: 'Warning', reason: 'FailedScheduling', message });
      this.#queue.done(entry);
      return undefined;
    }
    const cycle: Cycle = { pod, cluster: this.#cache.table, state: new CycleState() };
    let decision: Decision;
    try {
      decision = this.#decider.decide(cycle);
    } catch (error) {
      this.#deps.log.error('A plugin failed', { pod: pod.key, error });
      decision = { kind: 'error', message: error instanceof Error ? error.message : String(error) };
    }
    switch (decision.kind) {
      case 'node':
        return this.#assume(entry, cycle, decision.nodeName);
      case 'unschedulable':
        return this.#unschedulable(entry, cycle, decision);
      case 'error':
        this.#queue.failed(entry);
        return this.#report(pod, { reason: 'SchedulerError', message: decision.message });
    }
  }

  #unschedulable(
    entry: QueuedPod,
    cycle: Cycle,
    decision: Extract<Decision, { kind: 'unschedulable' }>,
  ): Promise<void> {
    const made = decision.diagnosis.nodeCount === 0 ? undefined : this.#makeRoom(cycle, decision.refusals);
    const postFilterMessage = made?.status.reasons.join(', ') ?? '';
    const message = fitErrorMessage({ ...decision.diagnosis, postFilterMessage });
    const nominatedNodeName = made?.nominatedNodeName;
    if (nominatedNodeName === '') this.#nominator.delete(cycle.pod.uid);
    else if (nominatedNodeName !== undefined) this.#nominator.set(cycle.pod, nominatedNodeName);
    this.#queue.refused(entry, decision.rejectors);
    return this.#report(cycle.pod, { reason: 'Unschedulable', message, nominatedNodeName });
  }

  /** Asks the post-filters for room, and starts to evict the victims they chose. */
  #makeRoom(cycle: Cycle, refusals: readonly NodeRefusal[]): PostFilterResult | undefined {
    let result: PostFilterResult | undefined;
    for (const plugin of this.#profile.postFilter) {
      const fits = (node: NodeInfo): Status => this.#decider.check(cycle, node);
      const nominatedNodeName = this.#nominator.nodeOf(cycle.pod.uid);
      result = plugin.postFilter({ cycle, refusals, fits, nominatedNodeName });
      if (result.status.code === 'Success') break;
    }
    if (result?.status.code === 'Success' && result.nominatedNodeName) {
      this.#bindings.track(this.#evict(cycle.pod, result.nominatedNodeName, result.victims ?? []));
    }
    return result;
  }

  /** Never rejects: a victim that stays shows in the next attempt. */
  async #evict(preemptor: PodInfo, nodeName: string, victims: readonly PodInfo[]): Promise<void> {
    const { client, clock, log } = this.#deps;
    const recorder = this.#recorder;
    const schedulerName = this.#schedulerName;
    try {
      await evict(victims, { client, clock, recorder, preemptor, nodeName, schedulerName, signal: this.#signal });
    } catch (error) {
      if (this.#signal.aborted) return;
      log.warn('Cannot evict for a pod of higher priority', { pod: preemptor.key, node: nodeName, error });
      this.#nominator.delete(preemptor.uid);
      this.#queue.retry(preemptor.uid);
    }
  }

  #report(pod: PodInfo, failure: Failure): Promise<void> {
    return this.#reporter.report(pod.pod, failure, this.#signal);
  }

  #assume(entry: QueuedPod, cycle: Cycle, nodeName: string): Promise<void> | undefined {
    this.#cache.assume(cycle.pod, nodeName);
    this.#nominator.delete(cycle.pod.uid);
    for (const plugin of this.#profile.reserve) {
      const status = plugin.reserve(cycle, nodeName);
      if (status.code === 'Success') continue;
      return this.#takeBack(entry, cycle, nodeName, { ...status, plugin: plugin.name });
    }
    this.#bindings.track(this.#bind(entry, cycle, nodeName));
    return undefined;
  }

  /** Waits for permits, binds, and tells; never rejects. */
  async #bind(entry: QueuedPod, cycle: Cycle, nodeName: string): Promise<void> {
    try {
      const status = await this.#runBinding(cycle, nodeName);
      if (status !== undefined) {
        await this.#takeBack(entry, cycle, nodeName, status);
        return;
      }
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const status: Status = { code: 'Error', reasons: [`binding rejected: ${text}`] };
      await this.#takeBack(entry, cycle, nodeName, status);
      return;
    }
    this.#cache.finishBinding(cycle.pod.uid);
    this.#queue.done(entry);
    for (const plugin of this.#profile.postBind) plugin.postBind(cycle, nodeName);
    this.#recorder.record(asEventObject(cycle.pod.pod), {
      type: 'Normal',
      reason: 'Scheduled',
      message: `Successfully assigned ${cycle.pod.key} to ${nodeName}`,
    });
  }

  /** The first answer that is not a success, undefined when the pod is bound. */
  async #runBinding(cycle: Cycle, nodeName: string): Promise<Status | undefined> {
    for (const plugin of this.#profile.permit) {
      const status = await plugin.permit(cycle, nodeName, this.#signal);
      if (status.code !== 'Success') return { ...status, plugin: plugin.name };
    }
    for (const plugin of this.#profile.preBind) {
      const status = await plugin.preBind(cycle, nodeName, this.#signal);
      if (status.code !== 'Success') return { ...status, plugin: plugin.name };
    }
    for (const plugin of this.#profile.bind) {
      const status = await plugin.bind(cycle, nodeName, this.#signal);
      if (status.code === 'Skip') continue;
      return status.code === 'Success' ? undefined : { ...status, plugin: plugin.name };
    }
    return { code: 'Error', reasons: ['no plugin bound the pod'] };
  }

  /** Undoes an assumption and puts the pod back, unless the API says that there is nothing left to schedule. */
  async #takeBack(entry: QueuedPod, cycle: Cycle, nodeName: string, status: Status): Promise<void> {
    for (const plugin of this.#profile.reserve.toReversed()) plugin.unreserve(cycle, nodeName);
    const { pod } = cycle;
    if (this.#cache.forget(pod.uid)) {
      this.#queue.wake([{ resource: 'AssignedPod', action: 'Delete', previous: pod.pod }]);
    }
    if (this.#signal.aborted) return;
    const current = this.#lister.get(pod.key);
    if (current === undefined || current.metadata?.uid !== pod.pod.metadata?.uid || current.spec?.nodeName) {
      this.#queue.done(entry);
      return;
    }
    const message = status.reasons.join(', ');
    const rejected = isRejected(status);
    if (rejected && status.plugin !== undefined) this.#queue.refused(entry, new Set([status.plugin]));
    else this.#queue.failed(entry);
    if (!rejected) this.#deps.log.warn('Pod was not bound', { pod: pod.key, node: nodeName, message });
    await this.#report(pod, { reason: rejected ? 'Unschedulable' : 'SchedulerError', message });
  }
}
