/** The firmware that boot images begin on, asked for everything by a kernel in supervisor mode (`guests/supervisor`); `tests/vm` has QEMU run the same. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createMachine } from './machine.ts';
import type { Machine, MachineConfig } from './machine-contract.ts';

const guest = (file: string): Uint8Array => readFileSync(new URL(`guests/${file}`, import.meta.url));

const make = (engine: MachineConfig['engine']): Machine =>
  createMachine({
    memory: 4 << 20,
    harts: 2,
    kernel: guest('supervisor/supervisor.image'),
    firmware: guest('firmware/firmware.elf'),
    commandLine: '',
    engine,
  });

const answers = `version 2000000, implementation 636f78
extensions 1 1 1 1 1 1 1 1 0 0
unknown -2 -2 -2
old
console outside -3 -3 -3, other -2
!
firmware's memory reads 0 by cause 5
timer early 0, late 0, off 0
states 0 1, of none -3
start: none -3, itself -6, at firmware -5, other 0: told 40, state 0, again -6
interrupt: 0, of none -3
fence: 0, all 0, code 0, of guests -2
translations: 11, then 22
programs read counters 7, on the other hart 7
stopped, started again 0: told 50
reset: -3, sleep: -3 -2
`;

test.each(['interpret', 'compile'] as const)('a kernel in supervisor mode is answered: %s', (engine) => {
  const machine = make(engine);
  let text = '';
  for (let turns = 0; turns < 2000; turns++) {
    const stop = machine.run(100_000);
    text += Buffer.from(machine.takeConsole()).toString();
    if (stop.reason === 'idle') machine.idle(stop.ticks ?? 1000);
    else if (stop.reason !== 'budget' && stop.reason !== 'output') {
      expect({ stop, text }).toEqual({ stop: { reason: 'off', code: 0 }, text: answers });
      return;
    }
  }
  throw new Error(`the guest does not come to an end: ${text}`);
});
