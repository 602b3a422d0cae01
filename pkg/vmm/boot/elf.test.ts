import { expect, test } from 'vitest';
import { elfOfWords } from '../test-guests.ts';
import { GuestImageError, readKernel } from './elf.ts';

const MIB = 1 << 20;

function changed(change: (view: DataView) => void): Uint8Array {
  const file = elfOfWords([0x13, 0x13]);
  change(new DataView(file.buffer));
  return file;
}

/** Its second header says that what is behind it lies in the midst of the first. */
function withSegmentTwice(): Uint8Array {
  const file = elfOfWords([0x13, 0x13]);
  const [header, program, code] = [file.slice(0, 64), file.slice(64, 120), file.slice(120)];
  new DataView(header.buffer).setUint16(56, 2, true);
  const second = program.slice();
  for (const one of [program, second]) {
    const view = new DataView(one.buffer);
    view.setBigUint64(8, view.getBigUint64(8, true) + 56n, true);
  }
  new DataView(second.buffer).setBigUint64(24, 0x8000_0004n, true);
  return Buffer.concat([header, second, program, code]);
}

test('a kernel is its segments and its entry', () => {
  const { entry, segments } = readKernel(elfOfWords([0x13, 0x13]), MIB);
  expect({ entry, segments: segments.map(({ address, size }) => ({ address, size })) }).toEqual({
    entry: 0x8000_0000,
    segments: [{ address: 0x8000_0000, size: 8 }],
  });
});

test.each<[string, Uint8Array, string]>([
  ['nothing', new Uint8Array(0), 'it is no ELF file'],
  ['text', Buffer.from('#!/bin/sh\n'), 'it is no ELF file'],
  ['its beginning', elfOfWords([0x13]).subarray(0, 40), 'its header is cut off at 40 bytes'],
  ['a 32-bit one', changed((view) => view.setUint8(4, 1)), 'it is for a 32-bit machine'],
  ['a big-endian one', changed((view) => view.setUint8(5, 2)), 'it is big-endian'],
  [
    'one of x86-64',
    changed((view) => view.setUint16(18, 62, true)),
    'it is for machine 62 of the ELF list, not RISC-V',
  ],
  [
    'an object file',
    changed((view) => view.setUint16(16, 1, true)),
    'it is no executable for fixed addresses: its ELF type is 1',
  ],
  [
    'a shared object',
    changed((view) => view.setUint16(16, 3, true)),
    'it is no executable for fixed addresses: its ELF type is 3',
  ],
  ['one with an interpreter', changed((view) => view.setUint32(64, 3, true)), 'it is dynamically linked'],
  ['one with nothing to load', changed((view) => view.setUint32(64, 6, true)), 'nothing in it is to be loaded'],
  [
    'headers outside',
    changed((view) => view.setBigUint64(32, 1n << 60n, true)),
    'its program headers lie outside the file',
  ],
  ['many headers', changed((view) => view.setUint16(56, 0xffff, true)), 'its program headers lie outside the file'],
  ['odd headers', changed((view) => view.setUint16(54, 32, true)), 'its program headers have an unknown size'],
  ['a segment outside', changed((view) => view.setBigUint64(72, 1n << 62n, true)), 'a segment lies outside the file'],
  [
    'a segment that shrinks',
    changed((view) => view.setBigUint64(104, 4n, true)),
    'a segment is longer in the file than in memory',
  ],
  [
    'a huge one',
    changed((view) => view.setBigUint64(104, 1n << 40n, true)),
    'a segment at 0x80000000 to 0x10080000000 does not fit the memory, 0x80000000 to 0x80100000',
  ],
  ['a low one', changed((view) => view.setBigUint64(88, 0x1000n, true)), 'a segment at 0x1000 to 0x1008 does not fit'],
  ['segments at one place', withSegmentTwice(), 'two of its segments have the address 0x80000004'],
  ['a stray entry', changed((view) => view.setBigUint64(24, 0x9000_0000n, true)), 'its entry 0x90000000 is in none'],
])('refused with one line: %s', (_, file, reason) => {
  let error: unknown;
  try {
    readKernel(file, MIB);
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(GuestImageError);
  expect(String(error)).toContain(`Cannot load the kernel: ${reason}`);
  expect(String(error)).not.toContain('\n');
});
