import { expect, test } from 'vitest';
import { leases } from '#pkg/api/types/refs.ts';
import { serviceUnavailable } from '#pkg/apimachinery/status-error.ts';
import { aborted } from '#pkg/base/async.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { FakeApi } from './fake-api.ts';
import { inProcessTransport } from './in-process-transport.ts';
import { LeadershipLostError, runWithLeaderElection } from './leader-election.ts';
import { createClient } from './rest-client.ts';

function setUp() {
  const api = new FakeApi();
  const clock = new VirtualClock();
  const transport = inProcessTransport(api.handle, { commonName: 'test', organizations: [] });
  const client = createClient({ transport, userAgent: 'test' });
  const transcript: string[] = [];
  const random = new SeededRandom(1);
  const candidate = (identity: string, signal: AbortSignal) =>
    runWithLeaderElection(
      {
        client,
        clock,
        random,
        log: silentLogger,
        namespace: 'kube-system',
        name: 'manager',
        identity,
        run: async (term) => {
          transcript.push(`${identity} leads`);
          await aborted(term);
          transcript.push(`${identity} stops`);
        },
      },
      signal,
    );
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
