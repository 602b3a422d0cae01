/**
 * A guest of random programs, from a seed. Each program is given all registers from a table, runs some instructions (traps are noted and passed over), and what
 * all registers, its memory and its traps became is mixed into one number; at the end the guest prints those numbers, one per line, and switches itself off.
 * What gives and mixes is there once, so that of a program no more is to be translated than the program.
 * Left out is what QEMU 7.2 does otherwise than the manuals, and what depends on time.
 */
import { atomicOperations } from '#pkg/vmm/isa/atomic.ts';
import { decode } from '#pkg/vmm/isa/decode.ts';
import { floatOperations } from '#pkg/vmm/isa/float.ts';
import type { Operation } from '#pkg/vmm/isa/instruction.ts';
import { integerOperations } from '#pkg/vmm/isa/integer.ts';
import { multiplyOperations } from '#pkg/vmm/isa/multiply.ts';
import { MEMORY_BASE } from '#pkg/vmm/memory-map.ts';
import { elfOf } from '#pkg/vmm/test-guests.ts';

/** Bytes before and after the data pointer (x2) that programs reach; the dump of registers is at `DUMP` after it. */
const REACH = 256;
const DUMP = 512;
const DUMP_WORDS = 65;
const DATA = MEMORY_BASE + 0x80_0000;
/** Of a program, in words: general registers, in the first of which its number is put; those for floating point; their control; where it is. */
const TABLE_WORDS = 66;
const TABLE_BYTES = 8 * TABLE_WORDS;
const TABLES = MEMORY_BASE + 0x100_0000;
/** After the data pointer: where the table of the program that runs is. */
const CURRENT = 2000;
/** Jumps reach so far, in bytes. */
const CODE_MAX = 1 << 20;

type Random = () => number;

/** Unsigned 32-bit numbers (mulberry32). */
function randomOf(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

const iType = (opcode: number, f3: number, rd: number, rs1: number, imm: number): number =>
  opcode | (rd << 7) | (f3 << 12) | (rs1 << 15) | ((imm & 0xfff) << 20);
const sType = (opcode: number, f3: number, rs1: number, rs2: number, imm: number): number =>
  opcode | ((imm & 31) << 7) | (f3 << 12) | (rs1 << 15) | (rs2 << 20) | (((imm >> 5) & 127) << 25);
const bType = (match: number, rs1: number, rs2: number, imm: number): number =>
  match |
  (rs1 << 15) |
  (rs2 << 20) |
  (((imm >> 1) & 15) << 8) |
  (((imm >> 5) & 63) << 25) |
  (((imm >> 11) & 1) << 7) |
  (((imm >> 12) & 1) << 31);
const jType = (rd: number, imm: number): number =>
  0x6f |
  (rd << 7) |
  (imm & 0xf_f000) |
  (((imm >> 11) & 1) << 20) |
  (((imm >> 1) & 0x3ff) << 21) |
  (((imm >> 20) & 1) << 31);
const addi = (rd: number, rs1: number, imm: number): number => iType(0x13, 0, rd, rs1, imm);
const ld = (rd: number, rs1: number, imm: number): number => iType(0x03, 3, rd, rs1, imm);
const sd = (rs2: number, rs1: number, imm: number): number => sType(0x23, 3, rs1, rs2, imm);

/** Instructions by their words; a low half that is compressed takes two bytes. */
class Code {
  private readonly bytes: number[] = [];

  get at(): number {
    return MEMORY_BASE + this.bytes.length;
  }

  word(...words: readonly number[]): void {
    for (const word of words) {
      this.bytes.push(word & 255, (word >>> 8) & 255);
      if ((word & 3) === 3) this.bytes.push((word >>> 16) & 255, (word >>> 24) & 255);
    }
  }

  /** Another word in the place of one. */
  patch(at: number, word: number): void {
    for (let byte = 0; byte < 4; byte++) this.bytes[at - MEMORY_BASE + byte] = (word >>> (8 * byte)) & 255;
  }

  /** Puts an address near to the code into a register. */
  address(register: number, address: number): void {
    const offset = address - this.at;
    const low = (offset << 20) >> 20;
    this.word(0x17 | (register << 7) | ((offset - low) & 0xffff_f000), addi(register, register, low));
  }

  done(): Uint8Array {
    return Uint8Array.from(this.bytes);
  }
}

const pick = <T>(random: Random, list: readonly T[]): T => list[random() % list.length]!;
/** Any register but x2. */
const destination = (random: Random): number =>
  pick(random, [0, 1, ...Array.from({ length: 29 }, (_, index) => index + 3)]);

const isMemory = (name: string): boolean => /^(l[bhwd]u?|s[bhwd]|fl[wd]|fs[wd])$/.test(name);
const plain = integerOperations.filter(
  ({ format, name }) => format !== 'B' && !['jal', 'jalr', 'auipc'].includes(name),
);
const branches = integerOperations.filter(({ format }) => format === 'B');
const modifications = atomicOperations.filter(({ name }) => name.startsWith('amo'));
const groups = [plain, plain, plain, multiplyOperations, floatOperations, floatOperations, modifications];
const reserved = [0x0b, 0x2b, 0x5b, 0x7b];
/** Those of floating point, and of the two modes those that hold what is written; not sepc and mepc, of which QEMU 7.2 keeps bit 0, nor the status, whose UXL it lets change. */
const controlRegisters = [1, 2, 3, 1, 2, 3, 0x105, 0x140, 0x142, 0x143, 0x340, 0x342, 0x343];

/** The word of an operation with operands by chance. */
function wordOf(random: Random, { name, format, match, mask }: Operation): number {
  const rd = destination(random);
  const rs1 = isMemory(name) || format === 'atomic' ? 2 : random() % 32;
  const rs2 = random() % 32;
  const imm = (random() % (2 * REACH - 8)) - REACH;
  if (format === 'S') return match | sType(0, 0, rs1, rs2, imm);
  if (format === 'I') return match | iType(0, 0, rd, rs1, isMemory(name) ? imm : random() & 0xfff);
  if (format === 'U') return match | (rd << 7) | (random() & 0xffff_f000);
  if (format === 'shift64' || format === 'shift32') {
    return match | (rd << 7) | (rs1 << 15) | ((random() % (format === 'shift64' ? 64 : 32)) << 20);
  }
  if (format === 'fused')
    return (
      match | (rd << 7) | (rs1 << 15) | (rs2 << 20) | (pick(random, [0, 1, 2, 3, 4, 7]) << 12) | ((random() % 32) << 27)
    );
  const fixed = mask ?? 0;
  const second = (fixed & 0x1f0_0000) === 0 ? rs2 << 20 : 0;
  const rounding = format === 'float' && (fixed & 0x7000) === 0 ? pick(random, [0, 1, 2, 3, 4, 7]) << 12 : 0;
  return match | (rd << 7) | (rs1 << 15) | second | rounding;
}

/** A compressed instruction that writes no x2 and reaches memory by x2 alone. */
function compressed(random: Random): number {
  for (;;) {
    const half = random() & 0xffff;
    if ((half & 3) === 3) continue;
    const { operation, rd, rs1, imm } = decode(half);
    const isStore = operation.format === 'S';
    const isLocal = !isMemory(operation.name) || (rs1 === 2 && imm < REACH - 8);
    const isOrdinary = [...plain, ...floatOperations].includes(operation) && isLocal;
    if (isOrdinary && (isStore || rd !== 2)) return half;
  }
}

/** One instruction, or two that belong together. */
function anything(random: Random): readonly number[] {
  const die = random() % 100;
  if (die < 12) return [compressed(random)];
  if (die < 15)
    return [
      iType(0x73, pick(random, [1, 2, 3, 5, 6, 7]), destination(random), random() % 32, pick(random, controlRegisters)),
    ];
  if (die < 17) return [pick(random, reserved) | (random() & 0xffff_ff80)];
  if (die < 18) return [pick(random, [0x73, 0x10_0073])];
  if (die < 20) {
    const width = pick(random, [0x2000, 0x3000]);
    const reserve = 0x1000_002f | width | (2 << 15) | (destination(random) << 7);
    return [reserve, 0x1800_002f | width | (2 << 15) | (destination(random) << 7) | ((random() % 32) << 20)];
  }
  return [wordOf(random, pick(random, pick(random, groups)))];
}

const lengthOf = (words: readonly number[]): number => words.reduce((sum, word) => sum + ((word & 3) === 3 ? 4 : 2), 0);

/** The instructions of one program; branches and jumps lead forward, to another of its instructions or to its end. */
function program(random: Random, code: Code): void {
  const steps = Array.from({ length: 8 + (random() % 24) }, () => ({ words: anything(random), jump: random() % 8 }));
  for (const [index, { words, jump }] of steps.entries()) {
    const skipped = steps.slice(index + 1, index + 2 + (random() % 4));
    const offset =
      4 + lengthOf(words) + skipped.reduce((sum, step) => sum + lengthOf(step.words) + (step.jump < 2 ? 4 : 0), 0);
    if (jump === 0) code.word(bType(pick(random, branches).match, random() % 32, random() % 32, offset));
    if (jump === 1) code.word(jType(destination(random), offset));
    code.word(...words);
  }
}

/** Numbers at which arithmetic turns. */
const edges = [
  0n,
  1n,
  -1n,
  1n << 31n,
  (1n << 31n) - 1n,
  1n << 63n,
  (1n << 63n) - 1n,
  0xffff_ffff_7f80_0000n,
  0x7ff0_0000_0000_0000n,
  0x3ff0_0000_0000_0000n,
  0xffff_ffff_3f80_0000n,
  0xffff_ffff_0000_0001n,
  0x7ff8_0000_0000_0000n,
];

function valueOf64(random: Random): bigint {
  const bits = (BigInt(random()) << 32n) | BigInt(random());
  const die = random() % 8;
  if (die < 2) return pick(random, edges);
  if (die === 2) return BigInt.asIntN(64, bits) >> BigInt(random() % 64);
  if (die === 3) return bits | (0xffff_ffffn << 32n);
  return bits;
}

/** Notes cause, value and place of a trap in the word at x2 + DUMP + 8 * 64 and goes on after the instruction. */
function handler(code: Code): void {
  const note = DUMP + 8 * 64;
  code.word(sd(5, 2, note + 8), sd(6, 2, note + 16), ld(5, 2, note));
  for (const csr of [0x342, 0x343, 0x341]) {
    // x5 = (x5 ^ csr) * 33, as shifts and additions.
    code.word(iType(0x73, 2, 6, 0, csr), 0x0062_c2b3, iType(0x13, 1, 6, 5, 5), 0x0062_82b3);
  }
  code.word(sd(5, 2, note), iType(0x73, 2, 5, 0, 0x341), iType(0x03, 5, 6, 5, 0));
  // Two more if both low bits are set.
  code.word(iType(0x13, 7, 6, 6, 3), addi(6, 6, -3), iType(0x13, 3, 6, 6, 1), iType(0x13, 1, 6, 6, 1));
  code.word(
    addi(5, 5, 2),
    0x0062_82b3,
    iType(0x73, 1, 0, 5, 0x341),
    ld(5, 2, note + 8),
    ld(6, 2, note + 16),
    0x3020_0073,
  );
}

/** Mixes the words from x2 + `from` to x2 + `to` into x10; uses x11 to x13. */
function mix(code: Code, from: number, to: number): void {
  code.word(addi(11, 2, from), addi(12, 2, to));
  // x13 = word; x10 = (x10 ^ x13) * 0x9e3779b1 rotated; again until x11 is x12.
  code.word(ld(13, 11, 0), 0x00d5_4533, 0x02e5_0533, iType(0x13, 5, 13, 10, 29), 0x00d5_4533, addi(11, 11, 8));
  code.word(bType(0x1063, 11, 12, -24));
}

function prologue(code: Code): void {
  const after = 4 * 40;
  code.word(jType(0, after));
  const trap = code.at;
  handler(code);
  while (code.at < MEMORY_BASE + after) code.word(0x13);
  code.address(5, trap);
  code.word(iType(0x73, 1, 0, 5, 0x305));
  code.address(2, DATA);
  code.address(3, TABLES);
  code.word(sd(3, 2, CURRENT));
}

/** Begins the program whose table is the current one, by a return from a trap, which needs no register; behind the last one it leads to `over`. */
function begin(code: Code, { tables, over }: { readonly tables: number; readonly over: number }): void {
  code.word(ld(31, 2, CURRENT));
  code.address(30, tables);
  code.word(bType(0x1063, 31, 30, 8), jType(0, over - code.at - 4));
  // mepc; then machine mode again, without interrupts, with floating point.
  code.word(ld(5, 31, 8 * 65), iType(0x73, 1, 0, 5, 0x341));
  code.word(0x0000_82b7, addi(5, 5, -0x800), iType(0x73, 1, 0, 5, 0x300));
  for (let register = 0; register < 32; register++) code.word(iType(0x07, 3, register, 31, 256 + 8 * register));
  code.word(ld(1, 31, 512), iType(0x13, 7, 1, 1, 127), iType(0x73, 1, 0, 1, 3));
  for (let register = 1; register < 32; register++) if (register !== 2) code.word(ld(register, 31, 8 * register));
  code.word(0x3020_0073);
}

/** Mixes what a program has left into its number, and goes on with the next at `next`. */
function conclude(code: Code, next: number): void {
  for (let register = 0; register < 32; register++) code.word(sd(register, 2, DUMP + 8 * register));
  for (let register = 0; register < 32; register++) code.word(sType(0x27, 3, 2, register, DUMP + 256 + 8 * register));
  code.word(iType(0x73, 2, 10, 0, 3), 0x9e37_7737, addi(14, 14, 0x7b1));
  mix(code, -REACH, REACH + 8);
  mix(code, DUMP, DUMP + 8 * DUMP_WORDS);
  code.word(ld(3, 2, CURRENT), sd(10, 3, 0), addi(3, 3, TABLE_BYTES), sd(3, 2, CURRENT));
  code.word(jType(0, next - code.at));
}

/** Waits until the port at x7 takes a byte, and gives it x10. */
const send = [iType(0x03, 4, 12, 7, 5), iType(0x13, 7, 12, 12, 0x20), bType(0x63, 12, 0, -8), sType(0x23, 0, 7, 10, 0)];

/** Prints the results as hexadecimal lines and ends. */
function epilogue(code: Code, tables: number): void {
  code.address(5, TABLES);
  code.address(6, tables);
  code.word(0x1000_03b7);
  const next = code.at;
  code.word(ld(8, 5, 0), addi(9, 0, 60));
  const digit = code.at;
  // x10 = digit as a character: 'a' - 10 or '0' more.
  code.word(0x0094_5533, iType(0x13, 7, 10, 10, 15), iType(0x13, 3, 11, 10, 10), addi(10, 10, 87));
  code.word(bType(0x63, 11, 0, 8), addi(10, 10, -39), ...send, addi(9, 9, -4));
  code.word(bType(0x5063, 9, 0, digit - code.at));
  code.word(addi(10, 0, 10), ...send, addi(5, 5, TABLE_BYTES));
  code.word(bType(0x1063, 5, 6, next - code.at));
  code.word(0x0010_02b7, 0x0000_5337, addi(6, 6, 0x555), sType(0x23, 2, 5, 6, 0), 0x6f);
}

/** An ELF file of `count` programs (at most some 6,000, for which there is room). */
export function randomGuest(seed: number, count: number): Uint8Array {
  const random = randomOf(seed);
  const code = new Code();
  const tables = new DataView(new ArrayBuffer(count * TABLE_BYTES));
  const end = TABLES + count * TABLE_BYTES;
  prologue(code);
  const first = code.at;
  code.word(jType(0, 4));
  epilogue(code, end);
  const next = code.at;
  begin(code, { tables: end, over: first + 4 });
  const done = code.at;
  conclude(code, next);
  code.patch(first, jType(0, next - first));
  for (let index = 0; index < count; index++) {
    const table = index * TABLE_BYTES;
    for (let word = 0; word < TABLE_WORDS - 1; word++)
      tables.setBigUint64(table + 8 * word, BigInt.asUintN(64, valueOf64(random)), true);
    tables.setBigUint64(table + 8 * (TABLE_WORDS - 1), BigInt(code.at), true);
    program(random, code);
    code.word(jType(0, done - code.at));
  }
  const bytes = code.done();
  const image = new Uint8Array(TABLES - MEMORY_BASE + tables.byteLength);
  if (bytes.length > CODE_MAX) throw new Error(`${count} programs do not fit`);
  image.set(bytes);
  image.set(new Uint8Array(tables.buffer), TABLES - MEMORY_BASE);
  return elfOf(image);
}
