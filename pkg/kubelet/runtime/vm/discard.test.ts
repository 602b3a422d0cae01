/** Memory of machines goes to the system when nobody has it any more. Wants Linux and a Node that calls its library. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FrameBank } from '#pkg/vmm/frames/frame-bank.ts';
import { SeatFrames } from '#pkg/vmm/frames/seat.ts';
import { PAGE_SIZE } from '#pkg/vmm/memory-map.ts';
import { MachineMemory } from './machine-memory.ts';

/** Larger than what else the process has in one piece. */
const nodeBytes = 256 << 20;
const size = 32 << 20;
const pages = size / PAGE_SIZE;
/** Undefined with a Node that cannot. */
const discard = await import('./discard.ts').then(
  (module) => module.discard,
  () => undefined,
);

/** Bytes in memory of what this process has in pieces that are as large as that of the machines. Counted page by page, unlike `VmRSS`, and without what its heap takes and gives back meanwhile. */
function residentBytes(): number {
  let bytes = 0;
  for (const [, size = '', resident = ''] of readFileSync('/proc/self/smaps', 'utf8').matchAll(
    /^Size:\s+(\d+) kB(?:\n(?!Size:).*)*?\nRss:\s+(\d+) kB/gm,
  ))
    if (Number(size) * 1024 >= nodeBytes) bytes += Number(resident) * 1024;
  return bytes;
}

/** Memory with one machine in it, whose pages are its own once they are filled. */
function machineIn(discarding: NonNullable<typeof discard>) {
  const memory = new MachineMemory({ nodeBytes, discard: discarding });
  const seat = memory.take(size);
  const frames = new SeatFrames(seat, { harts: 1, discard: discarding });
  const bank = new FrameBank(seat.bank);
  const fill = (page: number, byte: number): void => {
    frames.own(page);
    const at = (seat.offsets[page] ?? 0) / PAGE_SIZE;
    bank.bytesOf(at, 1).fill(byte);
  };
  return { memory, seat, frames, fill };
}

test('what a machine had, gave or found elsewhere is the system’s', (context) => {
  if (discard === undefined) return context.skip('this Node does not call the library of the system');
  const { memory, seat, frames, fill } = machineIn(discard);
  const before = residentBytes();
  for (let page = 0; page < pages; page++) fill(page, 1 + (page % 200));
  const filled = residentBytes();
  expect(filled - before).toBeGreaterThan(0.9 * size);
  // Half of them by its balloon.
  for (let page = 0; page < pages / 2; page++) frames.drop(page);
  const given = residentBytes();
  expect(filled - given).toBeGreaterThan(0.4 * size);
  // Of the others 200 are left when they are looked at twice, once for each byte.
  for (let look = 0; look < 3; look++) frames.look(pages);
  const shared = residentBytes();
  expect(given - shared).toBeGreaterThan(0.4 * size);
  for (let page = 0; page < pages / 2; page++) fill(page, 9);
  expect(residentBytes() - shared).toBeGreaterThan(0.4 * size);
  memory.leave(seat);
  expect(residentBytes() - before).toBeLessThan(0.2 * size);
  expect(memory.use).toMatchObject({ owned: 0, lent: 0 });
});

test('what a machine had that has moved to another node is the system’s, while what relays for it stays, and so is what comes back', (context) => {
  if (discard === undefined) return context.skip('this Node does not call the library of the system');
  const { memory, seat, frames, fill } = machineIn(discard);
  const before = residentBytes();
  for (let page = 0; page < pages; page++) fill(page, 1 + (page % 200));
  expect(residentBytes() - before).toBeGreaterThan(0.9 * size);
  frames.release();
  expect(residentBytes() - before).toBeLessThan(0.2 * size);
  for (let page = 0; page < pages / 2; page++) fill(page, 9);
  expect(residentBytes() - before).toBeGreaterThan(0.4 * size);
  memory.leave(seat);
  expect(residentBytes() - before).toBeLessThan(0.2 * size);
  expect(memory.use).toMatchObject({ owned: 0, lent: 0 });
});

test('what is given back is still its machine’s then, and all of it is', () => {
  const owners: number[][] = [];
  const memory: MachineMemory = new MachineMemory({
    nodeBytes: 64 << 20,
    discard: (bytes) => {
      const first = bytes.byteOffset / PAGE_SIZE;
      owners.push([...seat.bank.owners.subarray(first, first + bytes.length / PAGE_SIZE)]);
    },
  });
  const [seat, other] = [memory.take(1 << 20), memory.take(1 << 20)];
  const frames = [new SeatFrames(seat, { harts: 1 }), new SeatFrames(other, { harts: 1 })];
  for (let page = 0; page < 20; page++) frames[page % 2]?.own(page);
  const had = seat.bank.owners.filter((owner) => owner === seat.machine).length;
  expect(had).toBeGreaterThanOrEqual(10);
  memory.leave(seat);
  expect(owners.flat()).toEqual(Array.from({ length: had }, () => seat.machine));
  expect(seat.bank.owners.filter((owner) => owner === seat.machine)).toHaveLength(0);
  expect(seat.bank.owners.filter((owner) => owner === other.machine).length).toBeGreaterThanOrEqual(10);
});
