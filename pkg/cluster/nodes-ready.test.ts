import { expect, test } from 'vitest';
import type { Node } from '#pkg/api/types/core-v1.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { KeyedHandler, KeyedSource } from '#pkg/kubelet/keyed-source.ts';
import { NodesReady } from './nodes-ready.ts';

const names = Array.from({ length: 8 }, (_, index) => `node-${index + 1}`);

function follow() {
  const handlers = new Map<string, KeyedHandler<Node>>();
  const source: KeyedSource<Node> = {
    subscribe: (name, handler) => {
      handlers.set(name, handler);
      return () => handlers.delete(name);
    },
  };
  const ready = new NodesReady(source, names);
  const node = (name: string, status: 'False' | 'True', podCIDR?: string): Node => ({
    metadata: { name },
    ...(podCIDR === undefined ? {} : { spec: { podCIDR } }),
    status: { conditions: [{ type: 'Ready', status }] },
  });
  const changed = (...said: Parameters<typeof node>): void => handlers.get(said[0])?.set(node(...said));
  return { ready, added: changed, changed };
}

test('waits until all of the nodes are Ready at the same time', async () => {
  const clock = new VirtualClock();
  const { ready, added, changed } = follow();
  for (const name of ['stranger', ...names]) added(name, 'False');
  const ended: string[] = [];
  const { signal } = new AbortController();
  const waiting = ready.wait(clock, { timeoutMs: 60_000, signal }).then(() => ended.push('ready'));
  for (const name of names) changed(name, 'True');
  changed('node-1', 'False');
  await clock.advance(1_000);
  expect(ended).toEqual([]);
  changed('node-1', 'True');
  await clock.settle();
  expect(ended).toEqual(['ready']);
  await waiting;
});

test('says which nodes were not ready in time, a few of them by name', async () => {
  const clock = new VirtualClock();
  const { ready, added } = follow();
  added('node-2', 'True');
  const { signal } = new AbortController();
  const waiting = expect(ready.wait(clock, { timeoutMs: 60_000, signal })).rejects.toThrow(
    'Cannot bring up the cluster as node-1, node-3, node-4, node-5, node-6 and 2 more did not become ready within 60 s',
  );
  await clock.advance(60_000);
  await waiting;
});

test('tells of a node that has no addresses for pods, and not of one that is not Ready by itself', async () => {
  const clock = new VirtualClock();
  const { ready, added, changed } = follow();
  const told: string[] = [];
  void ready.needControllers.then(() => told.push('needs controllers'));
  added('node-1', 'False', '127.128.0.0/24');
  added('node-2', 'True');
  await clock.settle();
  expect(told).toEqual([]);
  changed('node-3', 'False');
  await clock.settle();
  expect(told).toEqual(['needs controllers']);
});

test('ends when asked to', async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  const waiting = follow().ready.wait(clock, { timeoutMs: 60_000, signal: controller.signal });
  controller.abort();
  await waiting;
});
