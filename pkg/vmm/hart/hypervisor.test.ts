/** The hypervisor extension's registers, instructions and traps, as the privileged architecture's chapter 8 has them; expected values are the manual's. */
import { expect, test } from 'vitest';
import { GuestMemory } from '../guest-memory.ts';
import { decode } from '../isa/decode.ts';
import { MEMORY_BASE } from '../memory-map.ts';
import { Hart } from './hart.ts';
import { MACHINE, SUPERVISOR, TRAP, USER } from './hart-state.ts';
import { Hypervisor, substitutes } from './hypervisor.ts';
import { takeTrap } from './traps.ts';

const ALL = 0xffff_ffff_ffff_ffffn;
const PC = 0x8000_0100n;
const VECTORS = { m: 0x8000_1000n, hs: 0x8000_2000n, vs: 0x8000_3000n } as const;
const GIVEN = 10;
const GOT = 11;

interface Where {
  readonly mode: number;
  readonly virtual?: boolean;
}

const hs: Where = { mode: SUPERVISOR };
const vs: Where = { mode: SUPERVISOR, virtual: true };
const vu: Where = { mode: USER, virtual: true };

function hartOf({ hasHypervisor = true } = {}): Hart {
  const hart = new Hart(0, new GuestMemory(1 << 20, 1), { load: () => undefined, store: () => false, ticks: 0 });
  if (hasHypervisor) hart.hypervisor = new Hypervisor();
  // All of memory is open to all modes.
  hart.pmpAddress[0] = ALL >> 10n;
  hart.pmpConfig[0] = 0x0f;
  hart.csr.mtvec = VECTORS.m;
  hart.csr.stvec = VECTORS.hs;
  if (hart.hypervisor !== undefined) hart.hypervisor.csr.vstvec = VECTORS.vs;
  return hart;
}

/** Runs a word in a mode; the cause of the trap, which was taken, or undefined. */
function run(hart: Hart, word: number, { mode, virtual = false }: Where): number | undefined {
  hart.mode = mode;
  if (hart.hypervisor !== undefined) hart.hypervisor.virtual = virtual;
  hart.mmu.changeContext();
  hart.pcLo = Number(PC) | 0;
  hart.pcHi = 0;
  hart.nextLo = hart.pcLo + 4;
  hart.nextHi = 0;
  const instruction = decode(word);
  try {
    instruction.run(hart, instruction);
  } catch (error) {
    if (error !== TRAP) throw error;
    const { cause } = hart.trap;
    takeTrap(hart);
    return cause;
  }
  return undefined;
}

const csrrw = (number: number): number => (number << 20) | (GIVEN << 15) | (1 << 12) | (GOT << 7) | 0x73;
const csrr = (number: number): number => (number << 20) | (2 << 12) | (GOT << 7) | 0x73;
const SRET = 0x1020_0073;
const MRET = 0x3020_0073;
const ECALL = 0x73;
const LOAD = 0x0005_3583; // ld a1, 0(a0)
const STORE = 0x00b5_3023; // sd a1, 0(a0)

function write(hart: Hart, number: number, value: bigint, where: Where = hs): number | undefined {
  hart.setBig(GIVEN, value);
  return run(hart, csrrw(number), where);
}

function read(hart: Hart, number: number, where: Where = hs): bigint {
  expect(run(hart, csrr(number), where)).toBe(undefined);
  return hart.big(GOT);
}

/** What each register keeps of all ones and of all zeros. */
const kept: readonly (readonly [name: string, number: number, ones: bigint, zeros: bigint])[] = [
  ['hstatus', 0x600, 0x2_0070_01c0n, 0x2_0000_0000n],
  ['hedeleg', 0x602, 0xb1ffn, 0n],
  ['hcounteren', 0x606, 0xffff_ffffn, 0n],
  ['htval', 0x643, ALL, 0n],
  ['htinst', 0x64a, ALL, 0n],
  ['vsstatus', 0x200, 0x8000_0002_000c_6122n, 0x2_0000_0000n],
  ['vsie', 0x204, 0x222n, 0n],
  ['vsscratch', 0x240, ALL, 0n],
  ['vsepc', 0x241, ALL - 1n, 0n],
  ['vscause', 0x242, ALL, 0n],
  ['vstval', 0x243, ALL, 0n],
  ['vsip', 0x244, 2n, 0n],
];

test.each(kept)('%s keeps the bits that it has', (_, number, ones, zeros) => {
  const hart = hartOf();
  expect(write(hart, number, ALL)).toBe(undefined);
  expect(read(hart, number)).toBe(ones);
  expect(write(hart, number, 0n)).toBe(undefined);
  expect(read(hart, number)).toBe(zeros);
});

test('values that a register does not have are not written', () => {
  const hart = hartOf();
  write(hart, 0x680, (8n << 60n) | 0x1237n);
  // A root of 16 KiB.
  expect(read(hart, 0x680)).toBe((8n << 60n) | 0x1234n);
  write(hart, 0x680, 9n << 60n);
  expect(read(hart, 0x680)).toBe((8n << 60n) | 0x1234n);
  write(hart, 0x280, (8n << 60n) | 0x77n);
  write(hart, 0x280, 1n << 60n);
  expect(read(hart, 0x280)).toBe((8n << 60n) | 0x77n);
  write(hart, 0x205, 0x8000_0001n);
  write(hart, 0x205, 0x9000_0002n);
  expect(read(hart, 0x205)).toBe(0x8000_0001n);
});

test('who may not touch them is told so: as a virtual instruction where a guest tried', () => {
  const numbers = [...kept.map(([, number]) => number), 0x205, 0x280, 0x680];
  for (const number of numbers) {
    expect(run(hartOf({ hasHypervisor: false }), csrr(number), hs)).toBe(2);
    expect(run(hartOf(), csrr(number), { mode: USER })).toBe(2);
    expect(run(hartOf(), csrr(number), vs)).toBe(22);
    expect(run(hartOf(), csrr(number), vu)).toBe(22);
    expect(run(hartOf(), csrr(number), { mode: MACHINE })).toBe(undefined);
  }
  for (const number of [0x34a, 0x34b]) {
    expect(run(hartOf(), csrr(number), hs)).toBe(2);
    expect(run(hartOf(), csrr(number), vs)).toBe(2);
    expect(run(hartOf(), csrr(number), { mode: MACHINE })).toBe(undefined);
  }
  // The supervisor's own, by a guest's program; the machine's, by a guest's kernel.
  expect(run(hartOf(), csrr(0x100), vu)).toBe(22);
  expect(run(hartOf(), csrr(0x300), vs)).toBe(2);
});

test('misa says whether there is the extension', () => {
  const letter = (hart: Hart): bigint => (read(hart, 0x301, { mode: MACHINE }) >> 7n) & 1n;
  expect([letter(hartOf()), letter(hartOf({ hasHypervisor: false }))]).toEqual([1n, 0n]);
});

test('while a guest runs its registers stand for the supervisor’s', () => {
  for (const [number, other] of substitutes) {
    const hart = hartOf();
    hart.csr.mideleg = 0x222n;
    const before = read(hart, number);
    // A value that each of them keeps some of, that turns on no paging and is a vector's.
    write(hart, number, 0x8000_0120n, vs);
    const seen = read(hart, number, vs);
    expect(read(hart, other)).toBe(seen);
    expect(read(hart, number)).toBe(before);
    if (number !== 0x144) expect(seen).not.toBe(before);
  }
});

test('a trap out of a guest goes to the guest, the hypervisor or the machine, as each passes it on', () => {
  const hart = hartOf();
  const { hypervisor } = hart;
  expect(run(hart, ECALL, vu)).toBe(8);
  expect(hart.csr).toMatchObject({ mcause: 8n, mepc: PC });
  expect(hart.csr.mstatus & (1n << 39n)).not.toBe(0n);
  expect([hart.mode, hypervisor?.virtual]).toEqual([MACHINE, false]);

  hart.csr.medeleg = 0xb1ffn;
  run(hart, ECALL, vu);
  expect(hart.csr).toMatchObject({ scause: 8n, sepc: PC });
  expect([hart.mode, hypervisor?.virtual, BigInt(hart.pcLo >>> 0)]).toEqual([SUPERVISOR, false, VECTORS.hs]);
  // SPV, and of the program: not SPVP.
  expect((hypervisor?.csr.hstatus ?? 0n) & 0x180n).toBe(0x80n);

  if (hypervisor !== undefined) hypervisor.csr.hedeleg = 0xb1ffn;
  run(hart, ECALL, vu);
  expect(hypervisor?.csr).toMatchObject({ vscause: 8n, vsepc: PC });
  expect([hart.mode, hypervisor?.virtual, BigInt(hart.pcLo >>> 0)]).toEqual([SUPERVISOR, true, VECTORS.vs]);
});

test('a call is told by who made it', () => {
  expect(run(hartOf(), ECALL, vu)).toBe(8);
  expect(run(hartOf(), ECALL, { mode: USER })).toBe(8);
  expect(run(hartOf(), ECALL, hs)).toBe(9);
  expect(run(hartOf(), ECALL, vs)).toBe(10);
  expect(run(hartOf(), ECALL, { mode: MACHINE })).toBe(11);
});

test('sret and mret lead into a guest where SPV and MPV say so, and clear them', () => {
  const hart = hartOf();
  const { hypervisor } = hart;
  if (hypervisor !== undefined) hypervisor.csr.hstatus |= 0x80n;
  hart.csr.mstatus |= 0x100n;
  expect(run(hart, SRET, hs)).toBe(undefined);
  expect([hart.mode, hypervisor?.virtual, (hypervisor?.csr.hstatus ?? 0n) & 0x80n]).toEqual([SUPERVISOR, true, 0n]);
  hart.csr.mstatus |= (1n << 39n) | (1n << 11n);
  expect(run(hart, MRET, { mode: MACHINE })).toBe(undefined);
  expect([hart.mode, hypervisor?.virtual, hart.csr.mstatus & (1n << 39n)]).toEqual([SUPERVISOR, true, 0n]);
  // A guest's own return stays in the guest.
  if (hypervisor !== undefined) hypervisor.csr.vsepc = 0x8000_4000n;
  expect(run(hart, SRET, vs)).toBe(undefined);
  expect([hart.mode, hypervisor?.virtual, hart.nextLo >>> 0]).toEqual([USER, true, 0x8000_4000]);
});

test('hstatus has a guest’s satp, waits and returns trap', () => {
  for (const [bit, word] of [
    [20n, csrr(0x180)],
    [20n, 0x1200_0073],
    [21n, 0x1050_0073],
    [22n, SRET],
  ] as const) {
    const hart = hartOf();
    expect(run(hart, word, vs)).toBe(undefined);
    write(hart, 0x600, 1n << bit);
    expect(run(hart, word, vs)).toBe(22);
    expect(run(hart, word, hs)).toBe(undefined);
  }
});

test('fences of guests are the hypervisor’s', () => {
  for (const word of [0x2200_0073, 0x6200_0073]) {
    expect(run(hartOf(), word, hs)).toBe(undefined);
    expect(run(hartOf(), word, vs)).toBe(22);
    expect(run(hartOf(), word, vu)).toBe(22);
    expect(run(hartOf(), word, { mode: USER })).toBe(2);
    expect(run(hartOf({ hasHypervisor: false }), word, hs)).toBe(2);
  }
});

/** A machine whose second stage maps guest addresses from 0x80000000 on to themselves, page by page as asked. */
function withSecondStage(pages: readonly { readonly page: number; readonly bits: bigint }[]) {
  const hart = hartOf();
  const root = MEMORY_BASE + 0x1_0000;
  const middle = root + 0x4000;
  const last = middle + 0x1000;
  const put = (at: number, value: bigint): void => hart.view.setBigUint64(hart.memory.writable(at, 8), value, true);
  const pointer = (to: number): bigint => (BigInt(to / 4096) << 10n) | 1n;
  put(root + 2 * 8, pointer(middle));
  put(middle, pointer(last));
  for (const { page, bits } of pages) put(last + page * 8, (BigInt(MEMORY_BASE / 4096 + page) << 10n) | bits);
  if (hart.hypervisor !== undefined) hart.hypervisor.csr.hgatp = (8n << 60n) | BigInt(root / 4096);
  hart.csr.medeleg = 0xf0_b1ffn;
  return { hart, put, pointer };
}

test('a guest-page fault says what the guest’s address was, and its physical one', () => {
  const { hart } = withSecondStage([{ page: 0x20, bits: 0xd3n }]);
  const { hypervisor } = hart;
  hart.setBig(GIVEN, 0x8002_0008n);
  expect(run(hart, LOAD, vs)).toBe(undefined);
  expect(run(hart, STORE, vs)).toBe(23);
  hart.setBig(GIVEN, 0x8002_1008n);
  expect(run(hart, LOAD, vs)).toBe(21);
  expect(hart.csr).toMatchObject({ scause: 21n, stval: 0x8002_1008n });
  expect(hypervisor?.csr).toMatchObject({ htval: 0x8002_1008n >> 2n, htinst: 0n });
  // GVA: stval is an address of the guest's; SPVP: of its kernel.
  expect((hypervisor?.csr.hstatus ?? 0n) & 0x1c0n).toBe(0x1c0n);
});

test('one at an entry of the guest’s tables says that it was that entry, and whether it was to be marked', () => {
  const { hart, put, pointer } = withSecondStage([
    { page: 0x30, bits: 0xd7n },
    { page: 0x31, bits: 0xd7n },
    { page: 0x32, bits: 0x53n },
    { page: 0x20, bits: 0xd7n },
  ]);
  const { hypervisor } = hart;
  const table = (page: number): number => MEMORY_BASE + page * 4096;
  put(table(0x30), pointer(table(0x31)));
  put(table(0x31), pointer(table(0x32)));
  // Two leaves of the guest's; the first was not accessed yet.
  put(table(0x32), (BigInt(table(0x20) / 4096) << 10n) | 0x07n);
  put(table(0x32) + 8, (BigInt(table(0x20) / 4096) << 10n) | 0xc7n);
  put(table(0x30) + 8, pointer(table(0x33)));
  if (hypervisor !== undefined) hypervisor.csr.vsatp = (8n << 60n) | BigInt(table(0x30) / 4096);
  hart.setBig(GIVEN, 0x1008n);
  expect(run(hart, LOAD, vs)).toBe(undefined);
  // Its page may not be written, so the leaf cannot be marked.
  hart.setBig(GIVEN, 8n);
  expect(run(hart, LOAD, vs)).toBe(21);
  expect(hypervisor?.csr).toMatchObject({ htval: BigInt(table(0x32)) >> 2n, htinst: 0x3020n });
  expect(hart.csr.stval).toBe(8n);
  // A table that the second stage does not have.
  hart.setBig(GIVEN, 1n << 30n);
  expect(run(hart, STORE, vs)).toBe(23);
  expect(hypervisor?.csr).toMatchObject({ htval: BigInt(table(0x33)) >> 2n, htinst: 0x3000n });
});
