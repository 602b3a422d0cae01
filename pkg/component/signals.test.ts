import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { aborted } from '#pkg/base/async.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { runTogether, runUntilSignal } from './signals.ts';

test('the first signal stops and waits, a second one forces', async () => {
  const signals = new EventEmitter();
  const clock = new VirtualClock();
  const seen: string[] = [];
  const running = runUntilSignal(
    { signals, clock, onStopping: () => seen.push('stopping'), forceExit: (code) => seen.push(`exit ${code}`) },
    async (signal) => {
      await aborted(signal);
      seen.push('aborted');
      signals.emit('SIGINT', 'SIGINT');
    },
  );
  signals.emit('SIGTERM', 'SIGTERM');
  await running;
  expect(seen).toEqual(['stopping', 'aborted', 'exit 130']);
  expect(signals.listenerCount('SIGINT')).toBe(0);
});

test('a terminal that goes stops it as a request to end does, and says so twice without harm (fault 46)', async () => {
  const signals = new EventEmitter();
  const seen: string[] = [];
  const forceExit = (code: number) => void seen.push(`exit ${code}`);
  const onStopping = () => void seen.push('stopping');
  const running = runUntilSignal({ signals, clock: new VirtualClock(), onStopping, forceExit }, async (signal) => {
    await aborted(signal);
    signals.emit('SIGHUP', 'SIGHUP');
  });
  signals.emit('SIGHUP', 'SIGHUP');
  await running;
  expect(seen).toEqual(['stopping']);
  expect(signals.eventNames()).toEqual([]);
});

test('what does not stop in time is ended', async () => {
  const signals = new EventEmitter();
  const clock = new VirtualClock();
  const seen: number[] = [];
  const options = { signals, clock, forceExit: (code: number) => void seen.push(code), stopMsMax: 1000 };
  void runUntilSignal(options, () => new Promise(() => {}));
  signals.emit('SIGINT', 'SIGINT');
  await clock.advance(999);
  expect(seen).toEqual([]);
  await clock.advance(1);
  expect(seen).toEqual([1]);
});

test('when one part fails the others are stopped and the failure is told', async () => {
  const seen: string[] = [];
  const patient = {
    run: async (signal: AbortSignal): Promise<void> => {
      await aborted(signal);
      seen.push('stopped');
    },
  };
  const failing = { run: () => Promise.reject(new Error('broken')) };
  await expect(runTogether([patient, failing], new AbortController().signal)).rejects.toThrow('broken');
  expect(seen).toEqual(['stopped']);
});
