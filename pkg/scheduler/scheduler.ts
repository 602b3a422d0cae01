/**
 * The scheduler: takes pods from the queue one after the other, decides on a node without waiting for anything, counts the pod there at
 * once, and binds it in the background with many others.
 *
 * Invariants: between the decision and the assumption nothing else runs, so no two pods are given the same room. What the scheduler knows it
 * has from the API: a restart loses nothing. It does not evict pods of failed nodes (node lifecycle) nor start pods (kubelet).
 * Upstream counterpart: kube-scheduler `schedule_one.go`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { namespaces, nodes, pods } from '#pkg/api/types/refs.ts';
import { repeat } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { Lister } from '#pkg/client/informer.ts';
import { createEventRecorder } from '#pkg/client/recorder.ts';
import type { Component, ComponentDeps } from '#pkg/component/component.ts';
import { Nominator } from './cache/nominator.ts';
import { SchedulerCache } from './cache/scheduler-cache.ts';
import { defaultSchedulerName, namespaceHandler, nodeHandler, podHandler } from './event-handlers.ts';
import { evict } from './eviction.ts';
import { asEventObject, type Failure, FailureReporter } from './failure-report.ts';
import { type Cycle, CycleState } from './framework/cycle.ts';
import { Decider, type Decision } from './framework/decide.ts';
import { fitErrorMessage } from './framework/fit-error.ts';
import type { NodeRefusal, Plugin, PostFilterResult } from './framework/plugin.ts';
import type { PluginEntry } from './framework/plugin-context.ts';
import type { Profile } from './framework/profile.ts';
import { isRejected, type Status, success, unschedulable } from './framework/status.ts';
import { InFlight } from './in-flight.ts';
import type { NodeInfo } from './model/node-info.ts';
import type { PodInfo } from './model/pod-info.ts';
import { type PluginSources, pluginSources } from './plugin-sources.ts';
import { pluginTable } from './plugin-table.ts';
import { flushPeriodMs, type QueuedPod, SchedulingQueue } from './queue/scheduling-queue.ts';
import { SchedulerMetrics } from './scheduler-metrics.ts';

/** Bindings under way at once. Enough that the API server can commit many writes together; a waiting pod costs a few kB. */
const bindingsInFlightMax = 256;

/** Longest time of deciding before other work in the process gets a turn, milliseconds. */
const sliceMs = 8;

/** What a scheduler is given, and how it differs from the default one. */
export interface SchedulerOptions {
  readonly deps: ComponentDeps;
  /** Default: all that there are. */
  readonly plugins?: readonly PluginEntry[];
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
  readonly #sources: PluginSources;
  readonly #cache: SchedulerCache;
  readonly #nominator = new Nominator();
  readonly #queue: SchedulingQueue;
  readonly #metrics: SchedulerMetrics;
  readonly #decider: Decider;
  readonly #recorder: EventRecorder;
  readonly #reporter: FailureReporter;
  readonly #lister: Lister<Pod>;
  readonly #bindings = new InFlight(bindingsInFlightMax);

  constructor(options: SchedulerOptions, signal: AbortSignal) {
    const { deps, plugins = pluginTable, schedulerName = defaultSchedulerName } = options;
    const { client, clock, random, log, informers } = deps;
    this.#deps = deps;
    this.#signal = signal;
    this.#schedulerName = schedulerName;
    this.#sources = pluginSources(deps, plugins);
    this.#profile = this.#sources.profile;
    this.#cache = new SchedulerCache({ clock });
    const { queueSort, preEnqueue, events } = this.#profile;
    this.#metrics = new SchedulerMetrics(deps, schedulerName);
    const onIncoming = this.#metrics.incoming;
    this.#queue = new SchedulingQueue({ clock, sort: queueSort, preEnqueue, events, onIncoming });
    this.#metrics.follow(this.#queue, deps.metrics);
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
    this.#sources.listen((events) => this.#queue.wake(events));
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
    const attempt: Attempt = { entry, cycle, startMs: this.#deps.clock.monotonicMs() };
    let decision: Decision;
    try {
      decision = this.#decider.decide(cycle);
    } catch (error) {
      this.#deps.log.error('A plugin failed', { pod: pod.key, error });
      decision = { kind: 'error', message: errorText(error) };
    }
    switch (decision.kind) {
      case 'node':
        return this.#assume(attempt, decision.nodeName);
      case 'unschedulable':
        return this.#unschedulable(attempt, decision);
      case 'error':
        this.#metrics.attempted('error', attempt.startMs);
        this.#queue.failed(entry);
        return this.#report(pod, { reason: 'SchedulerError', message: decision.message, nominatedNodeName: '' });
    }
  }

  #unschedulable(attempt: Attempt, decision: Extract<Decision, { kind: 'unschedulable' }>): Promise<void> {
    const { entry, cycle, startMs } = attempt;
    const { diagnosis, refusals, rejectors } = decision;
    const { status, nominatedNodeName, victims }: PostFilterResult =
      diagnosis.nodeCount === 0 ? { status: success, nominatedNodeName: '' } : this.#makeRoom(cycle, refusals);
    this.#metrics.attempted('unschedulable', startMs);
    if (nominatedNodeName === '') this.#nominator.delete(cycle.pod.uid);
    else if (nominatedNodeName !== undefined) this.#nominator.set(cycle.pod, nominatedNodeName);
    if (nominatedNodeName && victims !== undefined && victims.length > 0) {
      this.#metrics.preempted(victims.length);
      this.#bindings.track(this.#evict(entry, { victims, nodeName: nominatedNodeName, rejectors }));
    } else this.#queue.refused(entry, rejectors);
    const message = fitErrorMessage({ ...diagnosis, postFilterMessage: status.reasons.join(', ') });
    return this.#report(cycle.pod, { reason: 'Unschedulable', message, nominatedNodeName });
  }

  /** Asks the post-filters for room until one has made some. */
  #makeRoom(cycle: Cycle, refusals: readonly NodeRefusal[]): PostFilterResult {
    const startMs = this.#deps.clock.monotonicMs();
    const result = this.#askForRoom(cycle, refusals);
    this.#metrics.point('PostFilter', result.status.code, startMs);
    return result;
  }

  #askForRoom(cycle: Cycle, refusals: readonly NodeRefusal[]): PostFilterResult {
    const fits = (node: NodeInfo): Status => this.#decider.check(cycle, node);
    const context = { cycle, refusals, fits, nominatedNodeName: this.#nominator.nodeOf(cycle.pod.uid) };
    const reasons: string[] = [];
    let nominatedNodeName: string | undefined;
    for (const plugin of this.#profile.postFilter) {
      const result = plugin.postFilter(context);
      if (result.status.code === 'Success') return result;
      reasons.push(...result.status.reasons);
      nominatedNodeName = result.nominatedNodeName ?? nominatedNodeName;
      if (result.status.code === 'UnschedulableAndUnresolvable') break;
    }
    return { status: unschedulable(...reasons), ...(nominatedNodeName === undefined ? {} : { nominatedNodeName }) };
  }

  /**
   * Evicts for a pod that was refused. The pod stays in flight meanwhile: what its victims leave wakes it only once all of them have been told
   * to go, lest it choose more. Never rejects.
   */
  async #evict(entry: QueuedPod, { victims, nodeName, rejectors }: Eviction): Promise<void> {
    const { client, clock, log } = this.#deps;
    const { pod } = entry;
    const displaced = this.#nominator.behind(pod, nodeName);
    for (const { uid } of displaced) this.#nominator.delete(uid);
    const [recorder, schedulerName, signal] = [this.#recorder, this.#schedulerName, this.#signal];
    const options = { client, clock, recorder, preemptor: pod, nodeName, schedulerName, signal };
    try {
      await evict({ victims, displaced }, options);
      this.#queue.refused(entry, rejectors);
    } catch (error) {
      if (this.#signal.aborted) return;
      log.warn('Cannot evict for a pod of higher priority', { pod: pod.key, node: nodeName, error });
      this.#nominator.delete(pod.uid);
      this.#queue.failed(entry);
    }
  }

  #report(pod: PodInfo, failure: Failure): Promise<void> {
    return this.#reporter.report(pod.pod, failure, this.#signal);
  }

  /** Counts the pod on its node and starts its binding; resolves, where a plugin does not reserve, once that is undone. */
  #assume(attempt: Attempt, nodeName: string): Promise<void> | undefined {
    const { cycle } = attempt;
    this.#cache.assume(cycle.pod, nodeName);
    this.#nominator.delete(cycle.pod.uid);
    for (const plugin of this.#profile.reserve) {
      const status = plugin.reserve(cycle, nodeName);
      if (status.code === 'Success') continue;
      return this.#takeBack(attempt, { nodeName, status: attributed(status, { plugin, point: 'Reserve' }) });
    }
    this.#bindings.track(this.#bind(attempt, nodeName));
    return undefined;
  }

  /** Waits for permits, binds, and tells; never rejects. */
  async #bind(attempt: Attempt, nodeName: string): Promise<void> {
    const { entry, cycle, startMs } = attempt;
    const bindStartMs = this.#deps.clock.monotonicMs();
    const status = await this.#permitAndBind(attempt, nodeName).catch(errorStatus);
    this.#metrics.point('Bind', status.code, bindStartMs);
    if (status !== success) {
      this.#metrics.attempted(isRejected(status) ? 'unschedulable' : 'error', startMs);
      await this.#takeBack(attempt, { nodeName, status });
      return;
    }
    this.#metrics.attempted('scheduled', startMs);
    this.#metrics.scheduled(entry.tries, entry.addedMs);
    this.#cache.finishBinding(cycle.pod.uid);
    this.#queue.done(entry);
    this.#recorder.record(asEventObject(cycle.pod.pod), {
      type: 'Normal',
      reason: 'Scheduled',
      message: `Successfully assigned ${cycle.pod.key} to ${nodeName}`,
    });
    for (const plugin of this.#profile.postBind) plugin.postBind(cycle, nodeName);
  }

  /** The first answer that is not a success. Once permitted, a pod is not refused any more: whatever stops it is an error. */
  async #permitAndBind({ entry, cycle }: Attempt, nodeName: string): Promise<Status> {
    const { permit, preBind, bind } = this.#profile;
    for (const plugin of permit) {
      const status = await plugin.permit(cycle, nodeName, this.#signal);
      if (status.code !== 'Success') return attributed(status, { plugin, point: 'Permit' });
    }
    this.#queue.settled(entry);
    for (const plugin of preBind) {
      const status = await plugin.preBind(cycle, nodeName, this.#signal).catch(errorStatus);
      if (status.code !== 'Success') {
        return attributed({ ...status, code: 'Error' }, { plugin, point: 'PreBind' });
      }
    }
    for (const plugin of bind) {
      const status = await plugin.bind(cycle, nodeName, this.#signal).catch(errorStatus);
      if (status.code === 'Success') return success;
      if (status.code !== 'Skip') {
        return attributed({ ...status, code: 'Error' }, { plugin, point: 'Bind' });
      }
    }
    return { code: 'Error', reasons: ['no plugin bound the pod'] };
  }

  /** Undoes an assumption and puts the pod back, unless the API says that there is nothing left to schedule. */
  async #takeBack({ entry, cycle }: Attempt, { nodeName, status }: NodeStatus): Promise<void> {
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
    if (isRejected(status)) {
      this.#queue.refused(entry, new Set([status.plugin ?? '']));
      const reasonCounts = new Map(status.reasons.map((reason) => [reason, 1]));
      const message = fitErrorMessage({ nodeCount: 1, reasonCounts });
      await this.#report(pod, { reason: 'Unschedulable', message, nominatedNodeName: '' });
      return;
    }
    this.#queue.failed(entry);
    const message = status.reasons.join(', ');
    this.#deps.log.warn('Pod was not bound', { pod: pod.key, node: nodeName, message });
    await this.#report(pod, { reason: 'SchedulerError', message, nominatedNodeName: '' });
  }
}

/** One attempt to schedule a pod. */
interface Attempt {
  /** The pod's place in the queue, whose pod may change meanwhile. */
  readonly entry: QueuedPod;
  /** The decision's view of the cluster, with the pod as it was when it was taken. */
  readonly cycle: Cycle;
  /** When the pod was taken. Milliseconds. */
  readonly startMs: number;
}

interface Eviction {
  readonly victims: readonly PodInfo[];
  readonly nodeName: string;
  /** The plugins that refused the pod to be made room for. */
  readonly rejectors: ReadonlySet<string>;
}

interface NodeStatus {
  readonly nodeName: string;
  readonly status: Status;
}

/** An answer with the name of the plugin that gave it, which an error also says in words. */
function attributed(status: Status, { plugin, point }: { readonly plugin: Plugin; readonly point: string }): Status {
  const { name } = plugin;
  if (isRejected(status)) return { ...status, plugin: name };
  return { code: 'Error', reasons: [`running ${point} plugin "${name}": ${status.reasons.join(', ')}`], plugin: name };
}

function errorStatus(error: unknown): Status {
  return { code: 'Error', reasons: [errorText(error)] };
}
