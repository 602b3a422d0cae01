import { expect, test } from 'vitest';
import { DiskRoom } from './disk-room.ts';

const mebibyte = 2 ** 20;

/** A write of so many bytes. */
function writes(bytes: number) {
  const record = { type: 'put', key: 'k', value: new Uint8Array(bytes), revision: 1, createRevision: 1 } as const;
  return [{ record: { ...record, previousRevision: 0, expiresMs: 0 } }];
}

test('a disk with much room is looked at again after 16 MiB of transactions, each with its pages', () => {
  let looks = 0;
  const room = new DiskRoom(() => {
    looks++;
    return 100 * 1024 * mebibyte;
  });
  for (let i = 0; i < 8; i++) room.need(writes(mebibyte));
  expect(looks).toBe(1);
  room.need(writes(mebibyte));
  expect(looks).toBe(2);
});

test('one with little room is looked at before every transaction, and refuses what does not fit', () => {
  let free = 64 * mebibyte;
  const room = new DiskRoom(() => free);
  room.need(writes(mebibyte));
  free = 2 * mebibyte;
  room.need(writes(mebibyte));
  free = 2 * mebibyte - 1;
  expect(() => room.need(writes(mebibyte))).toThrow('a transaction of 2097152 bytes does not fit on the disk');
});
