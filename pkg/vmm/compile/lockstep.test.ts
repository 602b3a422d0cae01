/** Compiled code does what the interpreter does, seen between any two calls of `run`. */
import { expect, test } from 'vitest';
import { createMachine } from '../machine.ts';
import type { Machine, MachineConfig } from '../machine-contract.ts';
import { elfOfWords, sieveGuest } from '../test-guests.ts';

function pair(kernel: Uint8Array, harts = 1): readonly [Machine, Machine] {
  const make = (engine: MachineConfig['engine']): Machine =>
    createMachine({ memory: 1 << 20, harts, kernel, commandLine: '', engine });
  return [make('interpret'), make('compile')];
}

/** What a guest could know of its machine; counts of walks and misses are the engine's own. */
function seen(machine: Machine): unknown {
  const text = JSON.stringify(machine.saveState().parts);
  return JSON.parse(text.replaceAll(/"(pageWalks|tlbMisses)":\d+/g, '"$1":0'));
}

const memoryOf = (machine: Machine): readonly string[] =>
  Array.from({ length: machine.pages }, (_, page) => Buffer.from(machine.readPage(page)).toString('base64'));

test.each([1, 3])('the transcript of both engines is the same, on %d harts', (harts) => {
  const [interpreted, compiled] = pair(sieveGuest, harts);
  for (let step = 1; ; step++) {
    // Lengths that share no factor with those of blocks.
    const stops = [interpreted, compiled].map((machine) => machine.run(997 * (1 + (step % 13))));
    expect(stops[1]).toEqual(stops[0]);
    expect(seen(compiled)).toEqual(seen(interpreted));
    if (stops[0]?.reason !== 'budget') break;
  }
  expect(memoryOf(compiled)).toEqual(memoryOf(interpreted));
  expect(compiled.counters.blocksCompiled).toBeGreaterThan(0);
});

test('a program that changes its own hot code runs what it wrote', () => {
  const kernel = elfOfWords([
    0x0000_0297, // auipc t0, 0
    0x0202_8293, // addi t0, t0, 32: the instruction that is changed
    0x0002_a303, // lw t1, 0(t0)
    0x0010_03b7, // lui t2, 0x100: one more in its immediate
    0x3e80_0e13, // li t3, 1000
    0x0000_0013, // nop
    0x0000_0013, // nop
    0x0000_0013, // nop
    0x0005_0513, // addi a0, a0, 0
    0xfffe_0e13, // addi t3, t3, -1
    0xfe0e_1ce3, // bnez t3, -8
    0x0073_0333, // add t1, t1, t2
    0x0062_a023, // sw t1, 0(t0)
    0x3e80_0e13, // li t3, 1000
    0xfe9f_f06f, // j -24
  ]);
  const [interpreted, compiled] = pair(kernel);
  for (let step = 0; step < 40; step++) {
    interpreted.run(1_111);
    compiled.run(1_111);
    expect(seen(compiled)).toEqual(seen(interpreted));
  }
  // Each round of 1,000 compiled the new code.
  expect(compiled.counters.blocksCompiled).toBeGreaterThan(5);
});

test('data beside code is written without the code being made anew', () => {
  const kernel = elfOfWords([
    0x0000_0297, // auipc t0, 0
    0x2002_8293, // addi t0, t0, 512
    0x0002_b303, // ld t1, 0(t0)
    0x0013_0313, // addi t1, t1, 1
    0x0062_b023, // sd t1, 0(t0)
    0xff5f_f06f, // j -12
  ]);
  const [interpreted, compiled] = pair(kernel);
  for (const machine of [interpreted, compiled]) machine.run(20_002);
  expect(seen(compiled)).toEqual(seen(interpreted));
  expect(Buffer.from(compiled.readPage(0)).readUInt32LE(512)).toBe(5_000);
  expect(compiled.counters.blocksCompiled).toBeLessThan(3);
});

test('a page that is missing stops compiled code before the instruction', () => {
  const [interpreted, compiled] = pair(sieveGuest);
  for (const machine of [interpreted, compiled]) {
    machine.run(60_000);
    const flags = machine.readPage(3);
    machine.forgetPage(3);
    expect(machine.run(1e6)).toEqual({ reason: 'page', page: 3 });
    machine.writePage(3, flags);
  }
  expect(seen(compiled)).toEqual(seen(interpreted));
  for (const machine of [interpreted, compiled]) machine.run(1e6);
  expect(seen(compiled)).toEqual(seen(interpreted));
});

/** Writes `lines` words 64 bytes apart, beginning 512 bytes behind its code, a thousand times. */
function sweeper(lines: number): Uint8Array {
  return elfOfWords([
    0x0000_0297, // auipc t0, 0
    0x3e80_0e13, // li t3, 1000
    0x2002_8293, // addi t0, t0, 512
    0x0002_8313, // mv t1, t0
    (0x0000_0393 | (lines << 20)) >>> 0, // li t2, lines
    0x01c3_2023, // sw t3, 0(t1)
    0x0403_0313, // addi t1, t1, 64
    0xfff3_8393, // addi t2, t2, -1
    0xfe03_9ae3, // bnez t2, -12
    0xfffe_0e13, // addi t3, t3, -1
    0xfe0e_12e3, // bnez t3, -28
    0x0000_006f, // j 0
  ]);
}

test.each([4, 20])('code that writes %d lines of its own page is made anew once at most', (lines) => {
  const [interpreted, compiled] = pair(sweeper(lines));
  for (const machine of [interpreted, compiled]) machine.run(200_000);
  expect(seen(compiled)).toEqual(seen(interpreted));
  expect(compiled.counters.blocksCompiled).toBeGreaterThan(0);
  expect(compiled.counters.blocksCompiled).toBeLessThan(8);
});
