/** Replays on virtual time: the same seed gives the same result, and other settings another one. */
import { expect, test } from 'vitest';
import { conditionOf } from './condition.ts';
import { historyOfAudit, historyOfDump } from './foreign-history.ts';
import { madeDeployment, madeHistory, madeJob, madeJobPod, madeNode } from './made-history.ts';
import { type RunResult, recordedRun, replay } from './replay.ts';
import { comparison, picture } from './report.ts';

const history = madeHistory({ nodes: 3, hours: 1 });
/** Several runs of an hour, on a machine that has much else to do. */
const patience = { timeout: 240_000 };
const limits = { untilMs: history.endMs };

test(
  'the same seed gives the same result, byte for byte, and jobs take as long as they were recorded to',
  patience,
  async () => {
    const first = await replay(history, { seed: 3 }, limits);
    expect(JSON.stringify(await replay(history, { seed: 3 }, limits))).toBe(JSON.stringify(first));
    expect(first.refused).toEqual([]);
    expect(first.renewedEveryMs).toBe(43_200_000);
    const jobs = first.lives.filter(({ pod }) => pod.startsWith('default/batch-0-'));
    const minutes = jobs.map(({ createdMs, endedMs = 0 }) => (endedMs - createdMs) / 60_000);
    expect(minutes.toSorted((a, b) => a - b)).toEqual([10, 11]);
    // The node that is silent has pods, which are evicted and made anew.
    expect(first.figures.evictions).toBeGreaterThan(0);
  },
);

test('branches are compared in a table and a picture', patience, async () => {
  const packed = await replay(history, {}, limits);
  const spread = await replay(history, { scheduling: 'spreading', moreNodes: 5 }, limits);
  expect(spread.figures.nodesUsedMean).toBeGreaterThan(packed.figures.nodesUsedMean);
  const runs = [
    { name: 'recorded', ...recordedRun(history, limits.untilMs) },
    { name: 'replay', ...packed },
    { name: '<spread>', ...spread },
  ];
  const rows = comparison(runs);
  expect(rows[0]).toEqual(['', 'RECORDED', 'REPLAY', '<SPREAD>']);
  expect(rows.find(([title]) => title === 'pods')).toEqual([
    'pods',
    '2',
    `${packed.figures.pods}`,
    `${spread.figures.pods}`,
  ]);
  expect(rows.find(([title]) => title === 'time')).toEqual(['time', '60m', '60m', '60m']);
  const svg = picture(runs);
  expect(svg.match(/<path /g)).toHaveLength(8);
  expect(svg).toContain('&lt;spread>');
});

test('a branch is as the replay until it begins, and other from then on', patience, async () => {
  const two = madeHistory({ nodes: 3, hours: 2 });
  const fromMs = 3_600_000;
  const run = (settings: Parameters<typeof replay>[1]) => replay(two, settings, { untilMs: two.endMs });
  const before = ({ lives }: RunResult) =>
    lives.filter(({ createdMs }) => createdMs < fromMs).map(({ pod, createdMs, node }) => [pod, createdMs, node]);
  const whole = await run({});
  const branches = [{ scheduling: 'spreading' }, { moreNodes: 2 }, { moreNodes: -1 }];
  for (const settings of branches) {
    const branch = await run({ ...settings, fromMs });
    expect(before(branch)).toEqual(before(whole));
    expect(branch.points.filter(({ ms }) => ms < fromMs)).toEqual(whole.points.filter(({ ms }) => ms < fromMs));
  }
  const spread = await run({ scheduling: 'spreading', moreNodes: 3, fromMs });
  expect(spread.figures.nodesUsedMax).toBeGreaterThan(whole.figures.nodesUsedMax);
  const fewer = await run({ moreNodes: -2, fromMs });
  expect(new Set(fewer.lives.filter(({ createdMs }) => createdMs > fromMs).map(({ node }) => node))).toEqual(
    new Set(['node-1']),
  );
});

test('a fault of the history’s API changes what follows, not what is asked for', patience, async () => {
  const rule = { name: 'no-pods', fault: 'error', verbs: ['create'], resources: ['pods'], for: '10m' } as const;
  const result = await replay(history, { faults: [rule] }, { untilMs: 3_000_000 });
  expect(result.refused).toEqual([]);
  expect(result.renewedEveryMs).toBe(10_000);
  expect(result.lives.length).toBeGreaterThan(0);
  expect(result.lives.every(({ createdMs }) => createdMs >= 600_000)).toBe(true);
});

test('a run stops where its condition holds, and is paced', async () => {
  const paced: number[] = [];
  const isOver = conditionOf('run.running >= 3 && run.nodes == 3');
  const result = await replay(history, {}, { ...limits, isOver, pace: async (ms) => void paced.push(ms) });
  expect(result.endMs).toBeLessThan(600_000);
  expect(paced.length).toBeGreaterThan(0);
  expect(() => conditionOf('run.height > 3')).toThrow('Cannot read the condition');
});

test('a dump begins a run with its state, and unknown kinds are refused', async () => {
  const dump = historyOfDump([madeNode('a'), madeDeployment('web', 3)]);
  const result = await replay(dump, {}, { untilMs: 60_000 });
  expect(result.figures).toMatchObject({ pods: 3, placed: 3, nodesUsedMax: 1 });
  const odd = historyOfDump([{ apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w' } }]);
  await expect(replay(odd, {}, { untilMs: 1 })).rejects.toThrow('these kinds are not known: example.com/v1 Widget');
});

test('an audit log is played: what people asked for, and how long pods ran', async () => {
  const event = (second: number, user: string, more: object): Record<string, unknown> => ({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Event',
    stage: 'ResponseComplete',
    requestReceivedTimestamp: `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000Z`,
    user: { username: user },
    responseStatus: { code: 200 },
    ...more,
  });
  const of = (resource: string, name: string, more: object): object => ({
    objectRef: { resource, name, namespace: 'default' },
    ...more,
  });
  const pod = madeJobPod('batch', 0, { startMs: 5_000, runMs: 7_000 });
  const log = [
    event(0, 'system:node:a', { verb: 'create', ...of('nodes', 'a', { responseObject: madeNode('a') }) }),
    event(5, 'jane', { verb: 'create', ...of('jobs', 'batch', { requestObject: madeJob('batch', 1) }) }),
    event(5, 'system:serviceaccount:kube-system:job-controller', {
      verb: 'create',
      ...of('pods', '', { responseObject: pod }),
    }),
    event(12, 'system:node:a', { verb: 'patch', ...of('pods', 'batch-0', { responseObject: pod }) }),
  ];
  const result = await replay(historyOfAudit(log, 'log'), {}, { untilMs: 60_000 });
  expect(result.lives.map(({ createdMs, endedMs = 0 }) => [createdMs, endedMs - createdMs])).toEqual([[5_000, 7_000]]);
  const patch = event(20, 'jane', { verb: 'patch', ...of('deployments', 'web', { requestObject: {} }) });
  expect(() => historyOfAudit([patch], 'log')).toThrow(
    'log: line 1: what came of the patch of deployments "web" is not said',
  );
});
