/** Machines that share equal pages run as those that have their memory to themselves, and none sees what another writes. */
import { expect, test } from 'vitest';
import { SeededRandom } from '#pkg/base/random.ts';
import { GuestMemory } from '../guest-memory.ts';
import { createMachine } from '../machine.ts';
import type { Machine, MachineConfig } from '../machine-contract.ts';
import { MEMORY_BASE, PAGE_SIZE } from '../memory-map.ts';
import { elfOfWords, sieveGuest } from '../test-guests.ts';
import { BANK_BYTES_MAX, FrameBank, newBank } from './frame-bank.ts';
import { NO_FRAME } from './page-frames.ts';
import { newSeat, SeatFrames } from './seat.ts';

const GUESTS = 4;
const PAGES = 256;

/** One of few pages, so that many are equal; number 0 is zeros. */
const patternOf = (number: number): Uint8Array =>
  Uint8Array.from({ length: PAGE_SIZE }, (_, at) => (number * (at % 7)) & 255);

/** What is done to a guest's memory, and the same to plain bytes. */
function change(memory: GuestMemory, plain: Uint8Array, random: SeededRandom): void {
  const number = (below: number): number => Math.floor(random.next() * below);
  const page = number(PAGES);
  const act = number(6);
  if (act === 0) {
    const at = number(PAGES * PAGE_SIZE - 8);
    const bytes = Uint8Array.from({ length: 8 }, () => number(256));
    memory.copyIn(MEMORY_BASE + at, bytes);
    plain.set(bytes, at);
  } else if (act === 1) {
    memory.clearPages([page]);
    plain.fill(0, page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  } else if (act === 2) {
    const at = page * PAGE_SIZE + 8 * number(512);
    memory.view.setUint8(memory.writable(MEMORY_BASE + at, 1), 77);
    plain[at] = 77;
  } else {
    const pattern = patternOf(number(4));
    memory.writePage(page, pattern);
    plain.set(pattern, page * PAGE_SIZE);
  }
}

test.each([1, 2, 3, 4, 5, 6])('whatever is written and shared, each guest reads its own (seed %d)', (seed) => {
  const random = new SeededRandom(seed);
  const bank = newBank(GUESTS * PAGES * PAGE_SIZE + GUESTS * 65_536 + 65_536);
  const seats = Array.from({ length: GUESTS }, (_, guest) =>
    newSeat(bank, { machine: guest + 1, size: PAGES * PAGE_SIZE }),
  );
  const guests = seats.map((seat) => {
    const frames = new SeatFrames(seat, { harts: 1 });
    return { frames, memory: new GuestMemory(PAGES * PAGE_SIZE, 1, frames), plain: new Uint8Array(PAGES * PAGE_SIZE) };
  });
  for (let step = 0; step < 2000; step++) {
    const guest = guests[Math.floor(random.next() * GUESTS)];
    if (guest === undefined) continue;
    if (random.next() < 0.3) guest.frames.look(1 + Math.floor(random.next() * PAGES));
    else change(guest.memory, guest.plain, random);
    if (step % 50 === 0)
      for (const { memory, plain } of guests)
        expect(Buffer.compare(memory.copyOut(MEMORY_BASE, plain.length) ?? new Uint8Array(0), plain)).toBe(0);
  }
  const { lent, borrowers } = new FrameBank(bank).use();
  expect(borrowers).toBe(guests.reduce((sum, { frames }) => sum + frames.use().shared, 0));
  expect(lent).toBeGreaterThan(0);
  expect(lent).toBeLessThan(borrowers);
  // Of those, one is over in good order, and the threads of the others are just gone.
  guests[0]?.frames.release();
  for (const { machine, offsets } of seats.slice(1)) new FrameBank(bank).settle(machine, offsets);
  expect(new FrameBank(bank).use()).toMatchObject({ owned: 0, lent: 0, borrowers: 0 });
});

/** What a guest could know of its machine. */
function seen(machine: Machine): string {
  const text = JSON.stringify(machine.saveState().parts).replaceAll(/"(pageWalks|tlbMisses)":\d+/g, '');
  const pages = Array.from({ length: machine.pages }, (_, page) => Buffer.from(machine.readPage(page)).toString('hex'));
  return text + pages.join('');
}

test.each(['interpret', 'compile'] as const)('guests that share run as one alone does (%s)', (engine) => {
  const config: MachineConfig = { memory: 1 << 20, harts: 1, kernel: sieveGuest, commandLine: '', engine };
  // Harts take frames from its upper end; pages are to be above 2 GiB too.
  const bank = newBank(BANK_BYTES_MAX);
  bank.mark[0] = 700_000;
  const alone = createMachine(config, undefined, { compileAfter: 3 });
  const sharers = [1, 2, 3].map((machine) =>
    createMachine(config, undefined, { compileAfter: 3, seat: newSeat(bank, { machine, size: config.memory }) }),
  );
  for (let step = 0; ; step++) {
    const expected = alone.run(9_973);
    for (const machine of sharers) {
      expect(machine.run(9_973)).toEqual(expected);
      machine.sharePages(1 + (step % 300));
      if (step % 20 === 0) expect(seen(machine) === seen(alone)).toBe(true);
    }
    if (expected.reason !== 'budget') break;
  }
  for (const machine of sharers) expect(seen(machine) === seen(alone)).toBe(true);
  const { shared, sharedPart } = sharers[0]?.pageUse ?? { shared: 0, sharedPart: 0 };
  expect(shared).toBeGreaterThan(0);
  expect(sharedPart).toBeLessThan(shared);
});

test.each(['interpret', 'compile'] as const)(
  'what is read is what was written, where it was read before (%s)',
  (engine) => {
    const kernel = elfOfWords([
      0x0004_0297, // auipc t0, 0x40
      0x0002_a303, // lw t1, 0(t0): zeros that all pages have
      0x04d0_0393, // li t2, 77
      0x0072_a023, // sw t2, 0(t0)
      0x0002_ae03, // lw t3, 0(t0)
      0x0000_1eb7, // lui t4, 1
      0x01d2_82b3, // add t0, t0, t4: the next page
      0xfe9f_f06f, // j -24
    ]);
    const config: MachineConfig = { memory: 1 << 20, harts: 1, kernel, commandLine: '', engine };
    const tuning = { compileAfter: 2, seat: newSeat(newBank(2 << 20), { machine: 1, size: config.memory }) };
    const [alone, sharer] = [createMachine(config), createMachine(config, undefined, tuning)];
    for (let step = 0; step < 100; step++) {
      expect(sharer.run(7)).toEqual(alone.run(7));
      expect(seen(sharer) === seen(alone)).toBe(true);
    }
  },
);

test('a guest that writes where its host has no memory stands before that instruction, and goes on when there is some', () => {
  const config: MachineConfig = { memory: 1 << 20, harts: 1, kernel: sieveGuest, commandLine: '', engine: 'compile' };
  const alone = createMachine(config);
  while (alone.run(1_000_000).reason === 'budget');
  const bank = newBank(256 << 10);
  const machine = createMachine(config, undefined, { seat: newSeat(bank, { machine: 1, size: config.memory }) });
  const others = new FrameBank(bank);
  const taken: number[] = [];
  const takeAll = (): void => {
    try {
      for (;;) taken.push(others.take(2));
    } catch (error) {
      expect(error).toBe(NO_FRAME);
    }
  };
  takeAll();
  let stops = 0;
  for (let stop = machine.run(1_000_000); stop.reason !== 'off'; stop = machine.run(1_000_000)) {
    if (stop.reason !== 'memory') continue;
    stops++;
    expect(machine.run(1_000_000)).toEqual({ reason: 'memory' });
    others.free(taken.pop() ?? 0);
  }
  expect(stops).toBeGreaterThan(2);
  expect(seen(machine) === seen(alone)).toBe(true);
});
