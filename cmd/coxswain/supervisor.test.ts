/** What ends is started again, with patience, and what cannot start is not tried for ever (faults 47 and 52). */
import { expect, onTestFinished, test } from 'vitest';
import { Deferred } from '#pkg/base/async.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { type Running, type Supervision, Supervisor } from './supervisor.ts';

/** A supervised process `db`, whose ends and starts the test decides. */
function supervised() {
  const clock = new VirtualClock();
  const beganMs = clock.monotonicMs();
  const stop = new AbortController();
  const world = {
    clock,
    stop,
    lines: [] as string[],
    /** Seconds since the beginning at which it was started. */
    startedAt: [] as number[],
    /** Why it does not start, while it does not. */
    refusal: undefined as string | undefined,
    state: {} as Readonly<Record<string, Supervision>>,
    end: (how: string): Promise<void> => {
      current.resolve(how);
      return clock.settle();
    },
    supervisor: undefined as unknown as Supervisor,
    ended: undefined as unknown as Promise<void>,
  };
  let current = new Deferred<string>();
  const running = (): Running => ({ name: 'db', ended: current.promise });
  world.supervisor = new Supervisor({
    clock,
    start: async () => {
      world.startedAt.push((clock.monotonicMs() - beganMs) / 1000);
      if (world.refusal !== undefined) throw new Error(world.refusal);
      current = new Deferred();
      return running();
    },
    say: (line) => world.lines.push(line),
    onChange: (processes) => {
      world.state = { ...processes };
    },
  });
  world.ended = world.supervisor.run([running()], stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await clock.settle();
    await world.ended;
  });
  return world;
}

test('a process that has ended is started again, one line says how it ended, and it is counted (fault 52)', async () => {
  const world = supervised();
  expect(world.state).toEqual({ db: { restarts: 0 } });
  await world.end('by the signal SIGKILL');
  expect(world.supervisor.problem).toBe('db: it has ended by the signal SIGKILL');
  await world.clock.advance(500);
  expect(world.startedAt).toEqual([0.5]);
  expect(world.state).toEqual({ db: { restarts: 1, lastEnd: 'by the signal SIGKILL' } });
  expect(world.supervisor.problem).toBe(undefined);
  expect(world.lines).toEqual(['db has ended by the signal SIGKILL: it is started again in 0.5 s', 'db runs again']);
});

test('one that ends again and again waits longer each time, and is never given up (fault 47)', async () => {
  const world = supervised();
  const waits: number[] = [];
  for (let round = 0; round < 12; round++) {
    const before = world.clock.monotonicMs();
    await world.end('with exit code 1');
    while (world.startedAt.length === round) await world.clock.advance(500);
    waits.push((world.clock.monotonicMs() - before) / 1000);
  }
  expect(waits).toEqual([0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30]);
  await world.clock.advance(300_000);
  await world.end('with exit code 1');
  await world.clock.advance(500);
  expect(world.startedAt).toHaveLength(13);
});

test('one that cannot start is said so, and left alone after ten tries until it is asked for again', async () => {
  const world = supervised();
  world.refusal = 'Cannot listen on port 6443 as another program uses it';
  await world.end('with exit code 1');
  await world.clock.advance(3_600_000);
  expect(world.startedAt).toEqual([0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 61.5, 91.5, 121.5, 151.5]);
  expect(world.lines[1]).toBe(`db does not start: ${world.refusal}; the next try is in 1 s`);
  const last = `db does not start, and is not tried again until the next "coxswain up": ${world.refusal}`;
  expect(world.lines.at(-1)).toBe(last);
  expect(world.state.db?.problem).toBe(`it does not start, 10 times in a row: ${world.refusal}`);
  world.refusal = undefined;
  world.supervisor.again();
  await world.clock.settle();
  expect(world.state).toEqual({ db: { restarts: 1, lastEnd: 'with exit code 1' } });
});

test('being asked for again ends the wait of what waits', async () => {
  const world = supervised();
  await world.end('with exit code 1');
  world.supervisor.again();
  await world.clock.settle();
  expect(world.startedAt).toEqual([0]);
});

test('an end that was asked for is none: nothing is started after it', async () => {
  const world = supervised();
  world.stop.abort();
  await world.end('with exit code 0');
  await world.ended;
  await world.clock.advance(60_000);
  expect([world.startedAt, world.lines]).toEqual([[], []]);
});

test('nor while it waits', async () => {
  const world = supervised();
  await world.end('with exit code 1');
  world.stop.abort();
  await world.clock.settle();
  await world.ended;
  expect(world.startedAt).toEqual([]);
});
