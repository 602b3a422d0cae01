import { expect, test } from 'vitest';
import { requestSignal } from './request-signals.ts';

test('what is under way ends with the signal, for its reason, and what has ended does not', () => {
  const parent = new AbortController();
  const [ended, first, second] = [1, 2, 3].map(() => requestSignal(parent.signal));
  ended?.leave();
  parent.abort('enough');
  expect([ended, first, second].map((request) => request?.signal.reason)).toEqual([undefined, 'enough', 'enough']);
  expect(requestSignal(parent.signal).signal.reason).toBe('enough');
});

test('a signal is heard once, however many requests are under it', () => {
  const parent = new AbortController();
  let heard = 0;
  const { signal } = parent;
  const listen = signal.addEventListener.bind(signal);
  Object.defineProperty(signal, 'addEventListener', {
    value: (...args: Parameters<typeof listen>) => {
      heard++;
      listen(...args);
    },
  });
  const requests = Array.from({ length: 100 }, () => requestSignal(signal));
  for (const { leave } of requests) leave();
  requestSignal(signal);
  expect(heard).toBe(1);
});
