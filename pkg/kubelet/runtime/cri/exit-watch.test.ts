import { beforeEach, expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { RuntimeContainer } from '../runtime.ts';
import type { ListedContainer } from './answers.ts';
import { ExitWatch } from './exit-watch.ts';

let clock: VirtualClock;
let watch: ExitWatch;
let states: Map<string, ListedContainer['state']>;
let looks: number;
let told: string[];
let isAway: boolean;

const exited = (id: string): RuntimeContainer => ({
  ...{ id, sandboxId: 's', podUid: 'u', name: 'app', attempt: 0, image: 'i', imageRef: '', specHash: '' },
  ...{ resources: {}, state: 'exited', createdAtMs: 1, exitCode: 3 },
});

beforeEach(() => {
  clock = new VirtualClock();
  states = new Map();
  looks = 0;
  told = [];
  isAway = false;
  watch = new ExitWatch({
    clock,
    list: async () => {
      looks++;
      if (isAway) throw new Error('it is away');
      return [...states].map(([id, state]) => ({ id, state, sandboxId: 's', annotations: {} }));
    },
    look: async (id) => {
      if (!states.has(id)) return undefined;
      watch.ended(exited(id));
      return exited(id);
    },
    tend: async () => {},
  });
  watch.onExit(({ id }) => told.push(id));
});

test('an end is told once, at the next look or before', async () => {
  for (const id of ['a', 'b']) {
    states.set(id, 'running');
    watch.began(id);
  }
  states.set('a', 'exited');
  await clock.advance(1_000);
  expect(told).toEqual(['a']);
  watch.ended(exited('b'));
  watch.ended(exited('b'));
  expect(told).toEqual(['a', 'b']);
});

test('while none runs nobody looks', async () => {
  await clock.advance(10_000);
  expect(looks).toBe(0);
  states.set('a', 'running');
  watch.began('a');
  await clock.advance(10_000);
  const before = looks;
  expect(before).toBeGreaterThan(1);
  watch.ended(exited('a'));
  await clock.advance(10_000);
  expect(looks - before).toBeLessThanOrEqual(1);
});

test('who waits for an end is told of it, also when the container was taken away', async () => {
  for (const id of ['a', 'b']) {
    states.set(id, 'running');
    watch.began(id);
  }
  const ends = Promise.all([watch.end('a'), watch.end('b')]);
  states.set('a', 'exited');
  states.delete('b');
  await clock.advance(1_000);
  expect((await ends).map((end) => end?.exitCode)).toEqual([3, undefined]);
  expect(await watch.end('a')).toMatchObject({ exitCode: 3 });
});

test('a runtime that does not answer is looked at again', async () => {
  states.set('a', 'running');
  watch.began('a');
  isAway = true;
  await clock.advance(5_000);
  expect(told).toEqual([]);
  isAway = false;
  states.set('a', 'exited');
  await clock.advance(1_000);
  expect(told).toEqual(['a']);
  watch.close();
});
