/** Single instructions with known results, as assembled by GNU as 2.40. */
import { expect, test } from 'vitest';
import { createMachine } from '../machine.ts';
import { elfOfWords } from '../test-guests.ts';

type Row = readonly [source: string, word: number, a0: bigint, a1: bigint, a2: bigint];

const MIN = -(1n << 63n);

/** a2 (register 12) is the result; a0 and a1 are the operands. */
const rows: readonly Row[] = [
  ['add a2, a0, a1', 0x00b5_0633, 0xffff_ffffn, 1n, 0x1_0000_0000n],
  ['add a2, a0, a1', 0x00b5_0633, -1n, 1n, 0n],
  ['sub a2, a0, a1', 0x40b5_0633, 0n, 1n, -1n],
  ['sub a2, a0, a1', 0x40b5_0633, 0x1_0000_0000n, 1n, 0xffff_ffffn],
  ['addi a2, a0, -1', 0xfff5_0613, 0n, 0n, -1n],
  ['slt a2, a0, a1', 0x00b5_2633, MIN, 0n, 1n],
  ['sltu a2, a0, a1', 0x00b5_3633, MIN, 0n, 0n],
  ['sltiu a2, a0, -1', 0xfff5_3613, -2n, 0n, 1n],
  ['sll a2, a0, a1', 0x00b5_1633, 1n, 63n, MIN],
  ['sll a2, a0, a1', 0x00b5_1633, 0x8000_0001n, 33n, 0x2_0000_0000n],
  ['srl a2, a0, a1', 0x00b5_5633, MIN, 63n, 1n],
  ['sra a2, a0, a1', 0x40b5_5633, MIN, 32n, -0x8000_0000n],
  ['srai a2, a0, 4', 0x4045_5613, -16n, 0n, -1n],
  ['addw a2, a0, a1', 0x00b5_063b, 0x7fff_ffffn, 1n, -0x8000_0000n],
  ['srlw a2, a0, a1', 0x00b5_563b, -1n, 31n, 1n],
  ['sraiw a2, a0, 31', 0x41f5_561b, 0x8000_0000n, 0n, -1n],
  [
    'mul a2, a0, a1',
    0x02b5_0633,
    0x1234_5678_9abc_def1n,
    0xfedc_ba98_7654_3211n,
    0x1234_5678_9abc_def1n * 0xfedc_ba98_7654_3211n,
  ],
  ['mulh a2, a0, a1', 0x02b5_1633, MIN, MIN, 1n << 62n],
  ['mulhsu a2, a0, a1', 0x02b5_2633, -1n, -1n, -1n],
  ['mulhu a2, a0, a1', 0x02b5_3633, -1n, -1n, -2n],
  ['div a2, a0, a1', 0x02b5_4633, MIN, -1n, MIN],
  ['div a2, a0, a1', 0x02b5_4633, 7n, 0n, -1n],
  ['div a2, a0, a1', 0x02b5_4633, -7n, 2n, -3n],
  ['rem a2, a0, a1', 0x02b5_6633, -7n, 2n, -1n],
  ['rem a2, a0, a1', 0x02b5_6633, MIN, -1n, 0n],
  ['remu a2, a0, a1', 0x02b5_7633, -1n, 10n, 5n],
  ['divw a2, a0, a1', 0x02b5_463b, 0x8000_0000n, -1n, -0x8000_0000n],
  ['divuw a2, a0, a1', 0x02b5_563b, -1n, 0n, -1n],
  ['remuw a2, a0, a1', 0x02b5_763b, 0xffff_fff7n, 16n, 7n],
  ['lui a2, 0x80000', 0x8000_0637, 0n, 0n, -0x8000_0000n],
  ['auipc a2, 1', 0x0000_1617, 0n, 0n, 0x8000_1000n],
  ['jal a2, .+4', 0x0040_066f, 0n, 0n, 0x8000_0004n],
  ['c.li a2, -1; c.nop', 0x0001_567d, 0n, 0n, -1n],
  ['c.mv a2, a0; c.srli a2, 1', 0x8205_862a, 4n, 0n, 2n],
  ['c.mv a2, a0; c.subw a2, a1', 0x9e0d_862a, 0n, 1n, -1n],
  ['csrr a2, mhartid', 0xf140_2673, 9n, 9n, 0n],
  ['csrr a2, misa', 0x3010_2673, 0n, 0n, MIN | 0x14_112dn],
];

test.each(rows)('%s', (_, word, a0, a1, a2) => {
  const machine = createMachine({
    memory: 1 << 20,
    harts: 1,
    kernel: elfOfWords([word, 0x6f]),
    commandLine: '',
    engine: 'interpret',
  });
  const { config, version, parts } = structuredClone(machine.saveState());
  const harts: unknown = parts['harts'];
  if (!Array.isArray(harts)) throw new Error('no harts');
  const registers = Buffer.from(harts[0].registers, 'base64');
  registers.writeBigUInt64LE(BigInt.asUintN(64, a0), 80);
  registers.writeBigUInt64LE(BigInt.asUintN(64, a1), 88);
  harts[0].registers = registers.toString('base64');
  const ready = createMachine(machine.config, { config, version, parts });
  for (let page = 0; page < 2; page++) ready.writePage(page, machine.readPage(page));
  ready.run(word === 0x0001_567d || (word & 3) !== 3 ? 2 : 1);
  const after: unknown = ready.saveState().parts['harts'];
  if (!Array.isArray(after)) throw new Error('no harts');
  expect(Buffer.from(after[0].registers, 'base64').readBigInt64LE(96)).toBe(BigInt.asIntN(64, a2));
});
