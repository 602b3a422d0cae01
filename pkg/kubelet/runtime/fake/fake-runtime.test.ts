import { describe, expect, test } from 'vitest';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { runtimeConformance } from '../conformance.ts';
import { createFakeRuntime } from './fake-runtime.ts';
import { plainScript, readScript, stepAt } from './script.ts';

describe('the fake runtime keeps the laws of runtimes', () => {
  const rejects = async (promise: Promise<unknown>, reason: string): Promise<void> => {
    await expect(promise).rejects.toMatchObject({ reason });
  };
  const equal = (actual: unknown, expected: unknown): void => expect(actual).toEqual(expected);
  runtimeConformance({ test, equal, rejects }, async () => {
    const clock = new VirtualClock();
    const runtime = createFakeRuntime({ clock, random: new SeededRandom(1) });
    return {
      runtime,
      clock,
      settle: async (promise) => {
        await clock.advance(60_000);
        return promise;
      },
      lasting: {},
      exiting: () => ({}),
      stubborn: {},
      annotations: (exitCode, { stubborn }): Record<string, string> => ({
        ...(stubborn ? { 'fake.coxswain.dev/stop-time': 'forever' } : {}),
        ...(exitCode === undefined
          ? {}
          : { 'fake.coxswain.dev/run-time': '5s', 'fake.coxswain.dev/exit-code': String(exitCode) }),
      }),
      command: { argv: ['true'], stdout: '' },
      close: () => runtime.close(),
    };
  });
});

test('a pod without annotations shares one script', () => {
  expect(readScript({ other: 'x' }, { name: 'app', attempt: 0 })).toBe(plainScript);
});

test("a container's own settings win, and lists count attempts", () => {
  const annotations = {
    'fake.coxswain.dev/run-time': '1s,2m,forever',
    'fake.coxswain.dev/app.exit-code': '7',
    'fake.coxswain.dev/exit-code': '1',
  };
  const read = (name: string, attempt: number) => {
    const { runTimeMs, exitCode } = readScript(annotations, { name, attempt });
    return [runTimeMs, exitCode];
  };
  expect([read('app', 0), read('app', 1), read('side', 9)]).toEqual([
    [1000, 7],
    [120_000, 7],
    [Number.POSITIVE_INFINITY, 1],
  ]);
});

test('a timeline gives the step that holds and when it ends', () => {
  const { readiness } = readScript({ 'fake.coxswain.dev/readiness': 'fail,ok@10s,503@1m' }, { name: 'a', attempt: 0 });
  expect(
    [0, 9_999, 10_000, 60_000].map((atMs) => [
      stepAt(readiness, atMs).step.statusCode,
      stepAt(readiness, atMs).untilMs,
    ]),
  ).toEqual([
    [500, 10_000],
    [500, 10_000],
    [200, 60_000],
    [503, Number.POSITIVE_INFINITY],
  ]);
});

test.each([
  ['run-time', '5 parsecs'],
  ['exit-code', '256'],
  ['readiness', 'maybe'],
])('%s: %s is refused', (setting, value) => {
  expect(() => readScript({ [`fake.coxswain.dev/${setting}`]: value }, { name: 'a', attempt: 0 })).toThrow(
    'Cannot read',
  );
});
