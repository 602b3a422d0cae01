/** A console three ways: emulated byte by byte, split over a ring, and passed through; and rings that are none of the guest's. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exitsOf } from './compare.ts';
import type { Io, TraceEvent, Way } from './contract.ts';
import { createMonitor } from './monitor.ts';
import { recount } from './recount.ts';

const MEMORY = 1 << 20;
const BYTES = 5000;
/** Instructions of a guest that goes round in its faults. */
const LOOPING = 5000;
const ways = ['trap', 'translate', 'hybrid', 'hardware'] as const;

interface Run {
  readonly way: Way;
  readonly io: Io;
  readonly parameters: readonly number[];
  readonly instructions?: number;
}

function run(name: string, { way, io, parameters, instructions = 2_000_000 }: Run) {
  const guest = readFileSync(join(import.meta.dirname, `../guests/${name}.elf`));
  const trace: TraceEvent[] = [];
  const monitor = createMonitor({ way, io, guest, memory: MEMORY, parameters, trace: (event) => trace.push(event) });
  const outcome = monitor.run(instructions);
  expect(monitor.counters).toMatchObject(recount(trace, way));
  return { outcome, output: monitor.console, counters: monitor.counters, memory: monitor.memory() };
}

const written = Array.from({ length: BYTES }, (_, index) =>
  (index & 63) === 63 ? '\n' : String.fromCharCode(97 + (index % 26)),
).join('');

test.each(ways)(
  'under %s an emulated console costs an exit for each byte, a split one for each ring, one passed through none',
  (way) => {
    const emulated = run('io/io', { way, io: 'emulated', parameters: [BYTES, 0] });
    const split = run('io/io', { way, io: 'split', parameters: [BYTES, 1] });
    const passed = run('io/io', { way, io: 'passthrough', parameters: [BYTES, 0] });
    for (const { outcome, output } of [emulated, split, passed]) {
      expect(outcome).toEqual({ reason: 'off', code: 0 });
      expect(output).toBe(written);
    }
    // And one with which it switches itself off.
    expect(emulated.counters.exits.device).toBe(BYTES + 1);
    // The page's address, two full rings, what is left, and the switch.
    expect(split.counters.exits.device).toBe(5);
    expect(passed.counters.exits.device).toBe(0);
    expect(exitsOf(passed.counters)).toBeLessThan(100);
  },
);

test('a ported kernel tells its monitor of each ring by a call, and the machine without a monitor is as passed through', () => {
  const ported = run('io/ported', { way: 'paravirtual', io: 'split', parameters: [BYTES] });
  expect(ported.output).toBe(written);
  // The ring's page, two full ones, what is left, and the end.
  expect(ported.counters.exits.hypercall).toBe(5);
  const native = run('io/io', { way: 'native', io: 'emulated', parameters: [BYTES, 0] });
  expect({ output: native.output, exits: exitsOf(native.counters) }).toEqual({ output: written, exits: 0 });
});

test.each(ways)(
  "under %s a ring that is not in the guest's memory is an access fault, and what it holds is not believed",
  (way) => {
    for (const what of [0, 1, 2, 3]) {
      const { outcome, output } = run('probe/ring', {
        way,
        io: 'split',
        parameters: [what, MEMORY],
        instructions: LOOPING,
      });
      // It has no trap vector: it traps, and goes round in its faults at address 0 for as long as it may.
      expect({ what, reason: outcome.reason, output }).toEqual({ what, reason: 'budget', output: 'told\n' });
    }
    const { outcome, output } = run('probe/ring', { way, io: 'split', parameters: [4, MEMORY] });
    expect(outcome).toEqual({ reason: 'off', code: 0 });
    expect(output.length).toBe('told\n'.length + 2048 + '\ngoes on\n'.length);
    const inCode = run('probe/ring', { way, io: 'split', parameters: [5, MEMORY], instructions: LOOPING });
    expect(inCode.output.startsWith('told\n')).toBe(true);
  },
);
