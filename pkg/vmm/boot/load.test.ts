import { expect, test } from 'vitest';
import type { MachineConfig } from '../machine-contract.ts';
import { elfOfWords } from '../test-guests.ts';
import { GuestImageError } from './elf.ts';
import { load } from './load.ts';

const MIB = 1 << 20;
const start = 0x8000_0000;
const kernelAt = start + 2 * MIB;

/** A boot image of a page; `change` makes its header another. */
function imageOf({
  size = 4096,
  change,
}: {
  readonly size?: number;
  readonly change?: (view: DataView) => void;
} = {}): Uint8Array {
  const file = new Uint8Array(4096);
  const view = new DataView(file.buffer);
  view.setBigUint64(8, 0x20_0000n, true);
  view.setBigUint64(16, BigInt(size), true);
  file.set(Buffer.from('RISCV\0\0\0RSC\x05', 'latin1'), 48);
  change?.(view);
  return file;
}

const firmware = elfOfWords([0x13]);
const config = (more: Partial<MachineConfig> = {}): MachineConfig => ({
  memory: 4 * MIB,
  harts: 1,
  kernel: imageOf(),
  firmware,
  commandLine: 'console=hvc0',
  engine: 'interpret',
  ...more,
});

/** A property of a device tree as its 32-bit cells, found by its name. */
function cells(tree: Uint8Array, name: string): readonly number[] | undefined {
  const view = new DataView(tree.buffer, tree.byteOffset, tree.byteLength);
  const names = Buffer.from(tree).subarray(view.getUint32(12));
  const nameAt = names.indexOf(`\0${name}\0`) + 1;
  if (nameAt === 0) return undefined;
  for (let at = view.getUint32(8); at < view.getUint32(12); at += 4) {
    if (view.getUint32(at) !== 3 || view.getUint32(at + 8) !== nameAt) continue;
    return Array.from({ length: view.getUint32(at + 4) / 4 }, (_, cell) => view.getUint32(at + 12 + 4 * cell));
  }
  return undefined;
}

test('a boot image begins on its firmware, which the device tree keeps for it', () => {
  const { entry, tree, pieces } = load(config());
  expect({ entry, at: pieces.map(({ address }) => address) }).toEqual({ entry: start, at: [start, kernelAt, tree] });
  const text = Buffer.from(pieces.at(-1)?.bytes ?? []).toString('latin1');
  expect(text).toContain('reserved-memory\0');
  expect(text).toContain('firmware@80000000\0');
});

test('an initial file system is whole pages before the tree, which says where', () => {
  const initrd = new Uint8Array(5000).fill(7);
  const { tree, pieces } = load(config({ initrd }));
  const piece = pieces.find(({ bytes }) => bytes === initrd);
  expect(piece?.address).toBe(tree - 8192);
  const bytes = pieces.at(-1)?.bytes ?? new Uint8Array(0);
  expect(cells(bytes, 'linux,initrd-start')).toEqual([0, tree - 8192]);
  expect(cells(bytes, 'linux,initrd-end')).toEqual([0, tree - 8192 + 5000]);
});

test('an ELF file begins in machine mode, without a firmware', () => {
  const { pieces } = load(config({ kernel: elfOfWords([0x13]) }));
  expect(pieces).toHaveLength(2);
  expect(Buffer.from(pieces.at(-1)?.bytes ?? []).includes('reserved-memory')).toBe(false);
});

const longFirmware = elfOfWords(new Array<number>(0x4001).fill(0x13));

test.each<[string, Partial<MachineConfig>, string]>([
  ['no firmware', { firmware: undefined as never }, 'the machine has no firmware'],
  ['a firmware that is none', { firmware: Buffer.from('text') }, 'it is no ELF file'],
  ['a long firmware', { firmware: longFirmware }, 'to end within 65536 bytes'],
  ['a big-endian image', { kernel: imageOf({ change: (view) => view.setUint8(24, 1) }) }, 'it is big-endian'],
  [
    'an image for elsewhere',
    { kernel: imageOf({ change: (view) => view.setBigUint64(8, 0x8_0000n, true) }) },
    'it wants to be 0x80000 bytes into memory',
  ],
  [
    'a long command line',
    { commandLine: 'a'.repeat(3 * MIB) },
    'the command line of 3145728 characters: it has at most 65536',
  ],
  [
    'an image that is too large',
    { kernel: imageOf({ size: 3 * MIB }) },
    'it takes 3145728 bytes from 0x80200000 on, and the memory has 4194304',
  ],
  [
    'an image of absurd size',
    { kernel: imageOf({ change: (view) => view.setBigUint64(16, 1n << 63n, true) }) },
    'bytes from 0x80200000 on, and the memory has 4194304',
  ],
  ['no room for the tree', { kernel: imageOf({ size: 2 * MIB }) }, 'no room in memory for the device tree'],
  [
    'no room for the file system',
    { initrd: new Uint8Array(2 * MIB) },
    'Cannot load the initial file system of 2097152 bytes',
  ],
])('refused with one line: %s', (_, more, reason) => {
  let error: unknown;
  try {
    load(config(more));
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(GuestImageError);
  expect(String(error)).toContain(reason);
  expect(String(error)).not.toContain('\n');
});
