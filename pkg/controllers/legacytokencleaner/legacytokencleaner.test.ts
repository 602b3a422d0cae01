import { afterEach, expect, test } from 'vitest';
import { dayOf, dayStartMs, tokenTrackingName } from '#pkg/api/core/legacy-tokens.ts';
import { configMaps, pods, secrets, serviceAccounts } from '#pkg/api/types/refs.ts';
import { type Harness, startHarness } from '../testing/harness.ts';

const dayMs = 24 * 3_600_000;
const periodDays = 3;
const namespace = 'default';
const lastUsed = 'kubernetes.io/legacy-token-last-used';
const invalidSince = 'kubernetes.io/legacy-token-invalid-since';
let harness: Harness;
afterEach(() => harness.stop());

/** Seven Secrets of one account: which of them go is told by their names. */
async function start(since: string | undefined): Promise<void> {
  harness = await startHarness({
    controllers: ['legacy-serviceaccount-token-cleaner-controller'],
    flags: { 'legacy-service-account-token-clean-up-period': periodDays * dayMs },
    runPods: false,
  });
  const { client, clock } = harness;
  if (since !== undefined)
    await client
      .resource(configMaps)
      .create({ metadata: { name: tokenTrackingName, namespace: 'kube-system' }, data: { since } });
  const listed = ['unused', 'used-early', 'used-late', 'unreadable', 'mounted'].map((name) => ({ name }));
  await client.resource(serviceAccounts).create({ metadata: { name: 'robot', namespace }, secrets: listed });
  const usedAt = (day: number) => ({ [lastUsed]: dayOf(clock.nowMs() + day * dayMs) });
  const make = (name: string, labels: Record<string, string> = {}, account = 'robot') =>
    client.resource(secrets).create({
      type: 'kubernetes.io/service-account-token',
      metadata: { name, namespace, labels, annotations: { 'kubernetes.io/service-account.name': account } },
    });
  await make('unused');
  await make('used-early', usedAt(0));
  await make('used-late', usedAt(5));
  await make('unreadable', { [lastUsed]: 'yesterday' });
  await make('mounted');
  await make('manual');
  await make('of-nobody', {}, 'none');
  const volumes = [{ name: 'token', secret: { secretName: 'mounted' } }];
  await client
    .resource(pods)
    .create({ metadata: { name: 'p', namespace }, spec: { containers: [{ name: 'c', image: 'i' }], volumes } });
}

const marked = async (): Promise<readonly string[]> =>
  (await harness.list(secrets))
    .filter(({ metadata }) => metadata?.labels?.[invalidSince] !== undefined)
    .map(({ metadata }) => metadata?.name ?? '');
const left = async (): Promise<readonly string[]> =>
  (await harness.list(secrets)).map(({ metadata }) => metadata?.name ?? '');
const all = ['manual', 'mounted', 'of-nobody', 'unreadable', 'unused', 'used-early', 'used-late'];

test('tokens that a controller made and nobody uses are marked, and deleted after another period; all others stay', async () => {
  await start(dayOf(0));
  const { clock, writes } = harness;
  await clock.advance(periodDays * dayMs);
  expect([await marked(), writes]).toEqual([[], []]);
  await clock.advance(2 * dayMs);
  expect(await marked()).toEqual(['unused', 'used-early']);
  await clock.advance(2 * dayMs);
  expect(await left()).toEqual(all);
  await clock.advance(1.5 * dayMs);
  expect(await left()).toEqual(['manual', 'mounted', 'of-nobody', 'unreadable', 'used-late']);
  await clock.advance(5 * dayMs);
  expect(await left()).toEqual(['manual', 'mounted', 'of-nobody', 'unreadable']);
  // Two writes for each that went: the mark and the deletion.
  expect(writes).toHaveLength(6);
});

test.each([
  ['is not said', undefined],
  ['cannot be read', '2024-02-31'],
])(
  'nothing is taken away where %s since when the use is kept, nor soon after the servers began',
  async (_what, since) => {
    await start(since);
    await harness.clock.advance(5 * dayMs);
    expect([await left(), harness.writes]).toEqual([all, []]);
    await harness.client
      .resource(configMaps)
      .delete(tokenTrackingName, { namespace: 'kube-system' })
      .catch(() => {});
    const data = { since: dayOf(harness.clock.nowMs()) };
    await harness.client
      .resource(configMaps)
      .create({ metadata: { name: tokenTrackingName, namespace: 'kube-system' }, data });
    await harness.clock.advance(periodDays * dayMs);
    expect(await marked()).toEqual([]);
    await harness.clock.advance(2 * dayMs);
    expect(await marked()).not.toEqual([]);
  },
);

test.each([
  ['1970-01-02', dayMs],
  ['2023-02-29', undefined],
  ['2024-02-29', Date.UTC(2024, 1, 29)],
  ['2024-2-9', undefined],
  ['', undefined],
])('the day %s begins at %s', (day, ms) => {
  expect(dayStartMs(day)).toBe(ms);
});
