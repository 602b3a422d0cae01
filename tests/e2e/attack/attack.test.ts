/** What clients can do to a cluster, without credentials or with them: it costs what is stated here, others are served, and nothing of it stays. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hookMs, RunningCluster } from '../running-cluster.ts';
import { type AttackFigures, attack, keptBytesMax } from './attack.ts';

let cluster: RunningCluster;

beforeAll(async () => {
  cluster = await RunningCluster.start();
}, hookMs);

afterAll(() => cluster?.remove(), hookMs);

/** Each request of others was answered. How long they waited is printed: what else the machine does decides more of it than the attack. */
function othersAreServed({ before, during }: AttackFigures): void {
  expect(Math.min(before.count, during.count)).toBeGreaterThan(4);
}

test.each([16, 64])(
  '2,000 halves of bodies, of each %i KiB, are answered 403, their connections closed, and what they cost is given back',
  async (kibibytes) => {
    const head = [
      'POST /api/v1/namespaces/default/configmaps HTTP/1.1',
      'host: x',
      'content-type: application/json',
      'content-length: 3145728',
    ].join('\r\n');
    const first = `${head}\r\n\r\n${'x'.repeat(kibibytes * 1024)}`;
    const figures = await attack(cluster, { connections: 2_000, first, more: '', watchMs: 5_000 });
    const { report, sentBytesEach, keptBytes } = figures;
    const { 403: refused = 0, none = 0, ...others } = report.answers;
    expect([report.opened, report.open, refused + none, others]).toEqual([2_000, 0, 2_000, {}]);
    // An attacker that is kept from its processor for longer than the server lingers has lost its answer.
    expect(refused).toBeGreaterThan(1_800);
    expect(sentBytesEach).toBeLessThan(100 * 1_024);
    expect(keptBytes).toBeLessThan(keptBytesMax);
    othersAreServed(figures);
  },
);

test('2,000 heads that never end are cut off after their time, and what they cost is given back (fault 58)', async () => {
  const first = 'GET /version HTTP/1.1\r\nhost: x\r\n';
  const more = `x-more: ${'y'.repeat(50)}\r\n`;
  const figures = await attack(cluster, { connections: 2_000, first, more, watchMs: 40_000 });
  const { report, openBytesEach, sentBytesEach, keptBytes } = figures;
  expect([report.opened, report.open, report.answers]).toEqual([2_000, 0, { none: 2_000 }]);
  expect(openBytesEach).toBeLessThan(100 * 1_024);
  expect(sentBytesEach).toBeLessThan(100 * 1_024);
  expect(keptBytes).toBeLessThan(keptBytesMax);
  othersAreServed(figures);
});

test('260 small bodies of a known client that never come whole hold up nobody who writes, and end in time', async () => {
  const head = [
    'POST /api/v1/namespaces/default/configmaps HTTP/1.1',
    'host: x',
    'content-type: application/json',
    'content-length: 60000',
  ].join('\r\n');
  const first = `${head}\r\n\r\n${' '.repeat(30_000)}`;
  const figures = await attack(cluster, {
    connections: 260,
    first,
    more: '',
    watchMs: 25_000,
    isKnown: true,
    othersWrite: true,
  });
  const { opened, open, answers, endedMs } = figures.report;
  expect([opened, open, endedMs.length]).toEqual([260, 0, 260]);
  expect(Object.keys(answers)).toEqual(['408', '429']);
  expect(figures.keptBytes).toBeLessThan(keptBytesMax);
  othersAreServed(figures);
});
