import { expect, test } from 'vitest';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import { Deferred, neverAborted } from '#pkg/base/async.ts';
import { startTurns } from './start-turns.ts';

function started() {
  let nowMs = 0;
  let turn = new Deferred();
  const asked: string[] = [];
  const turns = startTurns({ monotonicMs: () => nowMs, yield: () => turn.promise });
  const transport = turns.transport({
    request: ({ path }) => {
      asked.push(path);
      return Promise.resolve({ status: 200, headers: {}, body: { kind: 'empty' } });
    },
    isLocal: true,
  });
  const ask = (path: string, tookMs: number): void => {
    const request: ApiRequest = {
      method: 'GET',
      path,
      query: '',
      headers: {},
      peer: { address: '' },
      signal: neverAborted,
    };
    void transport.request(request);
    nowMs += tookMs;
  };
  const endTurn = async (): Promise<void> => {
    const ended = turn;
    turn = new Deferred();
    ended.resolve();
    await ended.promise;
    await Promise.resolve();
  };
  return { asked, ask, endTurn, end: turns.end, transport };
}

test('requests of a turn are passed on at once until it has lasted long enough, and the others with the next one, in order', async () => {
  const { asked, ask, endTurn, transport } = started();
  ask('a', 3);
  ask('b', 2);
  ask('c', 1);
  ask('d', 1);
  expect([asked, transport.isLocal]).toEqual([['a', 'b'], true]);
  await endTurn();
  expect(asked).toEqual(['a', 'b', 'c', 'd']);
  ask('e', 1);
  expect(asked).toEqual(['a', 'b', 'c', 'd', 'e']);
});

test('once the start is over none waits', () => {
  const { asked, ask, end } = started();
  ask('a', 10);
  end();
  ask('b', 10);
  ask('c', 10);
  expect(asked).toEqual(['a', 'b', 'c']);
});
