import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { Deferred, unlessAborted } from './async.ts';

test('what work comes to is told where nothing is aborted before, and nothing stays with the signal', async () => {
  const { signal } = new AbortController();
  expect(await unlessAborted(Promise.resolve('done'), signal)).toBe('done');
  await expect(unlessAborted(Promise.reject(new Error('failed')), signal)).rejects.toThrow('failed');
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('who is aborted waits for no work, whether that was so before or comes meanwhile', async () => {
  const stop = new AbortController();
  const work = new Deferred<string>();
  const waiting = unlessAborted(work.promise, stop.signal);
  stop.abort();
  expect(await waiting).toBeUndefined();
  expect(await unlessAborted(work.promise, stop.signal)).toBeUndefined();
  expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  work.resolve('later');
});
