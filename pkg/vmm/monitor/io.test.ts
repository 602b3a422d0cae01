/** Devices three ways: emulated word by word, split over a ring, and passed through; and rings that are none of the guest's. */
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
    const emulated = run('io/io', { way, io: 'emulated', parameters: [BYTES, 0, 0] });
    const split = run('io/io', { way, io: 'split', parameters: [BYTES, 1, 0] });
    const passed = run('io/io', { way, io: 'passthrough', parameters: [BYTES, 0, 0] });
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

/** What the guest says that it read: of words that come back, with how each request went where there is a disk. */
function sumOf(words: readonly number[]): string {
  const sum = words.reduce((before, word) => BigInt.asUintN(64, before * 31n + BigInt(word)), 0n);
  return `${sum.toString(16).padStart(16, '0')}\n`;
}

const SECTORS = 70;
/** By 32 at a time: written, then read. */
const disk = Array.from({ length: Math.ceil(SECTORS / 32) }, (_, batch) => {
  const numbers = Array.from({ length: Math.min(32, SECTORS - batch * 32) }, (_, index) => batch * 32 + index);
  const words = numbers.flatMap((sector) => [...Array.from({ length: 128 }, (_, word) => sector * 128 + word), 1]);
  return [...numbers.map(() => 1), ...words];
}).flat();
const FRAMES = 40;
/** The wire's other end changes the addresses, of six bytes each. */
const net = Array.from({ length: FRAMES }, (_, frame) => {
  const sent = new DataView(Uint32Array.from({ length: 64 }, (_, word) => frame * 64 + word).buffer);
  const bytes = new Uint8Array(sent.buffer);
  bytes.set([...bytes.subarray(6, 12), ...bytes.subarray(0, 6)]);
  return [...new Uint32Array(sent.buffer)];
}).flat();

const useful = [
  // A sector is a number, a command, 128 words and how it went, twice without that; a ring has 32, to write and then to read.
  { device: 1, of: 'disk', count: SECTORS, output: sumOf(disk), emulated: SECTORS * 262, split: 1 + 6 },
  // A frame is a length and 64 words, twice; a ring has 16 either way.
  { device: 2, of: 'net', count: FRAMES, output: sumOf(net), emulated: FRAMES * 130, split: 1 + 3 },
] as const;

test.each(useful.flatMap((use) => ways.map((way) => ({ ...use, way }))))(
  'under $way $of is an exit for each word where it is emulated, one for each ring where it is split, none passed through',
  ({ way, device, of, count, output, emulated: words, split: rings }) => {
    const emulated = run('io/io', { way, io: 'emulated', parameters: [count, 0, device] });
    const split = run('io/io', { way, io: 'split', parameters: [count, 1, device] });
    const passed = run('io/io', { way, io: 'passthrough', parameters: [count, 0, device] });
    for (const { outcome, output: said, counters } of [emulated, split, passed]) {
      expect({ outcome, said }).toEqual({ outcome: { reason: 'off', code: 0 }, said: output });
      expect(counters.moved).toEqual({ console: 17, disk: 0, net: 0, [of]: 2 * count });
    }
    // And a byte each of what it says, and the switch; by rings where that ring is, that it has something, and the switch.
    expect(emulated.counters.exits.device).toBe(words + 17 + 1);
    expect(split.counters.exits.device).toBe(rings + 3);
    expect(passed.counters.exits.device).toBe(0);
    expect(exitsOf(passed.counters)).toBeLessThan(100);
  },
);

test.each(useful)('a ported kernel asks for $of by one call for each ring', ({ device, of, count, output, split }) => {
  const ported = run('io/ported', { way: 'paravirtual', io: 'split', parameters: [count, 1, device] });
  expect(ported.output).toBe(output);
  expect(ported.counters.moved[of]).toBe(2 * count);
  expect(ported.counters.exits.hypercall).toBe(split + 3);
  const native = run('io/io', { way: 'native', io: 'emulated', parameters: [count, 0, device] });
  expect({ output: native.output, exits: exitsOf(native.counters) }).toEqual({ output, exits: 0 });
});

test('a ported kernel tells its monitor of each ring by a call, and the machine without a monitor is as passed through', () => {
  const ported = run('io/ported', { way: 'paravirtual', io: 'split', parameters: [BYTES, 1, 0] });
  expect(ported.output).toBe(written);
  // The ring's page, two full ones, what is left, and the end.
  expect(ported.counters.exits.hypercall).toBe(5);
  const native = run('io/io', { way: 'native', io: 'emulated', parameters: [BYTES, 0, 0] });
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

test.each(ways)(
  "under %s what a disk or a network is asked for that is not the guest's is refused, request by request",
  (way) => {
    const disk = run('probe/ring', { way, io: 'split', parameters: [6, MEMORY] });
    expect(disk.outcome).toEqual({ reason: 'off', code: 0 });
    // Reads from and writes to seven places that are none, three requests that are none, and two that are done, of which the second read the zeros of a sector over the answers from the ninth on.
    expect(disk.output).toBe(`told\n${'2'.repeat(8)}${'0'.repeat(10)}1\n1\n`);
    expect(disk.counters.moved.disk).toBe(2);
    const net = run('probe/ring', { way, io: 'split', parameters: [7, MEMORY] });
    expect(net.outcome).toEqual({ reason: 'off', code: 0 });
    // Six frames taken, of which one is one, and none given to who offers no place; then as many as the ring holds, the same one again among them.
    expect(net.output).toBe('told\n602\n6\n');
    expect(net.counters.moved.net).toBe(4);
  },
);
