/** The built-in kernel gives pages to its host and takes them back, in a machine of its own as beside others. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FrameBank, newBank } from '../../frames/frame-bank.ts';
import { NO_FRAME } from '../../frames/page-frames.ts';
import { newSeat } from '../../frames/seat.ts';
import { createMachine } from '../../machine.ts';
import type { Machine, MachineConfig } from '../../machine-contract.ts';

const config: MachineConfig = {
  memory: 4 << 20,
  harts: 1,
  kernel: readFileSync(new URL('../../guests/kernel/kernel.elf', import.meta.url)),
  commandLine: 'ip=10.0.2.15/24 port=8080',
  mac: Uint8Array.of(0x52, 0x54, 0, 0, 0, 1),
  engine: 'compile',
};

/** Has it run until it has nothing to do. */
function rest(machine: Machine): void {
  for (let stop = machine.run(10_000_000); stop.reason !== 'idle'; stop = machine.run(10_000_000))
    expect(stop.reason).toBe('output');
  machine.takeConsole();
}

test('a guest gives pages, which read as zeros, keeps some for itself, and takes back what it is let', () => {
  const seat = newSeat(newBank(8 << 20), { machine: 1, size: config.memory });
  const machines = [createMachine(config), createMachine(config, undefined, { seat })];
  const given = [0, 500, 100_000, 20, 0].map((wanted) => {
    const seen = machines.map((machine) => {
      machine.inflateTo(wanted);
      rest(machine);
      const pages = Array.from({ length: machine.pages }, (_, page) =>
        Buffer.from(machine.readPage(page)).toString('latin1'),
      );
      const state = JSON.stringify(machine.saveState().parts).replaceAll(/"(pageWalks|tlbMisses)":\d+/g, '');
      return { ballooned: machine.ballooned, state, pages: pages.join('') };
    });
    expect(seen[1]?.state).toBe(seen[0]?.state);
    expect(seen[1]?.pages === seen[0]?.pages).toBe(true);
    return seen[0]?.ballooned;
  });
  expect(given).toEqual([0, 500, expect.any(Number), 20, 0]);
  expect(given[2]).toBeGreaterThan(600);
  expect(given[2]).toBeLessThan(1024 - 64);
});

test('a machine that is saved with a balloon goes on with it', () => {
  const machine = createMachine(config);
  machine.inflateTo(300);
  rest(machine);
  const twin = createMachine(config, machine.saveState());
  for (let page = 0; page < machine.pages; page++) twin.writePage(page, machine.readPage(page));
  expect(twin.ballooned).toBe(300);
  twin.inflateTo(0);
  rest(twin);
  expect(twin.ballooned).toBe(0);
});

test('a guest gives pages also where others have left it none', () => {
  const bank = newBank(8 << 20);
  const machine = createMachine(config, undefined, { seat: newSeat(bank, { machine: 1, size: config.memory }) });
  rest(machine);
  const others = new FrameBank(bank);
  let thrown: unknown;
  try {
    for (;;) others.take(2);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBe(NO_FRAME);
  machine.inflateTo(500);
  rest(machine);
  expect(machine.ballooned).toBe(500);
});
