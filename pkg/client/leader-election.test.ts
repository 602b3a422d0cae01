import { expect, test } from 'vitest';
import { events, leases } from '#pkg/api/types/refs.ts';
import { serviceUnavailable } from '#pkg/apimachinery/status-error.ts';
import { aborted, Deferred, sleep } from '#pkg/base/async.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Transport } from './client.ts';
import { FakeApi } from './fake-api.ts';
import { inProcessTransport } from './in-process-transport.ts';
import { type LeaderElectionOptions, LeadershipLostError, runWithLeaderElection } from './leader-election.ts';
import type { Liveness } from './liveness.ts';
import { createClient } from './rest-client.ts';

/** A network between a candidate and the server. */
interface Link {
  /** Requests fail before the server sees them. */
  isCut: boolean;
  /** Answers are lost. */
  isDeaf: boolean;
  /** Requests are neither answered nor refused, each until its caller gives it up. */
  isSilent: boolean;
  /** Requests and answers take this long each. */
  delayMs: number;
  /** What the candidate's wall clock says is off by this. */
  skewMs: number;
}

function setUp() {
  const api = new FakeApi();
  const clock = new VirtualClock();
  const transport = inProcessTransport(api.handle, { commonName: 'test', organizations: [] });
  const client = createClient({ transport, userAgent: 'test' });
  const transcript: string[] = [];
  const random = new SeededRandom(1);
  const leading = new Set<string>();
  const candidate = (
    identity: string,
    signal: AbortSignal,
    link: Partial<Link> = {},
    times: Pick<LeaderElectionOptions, 'leaseDurationMs' | 'liveness' | 'renewDeadlineMs'> = {},
  ) =>
    runWithLeaderElection(
      {
        client: createClient({ transport: over(link), userAgent: identity }),
        clock: {
          nowMs: () => clock.nowMs() + (link.skewMs ?? 0),
          monotonicMs: () => clock.monotonicMs(),
          setTimeout: (callback, delayMs) => clock.setTimeout(callback, delayMs),
          yield: () => clock.yield(),
        },
        random,
        log: silentLogger,
        namespace: 'kube-system',
        name: 'manager',
        identity,
        ...times,
        run: async (term) => {
          leading.add(identity);
          if (leading.size > 1) throw new Error(`${[...leading].join(' and ')} lead at once`);
          transcript.push(`${identity} leads`);
          await aborted(term);
          transcript.push(`${identity} stops`);
          leading.delete(identity);
        },
      },
      signal,
    );
  const over = (link: Partial<Link>): Transport => ({
    request: async (request) => {
      const travel = async (): Promise<void> => {
        if (link.delayMs) await sleep(clock, link.delayMs, request.signal);
        request.signal.throwIfAborted();
      };
      await travel();
      if (link.isSilent) {
        await aborted(request.signal);
        request.signal.throwIfAborted();
      }
      if (link.isCut) throw serviceUnavailable('the request was lost');
      const response = await transport.request(request);
      await travel();
      if (link.isDeaf) throw serviceUnavailable('the answer was lost');
      return response;
    },
  });
  return { api, clock, client, transcript, candidate };
}

test('one leads, the other takes over soon after it gives the lease back', async () => {
  const { clock, client, transcript, candidate } = setUp();
  const [a, b] = [new AbortController(), new AbortController()];
  const first = candidate('a', a.signal);
  await clock.advance(1_000);
  const second = candidate('b', b.signal);
  await clock.advance(60_000);
  expect(transcript).toEqual(['a leads']);
  a.abort();
  await first;
  await clock.advance(5_000);
  expect(transcript).toEqual(['a leads', 'a stops', 'b leads']);
  expect(await client.resource(leases).get('manager', { namespace: 'kube-system' })).toMatchObject({
    spec: { holderIdentity: 'b', leaseDurationSeconds: 15, leaseTransitions: 1 },
  });
  b.abort();
  await second;
});

test('a leader that cannot renew for 10 s stops its work and rejects', async () => {
  const { api, clock, transcript, candidate } = setUp();
  const stop = new AbortController();
  const outcome = candidate('a', stop.signal).catch((error: unknown) => error);
  await clock.advance(1_000);
  api.failNext(...Array.from({ length: 100 }, () => serviceUnavailable('down')));
  await clock.advance(8_000);
  expect(transcript).toEqual(['a leads']);
  await clock.advance(4_000);
  expect(transcript).toEqual(['a leads', 'a stops']);
  expect(await outcome).toBeInstanceOf(LeadershipLostError);
});

test('a leader that is cut off stops before another starts, wherever its clock stands and however slow the network', async () => {
  for (const delayMs of [0, 500, 1_500]) {
    for (const skewMs of [-3_600_000, 0, 3_600_000]) {
      const { clock, transcript, candidate } = setUp();
      const stop = new AbortController();
      const link = { isCut: false, isDeaf: false, delayMs, skewMs };
      const first = candidate('a', stop.signal, link).catch((error: unknown) => error);
      await clock.advance(10_000);
      const second = candidate('b', stop.signal, { delayMs });
      await clock.advance(60_000);
      expect(transcript).toEqual(['a leads']);
      link.isCut = true;
      await clock.advance(9_000);
      expect(transcript).not.toContain('b leads');
      await clock.advance(30_000);
      expect(transcript).toEqual(['a leads', 'a stops', 'b leads']);
      expect(await first).toBeInstanceOf(LeadershipLostError);
      stop.abort();
      await clock.advance(20_000);
      await second;
    }
  }
});

test('a renewal whose answer is lost neither ends leadership nor keeps the lease from being given back', async () => {
  const { clock, transcript, candidate } = setUp();
  const [a, b] = [new AbortController(), new AbortController()];
  const link = { isDeaf: false };
  const first = candidate('a', a.signal, link);
  await clock.advance(10_000);
  link.isDeaf = true;
  await clock.advance(5_000);
  link.isDeaf = false;
  await clock.advance(60_000);
  expect(transcript).toEqual(['a leads']);
  const second = candidate('b', b.signal);
  await clock.advance(100);
  a.abort();
  await first;
  await clock.advance(5_000);
  expect(transcript).toEqual(['a leads', 'a stops', 'b leads']);
  b.abort();
  await second;
});

test('one request that is never answered ends no leadership, nor does it keep who waits from leading later', async () => {
  const { clock, transcript, candidate } = setUp();
  const [a, b] = [new AbortController(), new AbortController()];
  const [near, far] = [{ isSilent: false }, { isSilent: false }];
  const first = candidate('a', a.signal, near);
  await clock.advance(10_000);
  near.isSilent = true;
  await clock.advance(6_000);
  near.isSilent = false;
  await clock.advance(60_000);
  expect(transcript).toEqual(['a leads']);
  far.isSilent = true;
  const second = candidate('b', b.signal, far);
  await clock.advance(1_000);
  far.isSilent = false;
  a.abort();
  await first;
  await clock.advance(10_000);
  expect(transcript).toEqual(['a leads', 'a stops', 'b leads']);
  b.abort();
  await second;
});

test('a leader that sees another hold its lease stops at once', async () => {
  const { clock, client, transcript, candidate } = setUp();
  const stop = new AbortController();
  const outcome = candidate('a', stop.signal).catch((error: unknown) => error);
  await clock.advance(10_000);
  const lease = await client.resource(leases).get('manager', { namespace: 'kube-system' });
  await client.resource(leases).update({ ...lease, spec: { ...lease.spec, holderIdentity: 'thief' } });
  await clock.advance(5_000);
  expect(transcript).toEqual(['a leads', 'a stops']);
  expect(await outcome).toBeInstanceOf(LeadershipLostError);
  const { spec } = await client.resource(leases).get('manager', { namespace: 'kube-system' });
  expect(spec?.holderIdentity).toBe('thief');
});

test('events on the lease say who leads', async () => {
  const { clock, client, candidate } = setUp();
  const stop = new AbortController();
  const first = candidate('a', stop.signal);
  await clock.advance(10_000);
  stop.abort();
  await first;
  const { items } = await client.resource(events).list({ namespace: 'kube-system' });
  expect(items.map(({ reason, message, involvedObject }) => `${reason} ${involvedObject.kind}: ${message}`)).toEqual([
    'LeaderElection Lease: a became leader',
    'LeaderElection Lease: a stopped leading',
  ]);
});

test('times with which two could lead at once are refused', async () => {
  const { candidate } = setUp();
  const { signal } = new AbortController();
  await expect(candidate('a', signal, {}, { leaseDurationMs: 10_000 })).rejects.toThrow('does not outlast');
  await expect(candidate('a', signal, {}, { renewDeadlineMs: 2_000 })).rejects.toThrow('no time to try again');
});

/** Processes that end when they are told to, as others see them. */
class Processes {
  readonly #ends = new Map<string, Deferred>();

  of(identity: string): Liveness {
    return {
      address: `${identity}.test:1`,
      ended: async (holder, signal) => {
        expect(holder.address).toBe(`${holder.identity}.test:1`);
        await Promise.race([this.#endOf(holder.identity).promise, aborted(signal)]);
        return !signal.aborted;
      },
    };
  }

  end(identity: string): void {
    this.#endOf(identity).resolve();
  }

  #endOf(identity: string): Deferred {
    const end = this.#ends.get(identity) ?? new Deferred();
    this.#ends.set(identity, end);
    return end;
  }
}

test.each([
  ['whose process has ended is not waited for', true, 1_000],
  ['that is silent is waited for as long as its lease says', false, 20_000],
])('a leader %s', async (_, isSeenToEnd, afterMs) => {
  const { clock, client, transcript, candidate } = setUp();
  const processes = new Processes();
  const [a, b, c] = [new AbortController(), new AbortController(), new AbortController()];
  const link = { isCut: false };
  const first = candidate('a', a.signal, link, { liveness: processes.of('a') }).catch((error: unknown) => error);
  await clock.advance(1_000);
  const second = candidate('b', b.signal, {}, { liveness: processes.of('b') });
  const third = candidate('c', c.signal, {}, { liveness: processes.of('c') });
  await clock.advance(10_000);
  expect(transcript).toEqual(['a leads']);
  // It dies: nothing is renewed any more, and nothing given back.
  link.isCut = true;
  if (isSeenToEnd) {
    a.abort();
    processes.end('a');
  }
  await clock.advance(afterMs);
  expect(transcript).toEqual(['a leads', 'a stops', expect.stringMatching(/^[bc] leads$/)]);
  const lease = await client.resource(leases).get('manager', { namespace: 'kube-system' });
  const leader = lease.spec?.holderIdentity ?? '';
  expect(lease.metadata?.annotations).toEqual({ 'coxswain.dev/alive-at': `${leader}.test:1` });
  // Who leads now is followed in its turn.
  (leader === 'b' ? b : c).abort();
  processes.end(leader);
  await clock.advance(1_000);
  expect(transcript.at(-1)).toBe(leader === 'b' ? 'c leads' : 'b leads');
  for (const each of [a, b, c]) each.abort();
  await clock.advance(20_000);
  await Promise.all([first, second, third]);
});
