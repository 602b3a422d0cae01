/**
 * Leader election over a Lease: of several candidates one at a time runs its work. A leader that cannot renew in time stops
 * its work and rejects; its process starts anew. Clock skew between candidates is tolerated: only local time since the
 * record was last seen to change counts. Upstream counterpart: client-go `tools/leaderelection`.
 */

import type { Lease, LeaseSpec } from '#pkg/api/types/coordination-v1.ts';
import { leases } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { aborted, childSignal, sleep } from '#pkg/base/async.ts';
import { type Clock, formatMicroTime } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { jitter, type Random } from '#pkg/base/random.ts';
import type { Client, ResourceClient } from './client.ts';

export interface LeaderElectionOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Namespace and name of the Lease, such as `kube-system` and `kube-controller-manager`. */
  readonly namespace: string;
  readonly name: string;
  /** Distinct for every candidate. */
  readonly identity: string;
  /** How long others wait for a silent leader. Default 15 s. */
  readonly leaseDurationMs?: number;
  /** How long a leader tries to renew before it gives up. Default 10 s. */
  readonly renewDeadlineMs?: number;
  /** Between tries. Default 2 s. */
  readonly retryPeriodMs?: number;
  /** The leader's work. Its signal is aborted when leadership is lost or the election ends; it must end soon after. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/** Leadership was lost: what ran under it has stopped. */
export class LeadershipLostError extends Error {
  override readonly name = 'LeadershipLostError';
}

/** Chance spreads the tries of waiting candidates by up to this share. */
const jitterFactor = 1.2;

/**
 * Waits to become leader, then runs until `signal` is aborted; gives the lease back before it resolves.
 * Rejects with `LeadershipLostError` when the lease could not be renewed, and with what `run` rejects with.
 */
export async function runWithLeaderElection(options: LeaderElectionOptions, signal: AbortSignal): Promise<void> {
  const { clock, random, log } = options;
  const candidate = new Candidate(options);
  const retryMs = options.retryPeriodMs ?? 2_000;
  while (!signal.aborted && !(await candidate.tryHold(signal))) {
    await sleep(clock, jitter(random, retryMs, jitterFactor), signal);
  }
  if (signal.aborted) return candidate.release();
  log.info('Became leader', { lease: `${options.namespace}/${options.name}`, identity: options.identity });
  const term = childSignal(signal);
  const renewing = renew(options, { candidate, signal: term.controller.signal }).finally(() => term.controller.abort());
  try {
    await options.run(term.controller.signal);
    if (!term.controller.signal.aborted) return;
  } finally {
    term.controller.abort();
    term.dispose();
    await renewing;
    await candidate.release();
  }
  if (!signal.aborted) throw new LeadershipLostError(`Cannot renew lease ${options.namespace}/${options.name} in time`);
}

/** Renews until the signal is aborted or the deadline passes without success. */
async function renew(
  options: LeaderElectionOptions,
  held: { readonly candidate: Candidate; readonly signal: AbortSignal },
): Promise<void> {
  const { clock } = options;
  const deadlineMs = options.renewDeadlineMs ?? 10_000;
  let renewedMs = clock.monotonicMs();
  while (await sleep(clock, options.retryPeriodMs ?? 2_000, held.signal)) {
    const tryEnd = childSignal(held.signal);
    const leftMs = renewedMs + deadlineMs - clock.monotonicMs();
    const timer = clock.setTimeout(() => tryEnd.controller.abort(), leftMs);
    const trying = held.candidate.tryHold(tryEnd.controller.signal);
    const ok = await Promise.race([trying, aborted(tryEnd.controller.signal).then(() => false)]);
    timer.cancel();
    tryEnd.dispose();
    if (ok) renewedMs = clock.monotonicMs();
    else if (clock.monotonicMs() - renewedMs >= deadlineMs) return;
  }
}

class Candidate {
  readonly #options: LeaderElectionOptions;
  readonly #resource: ResourceClient<Lease>;
  /** The record as last seen to change, and when that was on the local clock. */
  #observed: { readonly version: string; readonly atMs: number } | undefined;
  #held: Lease | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#resource = options.client.resource(leases);
  }

  /** Takes or renews the lease; false when another holds it or the server refuses. */
  async tryHold(signal: AbortSignal): Promise<boolean> {
    const { namespace, name, log } = this.#options;
    try {
      let current: Lease | undefined = this.#held;
      if (current === undefined) {
        try {
          current = await this.#resource.get(name, { namespace, signal });
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
      }
      if (current !== undefined && !this.#mayTake(current)) return false;
      this.#held = await this.#write(current, signal);
      return true;
    } catch (error) {
      this.#held = undefined;
      if (!signal.aborted) log.debug('Lease not taken', { lease: `${namespace}/${name}`, error });
      return false;
    }
  }

  /** Gives the lease back, so that the next leader need not wait. Failing is fine: the lease runs out. */
  async release(): Promise<void> {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    const now = formatMicroTime(this.#options.clock.nowMs());
    const { leaseTransitions = 0 } = held.spec ?? {};
    const spec: LeaseSpec = {
      holderIdentity: '',
      leaseDurationSeconds: 1,
      acquireTime: now,
      renewTime: now,
      leaseTransitions,
    };
    try {
      await this.#resource.update({ ...held, spec });
    } catch (error) {
      this.#options.log.debug('Lease not released', { error });
    }
  }

  #mayTake(lease: Lease): boolean {
    const { clock, identity } = this.#options;
    const version = lease.metadata?.resourceVersion ?? '';
    const nowMs = clock.monotonicMs();
    if (this.#observed?.version !== version) this.#observed = { version, atMs: nowMs };
    const holder = lease.spec?.holderIdentity ?? '';
    if (holder === '' || holder === identity) return true;
    const durationMs = (lease.spec?.leaseDurationSeconds ?? 0) * 1_000;
    return this.#observed.atMs + durationMs <= nowMs;
  }

  #write(current: Lease | undefined, signal: AbortSignal): Promise<Lease> {
    const { clock, identity, namespace, name } = this.#options;
    const now = formatMicroTime(clock.nowMs());
    const old = current?.spec;
    const isMine = old?.holderIdentity === identity;
    const spec: LeaseSpec = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil((this.#options.leaseDurationMs ?? 15_000) / 1_000),
      acquireTime: isMine && old.acquireTime !== undefined ? old.acquireTime : now,
      renewTime: now,
      leaseTransitions: current === undefined ? 0 : (old?.leaseTransitions ?? 0) + (isMine ? 0 : 1),
    };
    if (current === undefined) return this.#resource.create({ metadata: { namespace, name }, spec }, { signal });
    return this.#resource.update({ ...current, spec }, { signal });
  }
}
