/** Random programs end the same on our interpreter, in our compiled code and on QEMU. `tests/long` has the long form. */
import { expect, test } from 'vitest';
import { elfOfWords } from '#pkg/vmm/test-guests.ts';
import { differences, qemuMissing, runOurs, runQemu } from './compare.ts';
import { randomGuest } from './random-guest.ts';

const guest = randomGuest(1, 1500);
const small = randomGuest(2, 150);

test('compiled code does what the interpreter does', () => {
  const expected = runOurs(small, 'interpret');
  expect(expected.split('\n')).toHaveLength(151);
  expect(differences(expected, runOurs(small, 'compile', 1))).toEqual([]);
});

if (qemuMissing !== undefined) console.log(`Skipped: ${qemuMissing}`);
test.skipIf(qemuMissing !== undefined)('the interpreter does what QEMU does', () => {
  expect(differences(runQemu(guest), runOurs(guest, 'interpret'))).toEqual([]);
});

test('lines that are missing differ', () => {
  expect(differences('a\nb\n', '')).toEqual([0, 1, 2]);
  expect(differences('', 'a\nb\n')).toEqual([0, 1, 2]);
  expect(differences('a\nb\n', 'a\nc\n')).toEqual([1]);
});

test.skipIf(qemuMissing !== undefined)('a QEMU that was ended before its guest is no answer', () => {
  // A loop.
  expect(() => runQemu(elfOfWords([0x6f]), 300)).toThrow('QEMU did not end');
});
