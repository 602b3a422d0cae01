import { expect, test } from 'vitest';
import type { Clients } from './clients.ts';
import type { TurnsRow } from './report.ts';
import type { RowFacts } from './rows.ts';
import type { Server } from './server.ts';
import { type Side, Turns, type TurnsPlan } from './turns.ts';
import type { RowTask } from './worker.ts';

const server: Server = { kubeconfig: 'file', pids: async () => [], stop: async () => {} };
const rows: readonly RowFacts[] = [
  { name: 'get', hasCeiling: true },
  { name: 'patch' },
  { name: 'schedule', isLong: true },
  { name: 'unwanted' },
];

/** Operations that each side does in a second; as many take a second in each turn. */
const speeds: Readonly<Record<string, number>> = { here: 200, abc: 100, other: 10, ceiling: 400 };

/** Stands for the process of the clients: says what it was asked for, and does it at the speeds above. */
function fakeClients(calls: string[]): Pick<Clients, 'call'> {
  const answer = (call: string, task: RowTask & { poolPods?: number; paddingBytes?: number }): unknown => {
    const { side, row, limit, poolPods, paddingBytes } = task;
    if (call === 'open') {
      calls.push(`open ${side} with ${poolPods} pods${paddingBytes === undefined ? '' : `, padding ${paddingBytes}`}`);
      return { paddingBytes: 7, rows };
    }
    if (call !== 'measure') {
      if (call !== 'prepare' && call !== 'restore') calls.push(`${call} ${side}`);
      return undefined;
    }
    const operations = limit.operationsMax ?? speeds[side]!;
    calls.push(`${rows[row]!.name} ${side} ${operations}${limit.operationsMax === undefined ? ' by time' : ''}`);
    return { operations, tookMs: (operations / speeds[side]!) * 1000, failures: 0, clientShare: 0.5 };
  };
  return { call: (async (call: string, task: RowTask) => answer(call, task)) as Clients['call'] };
}

async function measured(plan: Partial<TurnsPlan>): Promise<{ calls: string[]; rows: TurnsRow[] }> {
  const calls: string[] = [];
  const sides: Side[] = [
    { name: 'here', role: 'ours', server },
    { name: 'abc', role: 'against', server },
  ];
  const turns = new Turns({
    clients: fakeClients(calls),
    sides,
    sizes: { rowMs: 1_000, nodes: 1, pods: 1 },
    wants: (name) => name !== 'unwanted',
    pairs: 2,
    longPairs: 1,
    signal: new AbortController().signal,
    ...plan,
  });
  await turns.open();
  if (turns.wantsCeiling) await turns.addCeiling('answers', async () => server);
  const reported: TurnsRow[] = [];
  for await (const row of turns.measure()) reported.push(row);
  await turns.close();
  return { calls, rows: reported };
}

test('the two commits do the same number of operations, in the order A B, B A, each turn after a short one', async () => {
  const { calls } = await measured({ wants: (name) => name === 'patch' });
  expect(calls).toEqual([
    'open here with 2000 pods',
    'open abc with 2000 pods',
    'patch here 200 by time',
    'patch here 200 by time',
    'patch abc 100 by time',
    'patch abc 100 by time',
    'patch here 15',
    'patch here 100',
    'patch abc 15',
    'patch abc 100',
    'patch abc 15',
    'patch abc 100',
    'patch here 15',
    'patch here 100',
    'close here',
    'close abc',
  ]);
});

test('other servers and the ceiling do what they can, in the same rotation', async () => {
  const sides: Side[] = [
    { name: 'here', role: 'ours', server },
    { name: 'other', role: 'other', server },
  ];
  const { calls } = await measured({ sides, pairs: 1, wants: (name) => name === 'get' });
  expect(calls).toEqual([
    'open here with 2000 pods',
    'open other with 2000 pods',
    'capture here',
    'open ceiling with 2000 pods, padding 7',
    'get here 200 by time',
    'get here 200 by time',
    'get other 10 by time',
    'get other 10 by time',
    'get ceiling 400 by time',
    'get ceiling 400 by time',
    'get here 30',
    'get here 200',
    'get other 2',
    'get other 10',
    'get ceiling 60',
    'get ceiling 400',
    'close here',
    'close other',
    'close ceiling',
  ]);
});

test('rows are compared with each other side; only rows that have a ceiling are with it', async () => {
  const { rows: reported } = await measured({});
  const short = reported.map(({ name, versus }) => ({
    name,
    versus: versus.map(({ side, comparison }) => [side, comparison?.ratio, comparison?.pairs]),
  }));
  expect(short).toEqual([
    {
      name: 'get',
      versus: [
        ['abc', 2, 2],
        ['ceiling', 0.5, 2],
      ],
    },
    { name: 'patch', versus: [['abc', 2, 2]] },
    { name: 'schedule', versus: [['abc', 2, 1]] },
  ]);
});

test('nothing is measured after an interrupt', async () => {
  await expect(measured({ signal: AbortSignal.abort(new Error('Stopped')) })).rejects.toThrow('Stopped');
});
