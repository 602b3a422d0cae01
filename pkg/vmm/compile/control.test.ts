/** Random programs of control registers, interrupts among them, end the same compiled and interpreted, in machine and in supervisor mode. */
import { expect, test } from 'vitest';
import { createMachine } from '../machine.ts';
import type { Machine, MachineConfig } from '../machine-contract.ts';
import { type Chance, chanceOf } from '../migration/test-chance.ts';
import { elfOfWords } from '../test-guests.ts';

/** Of machine and supervisor mode: vectors are only read, as a program that loses them ends. */
const [MSTATUS, MIE, MTVEC, MIP] = [0x300, 0x304, 0x305, 0x344];
const written = [0x100, 0x100, 0x104, 0x140, 0x141, 0x142, 0x143, 0x105, 0x144, MSTATUS, 0x340, 0x341, 0x342, 0x343];
const onlyRead = [MTVEC, 0x180, 0xf14, 0xc02, 0xc01];

const csr = (f3: number, rd: number, number: number, given: number): number =>
  (0x73 | (f3 << 12) | (rd << 7) | (given << 15) | (number << 20)) >>> 0;
const addi = (rd: number, rs: number, value: number): number => (0x13 | (rd << 7) | (rs << 15) | (value << 20)) >>> 0;
const lui = (rd: number, value: number): number => (0x37 | (rd << 7) | (value << 12)) >>> 0;
const branch = (f3: number, a: number, b: number, offset: number): number =>
  (0x63 |
    (f3 << 12) |
    (a << 15) |
    (b << 20) |
    ((offset & 0x1e) << 7) |
    ((offset & 0x7e0) << 20) |
    ((offset & 0x800) >> 4) |
    ((offset & 0x1000) << 19)) >>>
  0;
const MRET = 0x3020_0073;
/** Registers of the handler, of the loop, and what counts interrupts; programs have the others. */
const [TEMPORARY, INTERRUPTS, ROUNDS] = [30, 31, 29];

/** Takes the supervisor's software interrupt away and counts it; of any other trap goes on behind the instruction. */
const handler = [
  csr(2, TEMPORARY, 0x342, 0),
  branch(4, TEMPORARY, 0, 20),
  csr(2, TEMPORARY, 0x341, 0),
  addi(TEMPORARY, TEMPORARY, 4),
  csr(1, 0, 0x341, TEMPORARY),
  MRET,
  csr(7, 0, MIP, 2),
  addi(INTERRUPTS, INTERRUPTS, 1),
  MRET,
];

/** One instruction; bits that would have it run on as somebody else (MPP, MPRV) are let alone. */
function anything({ pick, upTo, is }: Chance): number {
  const rd = upTo(16);
  if (is(0.1)) return csr(2, rd, pick(onlyRead), 0);
  if (is(0.1)) return csr(6, rd, MIP, 2);
  if (is(0.2)) return csr(pick([6, 7]), rd, pick([0x100, MSTATUS]), pick([2, 8, 10, 0]));
  if (is(0.1)) return addi(rd, upTo(16), upTo(2048));
  if (is(0.05)) return 0x1200_0073;
  const number = pick(written);
  const isStatus = number === MSTATUS;
  return csr(isStatus ? pick([6, 7]) : pick([1, 2, 3, 5, 6, 7]), rd, number, upTo(16));
}

/** A loop of random instructions after what lets supervisor mode run, and into it where that is asked for. */
function program(chance: Chance, mode: 'machine' | 'supervisor'): Uint8Array {
  const body = Array.from({ length: 60 }, () => anything(chance));
  const values = Array.from({ length: 15 }, (_, index) => [
    lui(index + 1, chance.upTo(1 << 20)),
    addi(index + 1, index + 1, chance.upTo(4096)),
  ]).flat();
  const lower = [lui(1, 1), addi(1, 1, -0x800), csr(2, 0, MSTATUS, 1)];
  const start = [
    addi(1, 0, -1),
    csr(1, 0, 0x3b0, 1),
    addi(1, 0, 0x1f),
    csr(1, 0, 0x3a0, 1),
    addi(1, 0, 2),
    csr(1, 0, MIE, 1),
    addi(ROUNDS, 0, 400),
  ];
  const over = 4 * (1 + handler.length);
  const enter = [...(mode === 'supervisor' ? lower : []), 0x0000_0097, addi(1, 1, 16), csr(1, 0, 0x341, 1), MRET];
  // So that every round has an interrupt, where they are let in.
  const interrupted = [csr(6, 0, MIP, 2), csr(6, 0, MSTATUS, 8)];
  const loop = [
    ...body,
    ...interrupted,
    addi(ROUNDS, ROUNDS, -1),
    branch(1, ROUNDS, 0, -4 * (body.length + interrupted.length + 1)),
  ];
  // In machine mode it goes on in machine mode.
  const toMachine = mode === 'machine' ? [lui(1, 2), addi(1, 1, -0x800), csr(2, 0, MSTATUS, 1)] : [];
  const vector = [0x0000_0097, addi(1, 1, 12), ((over << 20) | 0x6f) >>> 0];
  const install = [addi(1, 1, 0), csr(1, 0, MTVEC, 1)];
  return elfOfWords([...vector, ...handler, ...install, ...start, ...toMachine, ...enter, ...values, ...loop, 0x6f]);
}

function seen(machine: Machine): unknown {
  const text = JSON.stringify(machine.saveState().parts);
  return JSON.parse(text.replaceAll(/"(pageWalks|tlbMisses)":\d+/g, '"$1":0'));
}

test.each(
  (['machine', 'supervisor'] as const).flatMap((mode) => Array.from({ length: 8 }, (_, seed) => [mode, seed] as const)),
)('control registers of %s mode are the same compiled, seed %d', (mode, seed) => {
  const kernel = program(chanceOf(seed), mode);
  const make = (engine: MachineConfig['engine']): Machine =>
    createMachine({ memory: 1 << 20, harts: 1, kernel, commandLine: '', engine }, undefined, { compileAfter: 3 });
  const [interpreted, compiled] = [make('interpret'), make('compile')];
  for (let step = 1; step < 12; step++) {
    const stops = [interpreted, compiled].map((machine) => machine.run(2_993 + 10 * step));
    expect(stops[1]).toEqual(stops[0]);
    expect(seen(compiled)).toEqual(seen(interpreted));
  }
  expect(compiled.counters.blocksCompiled).toBeGreaterThan(0);
  if (mode === 'machine') expect(compiled.counters.interrupts).toBeGreaterThan(0);
});
