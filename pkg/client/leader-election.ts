/**
 * Leader election over a Lease: of several candidates one at a time runs its work. A leader that cannot renew in time stops
 * its work and rejects; its process starts anew. Clock skew between candidates is tolerated: only local time since the
 * record was last seen to change counts. Upstream counterpart: client-go `tools/leaderelection`.
 *
 * Why two never lead at once: others wait the lease's duration from when they saw the last renewal, which is after it was asked for; the
 * leader counts its shorter deadline from when it asked. What is left between the two is the time its work has to stop. Only a holder whose process has
 * ended (`liveness.ts`) is not waited for.
 */

import type { Lease, LeaseSpec } from '#pkg/api/types/coordination-v1.ts';
import { leases } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { aborted, childSignal, sleep } from '#pkg/base/async.ts';
import { type Clock, formatMicroTime } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { jitter, type Random } from '#pkg/base/random.ts';
import type { Client, ResourceClient } from './client.ts';
import { HolderWatch } from './holder-watch.ts';
import { type Liveness, livenessAnnotation } from './liveness.ts';
import { createEventRecorder } from './recorder.ts';

/** Which Lease is fought for, under which name, and the times of the fight in milliseconds. */
export interface LeaderElectionOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Namespace and name of the Lease, such as `kube-system` and `kube-controller-manager`. Its events have the name as their source. */
  readonly namespace: string;
  readonly name: string;
  /** Distinct for every candidate. */
  readonly identity: string;
  /** How long others wait for a silent leader. Default 15 s. */
  readonly leaseDurationMs?: number;
  /** How long a leader tries to renew before it gives up; shorter than the lease. Default 10 s. */
  readonly renewDeadlineMs?: number;
  /** Between tries. Default 2 s. */
  readonly retryPeriodMs?: number;
  /** By which the end of a leader's process is known at once. Default: only its silence tells. */
  readonly liveness?: Liveness;
  /** The leader's work. Its signal is aborted when leadership is lost or the election ends; it must end soon after. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/** Leadership was lost: what ran under it has stopped. */
export class LeadershipLostError extends Error {
  override readonly name = 'LeadershipLostError';
}

const leaseDurationMsDefault = 15_000;
const renewDeadlineMsDefault = 10_000;
const retryPeriodMsDefault = 2_000;
/** What one request has of the time to renew, so that there is another when a server is silent, and at least. Source: client-go `resourcelock.NewFromKubeconfig`. */
const requestShare = 0.5;
const requestMsLeast = 1_000;
/** Chance spreads the tries of waiting candidates by up to this share. */
const jitterFactor = 1.2;

/**
 * Waits to become leader, then runs until `signal` is aborted; gives the lease back before it resolves.
 * Rejects with `LeadershipLostError` when the lease could not be renewed, and with what `run` rejects with.
 */
export async function runWithLeaderElection(options: LeaderElectionOptions, signal: AbortSignal): Promise<void> {
  const { client, clock, random, log, name, identity, liveness } = options;
  const problem = electionTimesProblem(options);
  if (problem !== undefined) throw new Error(`Cannot elect a leader as ${problem}`);
  const holder = new HolderWatch({ clock, liveness, signal, log: log.with({ lease: `${options.namespace}/${name}` }) });
  const candidate = new Candidate(options, holder);
  while (!signal.aborted && (await candidate.tryHold(signal)) !== 'held')
    await holder.wait(pauseMs(options, holder.isGone));
  holder.stop();
  if (signal.aborted) return candidate.release();
  log.info('Became leader', { lease: candidate.key, identity });
  const recording = new AbortController();
  const events = createEventRecorder({ client, clock, random, log, component: name, signal: recording.signal });
  const tell = (what: string): void =>
    events.record(candidate.object, { type: 'Normal', reason: 'LeaderElection', message: `${identity} ${what}` });
  tell('became leader');
  const term = childSignal(signal);
  const renewing = renew(options, candidate, term.controller.signal).finally(() => term.controller.abort());
  try {
    await options.run(term.controller.signal);
    if (!term.controller.signal.aborted) return;
  } finally {
    term.controller.abort();
    term.dispose();
    await renewing;
    tell('stopped leading');
    await candidate.release();
    recording.abort();
    await events.flush();
  }
  if (!signal.aborted) throw new LeadershipLostError(`Cannot renew lease ${candidate.key} in time`);
}

/** Between two tries: where nobody holds the lease any more, whoever comes first has it. */
function pauseMs(options: LeaderElectionOptions, isFree: boolean): number {
  const periodMs = options.retryPeriodMs ?? retryPeriodMsDefault;
  return jitter(options.random, isFree ? periodMs / 10 : periodMs, jitterFactor);
}

/** The times of an election, as `LeaderElectionOptions` has them. */
type ElectionTimes = Pick<LeaderElectionOptions, 'leaseDurationMs' | 'renewDeadlineMs' | 'retryPeriodMs'>;

/** Why two could lead at once with these times, or nobody for long; undefined when they go together. */
export function electionTimesProblem(times: ElectionTimes): string | undefined {
  const leaseMs = times.leaseDurationMs ?? leaseDurationMsDefault;
  const deadlineMs = times.renewDeadlineMs ?? renewDeadlineMsDefault;
  const retryMs = (times.retryPeriodMs ?? retryPeriodMsDefault) * jitterFactor;
  if (leaseMs <= deadlineMs) return `a lease of ${leaseMs} ms does not outlast the ${deadlineMs} ms to renew it`;
  if (deadlineMs <= retryMs) return `${deadlineMs} ms to renew the lease leave no time to try again`;
  return undefined;
}

/** Renews until the signal is aborted, the deadline passes without success, or another is seen to hold the lease. */
async function renew(options: LeaderElectionOptions, candidate: Candidate, signal: AbortSignal): Promise<void> {
  const { clock, renewDeadlineMs = renewDeadlineMsDefault, retryPeriodMs = retryPeriodMsDefault } = options;
  let pauseMs = retryPeriodMs;
  while (await sleep(clock, pauseMs, signal)) {
    const startMs = clock.monotonicMs();
    const leftMs = candidate.renewedMs + renewDeadlineMs - startMs;
    const { controller: tryEnd, dispose } = childSignal(signal);
    const timer = clock.setTimeout(() => tryEnd.abort(), leftMs);
    // A request that does not heed its signal is not waited for: what counts is that the work stops in time.
    const ended = aborted(tryEnd.signal).then(() => 'failed' as const);
    const outcome = await Promise.race([candidate.tryHold(tryEnd.signal), ended]);
    timer.cancel();
    dispose();
    if (outcome === 'taken') return;
    const endMs = clock.monotonicMs();
    if (outcome === 'failed' && endMs - candidate.renewedMs >= renewDeadlineMs) return;
    // Who waited for a silent server has paused.
    pauseMs = outcome === 'held' ? retryPeriodMs : Math.max(0, retryPeriodMs - (endMs - startMs));
  }
}

/** What came of a try: the lease is held, another holds it, or it is not known. */
type HoldOutcome = 'held' | 'taken' | 'failed';

class Candidate {
  readonly key: string;
  /** The lease as events name it. */
  object: Lease;
  /** When, on the local clock, the last successful renewal was asked for. */
  renewedMs = Number.NEGATIVE_INFINITY;
  readonly #options: LeaderElectionOptions;
  readonly #resource: ResourceClient<Lease>;
  readonly #holder: HolderWatch;
  /** The record as last seen to change, and when that was on the local clock. */
  #observed: { readonly record: string; readonly atMs: number } | undefined;
  /** The lease as this candidate wrote it last; undefined when that may not be how it is. */
  #held: Lease | undefined;
  /** Whether the server may hold a record of this candidate: an answer may have been lost. */
  #mayHold = false;

  constructor(options: LeaderElectionOptions, holder: HolderWatch) {
    const { namespace, name } = options;
    this.#options = options;
    this.#holder = holder;
    this.#resource = options.client.resource(leases);
    this.key = `${namespace}/${name}`;
    this.object = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { namespace, name } };
  }

  /** Takes or renews the lease. */
  async tryHold(signal: AbortSignal): Promise<HoldOutcome> {
    const { clock, log } = this.#options;
    try {
      const current = this.#held ?? (await this.#limited(signal, (end) => this.#read(end)));
      if (current !== undefined && !this.#mayTake(current)) return 'taken';
      const askedMs = clock.monotonicMs();
      this.#mayHold = true;
      this.#held = await this.#limited(signal, (end) => this.#write(current, end));
      this.object = { ...this.object, metadata: this.#held.metadata ?? {} };
      this.renewedMs = askedMs;
      return 'held';
    } catch (error) {
      this.#held = undefined;
      if (!signal.aborted) log.debug('Lease not taken', { lease: this.key, error });
      return 'failed';
    }
  }

  /**
   * Gives the lease back if the server says that it is held, so that the next leader need not wait. Failing is fine: the lease runs out.
   */
  async release(): Promise<void> {
    if (!this.#mayHold) return;
    const { clock, identity, log, renewDeadlineMs = renewDeadlineMsDefault } = this.#options;
    const end = new AbortController();
    const timer = clock.setTimeout(() => end.abort(), renewDeadlineMs);
    try {
      const lease = await this.#read(end.signal);
      if (lease?.spec?.holderIdentity !== identity) return;
      const now = formatMicroTime(clock.nowMs());
      const { leaseTransitions = 0 } = lease.spec;
      const times = { leaseDurationSeconds: 1, acquireTime: now, renewTime: now };
      const spec: LeaseSpec = { holderIdentity: '', ...times, leaseTransitions };
      await this.#resource.update({ ...lease, spec }, { signal: end.signal });
    } catch (error) {
      log.debug('Lease not released', { lease: this.key, error });
    } finally {
      timer.cancel();
    }
  }

  /** Gives a request up that takes too long, as well as at the end of `signal`. */
  async #limited<T>(signal: AbortSignal, request: (end: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, renewDeadlineMs = renewDeadlineMsDefault } = this.#options;
    const { controller, dispose } = childSignal(signal);
    const limitMs = Math.max(requestMsLeast, renewDeadlineMs * requestShare);
    const timer = clock.setTimeout(() => controller.abort(), limitMs);
    try {
      return await request(controller.signal);
    } finally {
      timer.cancel();
      dispose();
    }
  }

  async #read(signal: AbortSignal): Promise<Lease | undefined> {
    const { namespace, name } = this.#options;
    try {
      return await this.#resource.get(name, { namespace, signal });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #mayTake(lease: Lease): boolean {
    const { clock, identity } = this.#options;
    const record = JSON.stringify(lease.spec ?? {});
    const nowMs = clock.monotonicMs();
    if (this.#observed?.record !== record) this.#observed = { record, atMs: nowMs };
    const holder = lease.spec?.holderIdentity ?? '';
    if (holder === '' || holder === identity || this.#holder.hasEnded(holder)) return true;
    this.#holder.follow(lease);
    const durationMs = (lease.spec?.leaseDurationSeconds ?? 0) * 1_000;
    return this.#observed.atMs + durationMs <= nowMs;
  }

  #write(current: Lease | undefined, signal: AbortSignal): Promise<Lease> {
    const { clock, identity, liveness, namespace, name, leaseDurationMs = leaseDurationMsDefault } = this.#options;
    const now = formatMicroTime(clock.nowMs());
    const old = current?.spec;
    const isMine = old?.holderIdentity === identity;
    const spec: LeaseSpec = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseDurationMs / 1_000),
      acquireTime: isMine && old.acquireTime !== undefined ? old.acquireTime : now,
      renewTime: now,
      leaseTransitions: current === undefined ? 0 : (old?.leaseTransitions ?? 0) + (isMine ? 0 : 1),
    };
    const annotations = { ...current?.metadata?.annotations };
    delete annotations[livenessAnnotation];
    if (liveness !== undefined) annotations[livenessAnnotation] = liveness.address;
    const metadata = { ...(current?.metadata ?? { namespace, name }), annotations };
    if (current === undefined) return this.#resource.create({ metadata, spec }, { signal });
    return this.#resource.update({ ...current, metadata, spec }, { signal });
  }
}
