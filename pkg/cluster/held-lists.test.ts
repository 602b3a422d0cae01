import { expect, test } from 'vitest';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import { Deferred, neverAborted } from '#pkg/base/async.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { holdLists } from './held-lists.ts';

const whole = 'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan';

function held(whose: 'nodes' | 'others' = 'others') {
  const clock = new VirtualClock();
  const ready = new Deferred();
  const end = new AbortController();
  const asked: string[] = [];
  const hold = holdLists({ clock, signal: end.signal, ready: ready.promise });
  const transport = hold[whose]({
    request: async ({ path }) => {
      asked.push(path);
      return { status: 200, headers: {}, body: { kind: 'empty' } };
    },
    isLocal: true,
  });
  const ask = (path: string, query: string, signal: AbortSignal = neverAborted): void => {
    const request: ApiRequest = { method: 'GET', path, query, headers: {}, peer: { address: '' }, signal };
    void transport.request(request);
  };
  return { clock, ready, end, asked, ask, transport };
}

test('copies wait until the nodes are Ready and those who wait for that were told, and everything else does not', async () => {
  const { clock, ready, asked, ask, transport } = held();
  ask('pods', whole);
  ask('one', '');
  ask('later', 'watch=true&resourceVersion=7');
  await clock.settle();
  expect([asked, transport.isLocal]).toEqual([['one', 'later'], true]);
  ready.resolve();
  await clock.settle();
  expect(asked).toEqual(['one', 'later']);
  await clock.advance(100);
  ask('more', whole);
  expect(asked).toEqual(['one', 'later', 'pods', 'more']);
});

test('nodes wait with their pods alone, and have them before the others begin', async () => {
  const { clock, ready, asked, ask } = held('nodes');
  ask('/api/v1/nodes', whole);
  ask('/api/v1/pods', whole);
  ask('/api/v1/namespaces/a/pods', '');
  await clock.settle();
  expect(asked).toEqual(['/api/v1/nodes', '/api/v1/namespaces/a/pods']);
  ready.resolve();
  await clock.advance(50);
  expect(asked).toEqual(['/api/v1/nodes', '/api/v1/namespaces/a/pods', '/api/v1/pods']);
});

test('they do not wait for nodes that do not come, nor for their own end or that of the cluster', async () => {
  const late = held();
  late.ask('pods', whole);
  await late.clock.advance(19_999);
  expect(late.asked).toEqual([]);
  await late.clock.advance(1);
  expect(late.asked).toEqual(['pods']);
  for (const isOwn of [true, false]) {
    const { clock, end, asked, ask } = held();
    const own = new AbortController();
    ask('pods', whole, own.signal);
    (isOwn ? own : end).abort();
    await clock.settle();
    expect(asked).toEqual(['pods']);
  }
});
