import { expect, test } from 'vitest';
import { createMachine } from '../machine.ts';
import type { Machine } from '../machine-contract.ts';
import type { MigrationEffect, MigrationEnd, MigrationMode } from './contract.ts';
import { createSource } from './source.ts';
import { createTarget } from './target.ts';
import { difference, restlessConfig, settings } from './test-rig.ts';
import { readU32s, u32sBytes, WireError } from './wire.ts';

const config = restlessConfig({ regionKiB: 64, pause: 400, engine: 'compile' });

function hotMachine(): Machine {
  const machine = createMachine(config);
  machine.run(200_000);
  expect(machine.hotPlaces().length).toBeGreaterThan(0);
  return machine;
}

/** Moves a machine over a link that takes no time, up to the moment at which the target is to run it. */
function activated(machine: Machine, mode: MigrationMode): Machine {
  const ends = {
    source: createSource({ machine, config, settings: { ...settings, mode } }),
    target: createTarget({ accept: () => undefined }),
  };
  let result: Machine | undefined;
  let isPaused = false;
  let nowMs = 0;
  const take = (from: MigrationEnd, to: MigrationEnd, effects: readonly MigrationEffect[]): void => {
    for (const effect of effects) {
      if (effect.type === 'pause') isPaused = true;
      if (effect.type === 'activate') result = effect.machine;
      if (effect.type === 'claim') take(from, to, from.on({ type: 'claimed', owner: effect.owner, nowMs }));
      if (effect.type === 'send' && result === undefined)
        take(to, from, to.on({ type: 'received', bytes: effect.bytes, nowMs }));
    }
  };
  for (const end of [ends.target, ends.source]) {
    const other = end === ends.source ? ends.target : ends.source;
    take(end, other, end.on({ type: 'start', nowMs }));
  }
  for (nowMs = 1; nowMs < 5000 && result === undefined; nowMs++) {
    if (!isPaused) machine.run(2000);
    take(ends.source, ends.target, ends.source.on({ type: 'sent', waitingBytes: 0, nowMs }));
    take(ends.source, ends.target, ends.source.on({ type: 'tick', nowMs }));
    take(ends.target, ends.source, ends.target.on({ type: 'tick', nowMs }));
  }
  if (result === undefined) throw new Error(`${mode}: it was not moved`);
  return result;
}

test.each(['pre-copy', 'post-copy', 'hybrid'] as const)(
  'the target has compiled what the source runs most: %s',
  (mode) => {
    const machine = hotMachine();
    const places = machine.hotPlaces();
    const moved = activated(machine, mode);
    expect(moved.counters.blocksCompiled).toBeGreaterThan(0);
    expect(moved.hotPlaces()).toEqual(expect.arrayContaining([...places]));
  },
);

test('what is compiled early changes nothing, whatever is said to be code', () => {
  const [early, plain] = [createMachine(config), createMachine(config)];
  for (const place of hotMachine().hotPlaces()) early.warm(place);
  // The middle of an instruction, data, zeros, and what is no place.
  for (const place of [2, 6, 8192, config.memory - 2, config.memory, 2 ** 32, 1, -2, 0.5]) early.warm(place);
  expect(early.counters.blocksCompiled).toBeGreaterThan(0);
  early.forgetPage(1);
  early.warm(4096);
  early.writePage(1, plain.readPage(1));
  for (let step = 0; step < 20; step++) {
    early.run(7001);
    plain.run(7001);
    expect(difference(early, plain)).toBeUndefined();
    expect(early.counters.instructions).toBe(plain.counters.instructions);
  }
});

test('numbers are read as they were written, and nothing else is taken for some', () => {
  expect(readU32s(u32sBytes([0, 4096, 2 ** 32 - 1]))).toEqual([0, 4096, 2 ** 32 - 1]);
  expect(() => readU32s(new Uint8Array(7))).toThrow(WireError);
});
