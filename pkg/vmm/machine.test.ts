import { expect, test } from 'vitest';
import { createMachine } from './machine.ts';
import type { Machine, MachineConfig, Stop } from './machine-contract.ts';
import { elfOfWords, helloGuest, sieveGuest } from './test-guests.ts';

const MIB = 1 << 20;

function make(kernel: Uint8Array, more: Partial<MachineConfig> = {}): Machine {
  return createMachine({ memory: MIB, harts: 1, kernel, commandLine: '', engine: 'interpret', ...more });
}

/** Runs to the end; calls of `run` are `step` instructions long. */
function finish(machine: Machine, step = 1e6): { readonly stop: Stop; readonly text: string } {
  let text = '';
  for (let calls = 0; calls < 1e6; calls++) {
    const stop = machine.run(step);
    text += Buffer.from(machine.takeConsole()).toString();
    if (stop.reason === 'idle' && stop.ticks !== undefined) machine.idle(stop.ticks);
    else if (stop.reason !== 'budget' && stop.reason !== 'output') return { stop, text };
  }
  throw new Error('the guest does not come to an end');
}

const registerOf = (machine: Machine): unknown => machine.saveState().parts['harts'];

test('a guest prints, waits for its timer and switches itself off', () => {
  const machine = make(helloGuest);
  expect(machine.run(1000)).toEqual({ reason: 'idle', ticks: 500 - machine.ticks });
  machine.idle(500 - machine.ticks);
  expect(finish(machine)).toEqual({ stop: { reason: 'off', code: 0 }, text: 'hello\n' });
  expect(machine.counters).toMatchObject({ interrupts: 1, traps: 0 });
});

test.each([1, 3])('a guest computes in supervisor mode with paging, on %d harts', (harts) => {
  expect(finish(make(sieveGuest, { harts }))).toEqual({ stop: { reason: 'off', code: 0 }, text: '08d6' });
});

test.each(['interpret', 'compile'] as const)('how calls of run are cut does not show: %s', (engine) => {
  const whole = make(sieveGuest, { engine });
  const cut = make(sieveGuest, { engine });
  finish(whole);
  finish(cut, 777);
  expect(cut.counters.instructions).toBe(whole.counters.instructions);
  expect(registerOf(cut)).toEqual(registerOf(whole));
});

test('a machine that was saved goes on where it was', () => {
  const twin = make(sieveGuest);
  const source = make(sieveGuest);
  twin.run(100_000);
  source.run(100_000);
  const state = JSON.parse(JSON.stringify(source.saveState()));
  twin.saveState();
  const target = createMachine(source.config, state);
  for (let page = 0; page < source.pages; page++) target.writePage(page, source.readPage(page));
  expect(finish(target)).toEqual(finish(twin));
  expect(target.saveState()).toEqual(twin.saveState());
});

test('a page that is not there stops the run until it is given', () => {
  const twin = make(sieveGuest);
  const machine = make(sieveGuest);
  machine.run(50_000);
  const pages = Array.from({ length: machine.pages }, (_, page) => machine.readPage(page));
  for (const page of pages.keys()) machine.forgetPage(page);
  const asked: number[] = [];
  for (;;) {
    const stop = machine.run(1e6);
    if (stop.reason !== 'page') break;
    asked.push(stop.page);
    machine.writePage(stop.page, pages[stop.page]!);
  }
  // Code, the page table, and the part of the flags that the loop still reads and writes.
  expect(asked.length).toBeGreaterThan(4);
  expect(new Set(asked).size).toBe(asked.length);
  finish(twin);
  expect(machine.counters.instructions).toBe(twin.counters.instructions);
  expect(Buffer.from(machine.takeConsole()).toString()).toBe('08d6');
});

test('the log names the pages that were written', () => {
  const machine = make(sieveGuest);
  machine.run(5_000);
  machine.startDirtyLog();
  machine.run(20_000);
  const first = machine.takeDirty();
  const copy = first.map((page) => machine.readPage(page));
  expect(first.length).toBeGreaterThan(0);
  const before = Array.from({ length: machine.pages }, (_, page) =>
    Buffer.from(machine.readPage(page)).toString('hex'),
  );
  machine.run(20_000);
  const changed = before.flatMap((hex, page) =>
    Buffer.from(machine.readPage(page)).toString('hex') === hex ? [] : [page],
  );
  const second = machine.takeDirty();
  expect(changed.filter((page) => !second.includes(page))).toEqual([]);
  expect(copy).not.toEqual(first.map((page) => machine.readPage(page)));
  expect([...second].sort((a, b) => a - b)).toEqual(second);
  expect(machine.takeDirty()).toEqual([]);
});

test.each<[string, readonly number[], string]>([
  ['an instruction that is none, and no handler', [0], 'trap 1 in the first instruction of its trap handler at 0x0'],
  ['a jump to nowhere', [0x0000_0067], 'trap 1 in the first instruction of its trap handler at 0x0'],
  [
    'a handler that is no instruction',
    [0x0000_0297, 0x0102_8293, 0x3052_9073, 0, 0],
    'trap 2 in the first instruction of its trap handler at 0x80000010',
  ],
])('a lost guest says why: %s', (_, words, message) => {
  const stop = make(elfOfWords(words)).run(1000);
  expect(stop).toEqual({ reason: 'fault', message: expect.stringContaining(message) });
});

test('an endless loop uses its budget and nothing else', () => {
  const machine = make(elfOfWords([0x0000_006f]));
  expect(machine.run(12_345)).toEqual({ reason: 'budget' });
  expect(machine.counters.instructions).toBe(12_345);
});

test('a console that floods stops the machine until it is taken', () => {
  // lui a0, 0x10000; sb a0, 0(a0); j -4
  const machine = make(elfOfWords([0x1000_0537, 0x00a5_0023, 0xffdf_f06f]));
  let taken = 0;
  while (machine.run(1e6).reason !== 'output');
  expect(machine.run(1e6)).toEqual({ reason: 'output' });
  taken += machine.takeConsole().length;
  expect(taken).toBe(65_536);
  expect(machine.run(100)).toEqual({ reason: 'budget' });
});

test('a machine that asks to be started again says so', () => {
  // lui a0, 0x100; lui a1, 7; addi a1, a1, 0x777; sw a1, 0(a0)
  expect(make(elfOfWords([0x0010_0537, 0x0000_75b7, 0x7775_8593, 0x00b5_2023])).run(10)).toEqual({ reason: 'reset' });
});

test.each<[string, Partial<MachineConfig>, string]>([
  ['half a page', { memory: MIB + 2048 }, 'Cannot make a machine of 1050624 bytes: memory is whole pages'],
  ['no memory', { memory: 0 }, 'Cannot make a machine of 0 bytes'],
  ['nine harts', { harts: 9 }, 'Cannot make a machine of 9 harts: it has 1 to 8'],
  ['a short MAC', { mac: new Uint8Array(4) }, 'Cannot use a MAC of 4 bytes'],
  ['an empty disk', { diskSectors: 0 }, 'Cannot make a disk of 0 sectors'],
])('a machine of %s is refused', (_, more, message) => {
  expect(() => make(sieveGuest, more)).toThrow(message);
});
