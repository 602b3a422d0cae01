/** Lists and the map of nodes over the real API on virtual time: what a page is told. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { nodes as nodesRef, pods as podsRef } from '#pkg/api/types/refs.ts';
import { createKubeApi } from '#pkg/kubectl/api.ts';
import { sendTo } from '#pkg/kubectl/in-process.ts';
import { makePod } from '#pkg/testing/builders.ts';
import { startTestCluster, type TestCluster } from '#pkg/testing/cluster.ts';
import type { ListQuery, NodesMessage, RowsMessage, ServerMessage } from '../model/protocol.ts';
import { ListView } from './list-view.ts';
import { Mirrors } from './mirrors.ts';
import { NodesView } from './nodes-view.ts';

const pods = { group: '', version: 'v1', resource: 'pods' };
const nodes = { group: '', version: 'v1', resource: 'nodes' };

let cluster: TestCluster;
let mirrors: Mirrors;
let said: ServerMessage[];

beforeEach(async () => {
  cluster = await startTestCluster({ nodes: 2 });
  const api = createKubeApi({ send: sendTo(cluster.handle), namespace: 'default' });
  mirrors = new Mirrors({ api, clock: cluster.clock, onUnauthorized: () => {} });
  said = [];
});

afterEach(async () => {
  const closed = mirrors.close();
  await cluster.advance(1_000);
  await closed;
  await cluster.stop();
});

function options(id = 1) {
  const sink = { clock: cluster.clock, ready: () => Promise.resolve() };
  return { id, sink, send: (message: ServerMessage) => void said.push(message) };
}

function openPods(query: Partial<ListQuery> = {}): ListView {
  return new ListView(mirrors.take(pods), { kind: 'list', resource: pods, from: 0, count: 3, ...query }, options());
}

/** What was said since the last call, of rows: where the window is, how many match, its keys, and which rows came along. */
async function heard(): Promise<readonly string[]> {
  await cluster.advance(100);
  const rows = said.filter((message): message is RowsMessage => message.type === 'rows');
  said.length = 0;
  return rows.map(({ from, total, keys, rows: fresh }) => {
    const names = (list: readonly string[]): string => list.map((key) => key.replace('default/', '')).join(' ');
    return `${from} of ${total}: ${names(keys)} (new: ${names(fresh.map(({ key }) => key))})`;
  });
}

const pod = (name: string) => makePod(name).object;

test('a window is told of what is in it, and only rows that it has not', async () => {
  await cluster.apply(pod('a'), pod('b'), pod('c'), pod('d'));
  await cluster.until(() => cluster.pods().every(({ status }) => status?.phase === 'Running'));
  const view = openPods();
  expect(await heard()).toEqual(['0 of 4: a b c (new: a b c)']);
  await cluster.client.resource(podsRef).delete('d', { namespace: 'default', gracePeriodSeconds: 0 });
  expect(await heard()).toEqual(['0 of 3: a b c (new: )']);
  await cluster.client
    .resource(podsRef)
    .patch('b', { metadata: { labels: { x: 'y' } } }, { namespace: 'default', type: 'merge' });
  expect(await heard()).toEqual(['0 of 3: a b c (new: b)']);
  view.move(1, 3);
  expect(await heard()).toEqual(['1 of 3: b c (new: )']);
  view.close();
  await cluster.apply(pod('e'));
  expect(await heard()).toEqual([]);
});

test('namespace, labels, part of a name and an order narrow it down', async () => {
  await cluster.apply(
    makePod('web-1').labels({ app: 'web' }).object,
    makePod('web-2').labels({ app: 'web', tier: 'old' }).object,
    makePod('db-1').labels({ app: 'db' }).object,
  );
  for (const [query, names] of [
    [{ labels: 'app=web' }, 'web-1 web-2'],
    [{ labels: 'app in (web,db),tier!=old' }, 'db-1 web-1'],
    [{ text: 'B-1' }, 'db-1 web-1'],
    [{ namespace: 'kube-system' }, ''],
    [{ name: 'web-2' }, 'web-2'],
    [{ sort: { by: 'name', descending: true } }, 'web-2 web-1 db-1'],
  ] as const) {
    const view = openPods(query);
    expect([query, (await heard()).at(-1)?.replace(/.*: (.*) \(.*/, '$1')]).toEqual([query, names]);
    view.close();
  }
});

test('a selector that is none is refused with its reason', () => {
  expect(() => openPods({ labels: 'app=(' })).toThrow('the label selector is none');
});

test('views of one resource share one copy, which stays a while after the last', async () => {
  const one = openPods();
  const two = openPods({ text: 'x' });
  await cluster.advance(100);
  const lease = mirrors.take(pods);
  expect(lease.mirror.isComplete).toBe(true);
  for (const view of [one, two]) view.close();
  lease.release();
  await cluster.advance(29_000);
  const again = mirrors.take(pods);
  expect(again.mirror).toBe(lease.mirror);
  again.release();
  await cluster.advance(31_000);
  const anew = mirrors.take(pods);
  expect(anew.mirror).not.toBe(lease.mirror);
  anew.release();
});

/** What was said of nodes since the last call. */
async function heardOfNodes(): Promise<readonly string[]> {
  await cluster.advance(400);
  const all = said.filter((message): message is NodesMessage => message.type === 'nodes');
  said.length = 0;
  return all.flatMap(({ nodes: totals, gone, pending }) => [
    ...totals.map(([name, ready, closed, cpu, cpuTaken, , , , podsTaken]) => {
      const state = `${ready ? 'ready' : 'not ready'}${closed ? ', closed' : ''}`;
      return `${name} ${state}: ${cpuTaken} of ${cpu}, ${podsTaken} pods, ${pending} wait`;
    }),
    ...gone.map((name) => `${name} is gone`),
  ]);
}

test('the map of nodes adds up what pods ask for, and says only what changed', async () => {
  const view = new NodesView({ nodes: mirrors.take(nodes), pods: mirrors.take(pods) }, options());
  const empty = await heardOfNodes();
  expect(empty.slice(-2)).toEqual([
    'node-1 ready: 0 of 4000, 0 pods, 0 wait',
    'node-2 ready: 0 of 4000, 0 pods, 0 wait',
  ]);
  await cluster.apply(makePod('big').request({ cpu: '1500m' }).object, makePod('never').request({ cpu: '64' }).object);
  const [name = ''] = (await heardOfNodes()).at(-1)?.split(' ') ?? [];
  expect(await heardOfNodes()).toEqual([]);
  await cluster.client.resource(nodesRef).patch(name, { spec: { unschedulable: true } }, { type: 'merge' });
  expect(await heardOfNodes()).toEqual([`${name} ready, closed: 1500 of 4000, 1 pods, 1 wait`]);
  await cluster.client.resource(podsRef).delete('big', { namespace: 'default', gracePeriodSeconds: 0 });
  expect((await heardOfNodes()).at(-1)).toBe(`${name} ready, closed: 0 of 4000, 0 pods, 1 wait`);
  view.close();
});
