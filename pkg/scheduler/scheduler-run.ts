/**
 * One run of the scheduler: takes pods from the queue one after the other, decides on a node without waiting for anything, counts the pod there at
 * once, and binds it in the background with many others. Only extenders are waited for.
 *
 * Invariants: between the decision and the assumption nothing else runs, so no two pods are given the same room. What the scheduler knows it
 * has from the API: a restart loses nothing. It does not evict pods of failed nodes (node lifecycle) nor start pods (kubelet).
 * Upstream counterpart: kube-scheduler `schedule_one.go`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { namespaces, nodes, pods } from '#pkg/api/types/refs.ts';
import { assert } from '#pkg/base/assert.ts';
import { repeat } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Lister } from '#pkg/client/informer.ts';
import type { ComponentDeps } from '#pkg/component/component.ts';
import type { Attempt, Eviction, NodeStatus } from './attempt.ts';
import { attributed, errorStatus, permitAndBind, reserve } from './bind-pod.ts';
import { Nominator } from './cache/nominator.ts';
import { SchedulerCache } from './cache/scheduler-cache.ts';
import type { SchedulerConfiguration } from './config/configuration.ts';
import { defaultSchedulerName, namespaceHandler, nodeHandler, podHandler } from './event-handlers.ts';
import { decideWithExtenders } from './extender/extended-decision.ts';
import type { Extender } from './extender/extender.ts';
import { asEventObject, type Failure } from './failure-report.ts';
import { type Cycle, CycleState } from './framework/cycle.ts';
import type { Decision } from './framework/decide.ts';
import { explainAnnotation, explanationText } from './framework/explanation-text.ts';
import { fitErrorMessage } from './framework/fit-error.ts';
import type { PostFilterResult } from './framework/plugin.ts';
import { isRejected, success } from './framework/status.ts';
import type { Agreement } from './gang/agreement.ts';
import { GangRun } from './gang/gang-run.ts';
import { gangEvents, gangScheduling } from './gang/pod-group.ts';
import { InFlight } from './in-flight.ts';
import type { PodInfo } from './model/pod-info.ts';
import type { PluginSources } from './plugin-sources.ts';
import { eventsOfAll, type ProfileRun, runProfiles } from './profile-run.ts';
import { flushPeriodMs, type QueuedPod, SchedulingQueue } from './queue/scheduling-queue.ts';
import { RoomMaker } from './room-maker.ts';

/** Bindings under way at once. Enough that the API server can commit many writes together; a waiting pod costs a few kB. */
const bindingsInFlightMax = 256;

/** Longest time of deciding before other work in the process gets a turn, milliseconds. */
const sliceMs = 8;

/** What a run is made with. */
export interface RunOptions {
  readonly deps: ComponentDeps;
  readonly sources: PluginSources;
  readonly configuration: SchedulerConfiguration;
  readonly extenders: readonly Extender[];
  /** Whether pods of a gang are scheduled as a whole. */
  readonly hasGangs: boolean;
  readonly signal: AbortSignal;
}

/** One run, with all that lives as long as it. */
export class SchedulerRun {
  readonly #deps: ComponentDeps;
  readonly #signal: AbortSignal;
  readonly #sources: PluginSources;
  readonly #cache: SchedulerCache;
  readonly #nominator = new Nominator();
  readonly #queue: SchedulingQueue;
  readonly #profiles: ReadonlyMap<string, ProfileRun>;
  readonly #lister: Lister<Pod>;
  readonly #extenders: readonly Extender[];
  readonly #bindings = new InFlight(bindingsInFlightMax);
  readonly #room: RoomMaker;
  readonly #gangs: GangRun | undefined;

  constructor({ deps, sources, configuration, extenders, hasGangs, signal }: RunOptions) {
    const { clock, informers } = deps;
    this.#deps = deps;
    this.#signal = signal;
    this.#sources = sources;
    this.#extenders = extenders;
    this.#cache = new SchedulerCache({ clock });
    const { table } = this.#cache;
    this.#profiles = runProfiles(sources.profiles, { deps, table, nominator: this.#nominator, signal });
    const first = this.#first;
    this.#queue = new SchedulingQueue({
      clock,
      isRoomMade: ({ uid }) => this.#nominator.isRoomMade(uid, table),
      // All profiles have the same.
      sort: first.profile.queueSort,
      preEnqueue: (pod) => this.#profileOf(pod).profile.preEnqueue,
      events: new Map([...eventsOfAll(sources.profiles.values()), [gangScheduling, gangEvents]]),
      backoff: {
        initialMs: configuration.podInitialBackoffSeconds * 1_000,
        maxMs: configuration.podMaxBackoffSeconds * 1_000,
      },
      onIncoming: first.metrics.incoming,
    });
    first.metrics.follow(this.#queue, deps.metrics);
    this.#lister = informers.informer(pods).lister;
    this.#room = new RoomMaker({ deps, nominator: this.#nominator, signal });
    if (hasGangs) this.#gangs = this.#gangRun();
  }

  #gangRun(): GangRun {
    return new GangRun({
      deps: this.#deps,
      cache: this.#cache,
      queue: this.#queue,
      nominator: this.#nominator,
      signal: this.#signal,
      bindings: this.#bindings,
      attemptOf: (entry) => this.#attemptOf(entry),
      decide: (attempt) => this.#decide(attempt),
      askForRoom: (attempt, refusals) => this.#room.ask(attempt, refusals),
      follow: (attempt, decision) => this.#follow(attempt, decision),
      bind: (attempt, nodeName, agreement) => this.#bind(attempt, nodeName, agreement),
      evict: (attempt, eviction) => this.#room.evict(attempt, eviction),
      report: (attempt, failure) => this.#report(attempt, failure),
    });
  }

  get #first(): ProfileRun {
    const [first] = this.#profiles.values();
    assert(first !== undefined, 'a scheduler has a profile');
    return first;
  }

  #profileOf({ pod }: PodInfo): ProfileRun {
    return this.#profiles.get(pod.spec?.schedulerName || defaultSchedulerName) ?? this.#first;
  }

  async run(): Promise<void> {
    const { clock, informers } = this.#deps;
    const context = {
      cache: this.#cache,
      queue: this.#queue,
      nominator: this.#nominator,
      isOurs: (name: string) => this.#profiles.has(name),
    };
    informers.informer(nodes).addHandler(nodeHandler(context));
    informers.informer(namespaces).addHandler(namespaceHandler(context));
    this.#sources.listen((events) => this.#queue.wake(events));
    informers.informer(pods).addHandler(podHandler(context));
    this.#gangs?.listen();
    // What an older server does not serve, such as claims of devices, no pod can ask for.
    if (!(await informers.settled(this.#signal))) return;
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
      for (const { reporter, recorder } of this.#profiles.values()) {
        await reporter.idle();
        await recorder.flush();
      }
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
      this.#profileOf(pod).recorder.record(asEventObject(pod.pod), {
        type: 'Warning',
        reason: 'FailedScheduling',
        message,
      });
      this.#queue.done(entry);
      return undefined;
    }
    const gang = this.#gangs?.gangOf(pod);
    if (gang !== undefined) return this.#gangs?.schedule(entry, gang);
    const attempt = this.#attemptOf(entry);
    if (attempt.extenders.length > 0)
      return this.#scheduleExtended(attempt).catch((error) =>
        this.#follow(attempt, { kind: 'error', message: errorText(error) }),
      );
    return this.#follow(attempt, this.#decide(attempt));
  }

  #attemptOf(entry: QueuedPod): Attempt {
    const { pod } = entry;
    const cycle: Cycle = { pod, cluster: this.#cache.table, state: new CycleState() };
    const extenders = this.#extenders.filter((extender) => extender.isInterested(pod.pod));
    return { entry, cycle, by: this.#profileOf(pod), extenders, startMs: this.#deps.clock.monotonicMs() };
  }

  #decide({ cycle, by }: Attempt): Decision {
    const { pod, state } = cycle;
    try {
      if (pod.pod.metadata?.annotations?.[explainAnnotation] === 'true')
        state.write(explanationText, by.explain(cycle));
      return by.decider.decide(cycle);
    } catch (error) {
      this.#deps.log.error('A plugin failed', { pod: pod.key, error });
      return { kind: 'error', message: errorText(error) };
    }
  }

  /** As `#schedule`, with extenders, which are waited for: what was decided holds only if the cluster still is so. */
  async #scheduleExtended(attempt: Attempt): Promise<void> {
    const { entry, cycle, by, extenders } = attempt;
    const { profile } = by;
    const options = { profile, nominator: this.#nominator, extenders, log: this.#deps.log, signal: this.#signal };
    const asked = decideWithExtenders(cycle, options);
    let decision = await asked.catch((error): Decision => ({ kind: 'error', message: errorText(error) }));
    if (this.#signal.aborted || this.#queue.get(cycle.pod.uid) === undefined) return this.#queue.done(entry);
    if (decision.kind === 'node') {
      const node = this.#cache.table.node(decision.nodeName);
      const now: Cycle = { ...cycle, state: new CycleState() };
      for (const plugin of profile.preFilter) plugin.preFilter(now);
      if (node === undefined || by.decider.check(now, node) !== success)
        decision = { kind: 'error', message: `node ${decision.nodeName} changed while an extender was asked` };
    }
    await this.#follow(attempt, decision);
  }

  #follow(attempt: Attempt, decision: Decision): Promise<void> | undefined {
    const { entry, by } = attempt;
    switch (decision.kind) {
      case 'node':
        return this.#assume(attempt, decision.nodeName);
      case 'unschedulable':
        return this.#unschedulable(attempt, decision);
      case 'error':
        by.metrics.attempted('error', attempt.startMs);
        this.#queue.failed(entry);
        return this.#report(attempt, { reason: 'SchedulerError', message: decision.message, nominatedNodeName: '' });
    }
  }

  async #unschedulable(attempt: Attempt, decision: Extract<Decision, { kind: 'unschedulable' }>): Promise<void> {
    const { entry, cycle, by, startMs } = attempt;
    const { diagnosis, refusals, rejectors } = decision;
    const room: PostFilterResult =
      diagnosis.nodeCount === 0 ? { status: success, nominatedNodeName: '' } : this.#room.ask(attempt, refusals);
    const { status, nominatedNodeName, victims } =
      attempt.extenders.length === 0 ? room : await this.#room.agreed(attempt, room);
    by.metrics.attempted('unschedulable', startMs);
    // It may be gone where an extender was asked.
    if (this.#queue.get(cycle.pod.uid) === undefined) return this.#queue.done(entry);
    this.#nominator.refused(cycle.pod, { nominatedNodeName, victims }, cycle.cluster);
    if (nominatedNodeName && victims !== undefined && victims.length > 0) {
      by.metrics.preempted(victims.length);
      this.#bindings.track(this.#evict(attempt, { victims, nodeName: nominatedNodeName }, rejectors));
    } else this.#queue.refused(entry, rejectors);
    const message = fitErrorMessage({ ...diagnosis, postFilterMessage: status.reasons.join(', ') });
    return this.#report(attempt, { reason: 'Unschedulable', message, nominatedNodeName });
  }

  /**
   * Evicts for a pod that was refused. The pod stays in flight meanwhile: what its victims leave wakes it only once all of them have been told
   * to go, lest it choose more. Never rejects.
   */
  async #evict(attempt: Attempt, eviction: Eviction, rejectors: ReadonlySet<string>): Promise<void> {
    const { entry } = attempt;
    if (await this.#room.evict(attempt, eviction)) this.#queue.refused(entry, rejectors);
    else if (!this.#signal.aborted) {
      this.#nominator.delete(entry.pod.uid);
      this.#queue.failed(entry);
    }
  }

  #report({ cycle, by }: Attempt, failure: Failure): Promise<void> {
    const explanation = cycle.state.read(explanationText);
    return by.reporter.report(cycle.pod.pod, { ...failure, explanation }, this.#signal);
  }

  /** Counts the pod on its node and starts its binding; resolves, where a plugin does not reserve, once that is undone. */
  #assume(attempt: Attempt, nodeName: string): Promise<void> | undefined {
    const { cycle, by } = attempt;
    this.#cache.assume(cycle.pod, nodeName);
    this.#nominator.delete(cycle.pod.uid);
    for (const plugin of by.profile.reserve) {
      const status = reserve(plugin, cycle, nodeName);
      if (status.code === 'Success') continue;
      return this.#takeBack(attempt, { nodeName, status: attributed(status, { plugin, point: 'Reserve' }) });
    }
    this.#bindings.track(this.#bind(attempt, nodeName));
    return undefined;
  }

  /** Waits for permits, binds, and tells; never rejects. */
  async #bind(attempt: Attempt, nodeName: string, agreement?: Agreement): Promise<void> {
    const { entry, cycle, by, startMs } = attempt;
    const { profile, metrics } = by;
    const bindStartMs = this.#deps.clock.monotonicMs();
    const onPermitted = (): void => this.#queue.settled(entry);
    const binder = attempt.extenders.find(({ spec }) => spec.bindVerb);
    const options = { profile, nodeName, signal: this.#signal, onPermitted, binder, agreement };
    const status = await permitAndBind(cycle, options).catch(errorStatus);
    metrics.point('Bind', status.code, bindStartMs);
    if (status !== success) {
      metrics.attempted(isRejected(status) ? 'unschedulable' : 'error', startMs);
      await this.#takeBack(attempt, { nodeName, status, keepsPromise: agreement !== undefined });
      return;
    }
    metrics.attempted('scheduled', startMs);
    metrics.scheduled(entry.tries, entry.addedMs);
    this.#cache.finishBinding(cycle.pod.uid);
    this.#queue.done(entry);
    by.recorder.record(asEventObject(cycle.pod.pod), {
      type: 'Normal',
      reason: 'Scheduled',
      message: `Successfully assigned ${cycle.pod.key} to ${nodeName}`,
    });
    for (const plugin of profile.postBind) plugin.postBind(cycle, nodeName);
  }

  /** Undoes an assumption and puts the pod back, unless the API says that there is nothing left to schedule. */
  async #takeBack(attempt: Attempt, { nodeName, status, keepsPromise }: NodeStatus): Promise<void> {
    const { entry, cycle, by } = attempt;
    for (const plugin of by.profile.reserve.toReversed()) plugin.unreserve(cycle, nodeName);
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
      await this.#report(attempt, { reason: 'Unschedulable', message, nominatedNodeName: '' });
      return;
    }
    this.#queue.failed(entry);
    const message = status.reasons.join(', ');
    this.#deps.log.warn('Pod was not bound', { pod: pod.key, node: nodeName, message });
    // The others of its gang may be bound: it is to find its room again.
    if (keepsPromise) this.#nominator.set(pod, nodeName);
    const nominatedNodeName = keepsPromise ? undefined : '';
    await this.#report(attempt, { reason: 'SchedulerError', message, nominatedNodeName });
  }
}
