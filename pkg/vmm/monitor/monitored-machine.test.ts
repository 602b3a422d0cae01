/** A guest under a monitor as a machine of a node: its console, its pages and its counters are those of the monitor, and it stays where it is. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { MachineConfig } from '../machine-contract.ts';
import { readChoice, ways } from './choices.ts';
import { createMonitor } from './monitor.ts';
import { createMonitoredMachine } from './monitored-machine.ts';

const MEMORY = 4 << 20;
const parameters = [200, 300, 200, 4];

function kernelOf(way: string): Uint8Array {
  const name = way === 'paravirtual' ? 'ported' : 'pages';
  return readFileSync(join(import.meta.dirname, `../guests/pages/${name}.elf`));
}

function make(name: string) {
  const choice = readChoice(name);
  if (typeof choice === 'string') throw new Error(choice);
  const config: MachineConfig = {
    ...{ memory: MEMORY, harts: 1, kernel: kernelOf(choice.way), commandLine: '', engine: 'compile' },
  };
  return { choice, config, machine: createMonitoredMachine(config, { choice, parameters }) };
}

test.each([...ways, 'trap/software'])('under %s it runs slice by slice to the same end', (name) => {
  const { choice, config, machine } = make(name);
  const monitor = createMonitor({ ...choice, guest: config.kernel, memory: MEMORY, parameters });
  const outcome = monitor.run(1_000_000);
  let printed = '';
  let stop = machine.run(1000);
  for (; stop.reason === 'budget'; stop = machine.run(1000)) printed += Buffer.from(machine.takeConsole()).toString();
  printed += Buffer.from(machine.takeConsole()).toString();
  expect({ stop, printed }).toEqual({ stop: outcome, printed: monitor.console });
  const { exits, instructions, walkReferences, monitor: others } = machine.counters;
  expect(exits).toEqual(monitor.counters.exits);
  expect(monitor.counters).toMatchObject({ walkReferences, ...others });
  expect([others?.blocksTranslated, others?.blocksChained].map((count) => count !== 0)).toEqual([
    choice.way === 'translate',
    choice.way === 'translate',
  ]);
  expect(instructions).toBe(monitor.counters.instructions + monitor.counters.interpreted);
  const memory = Buffer.concat(Array.from({ length: machine.pages }, (_, page) => machine.readPage(page)));
  expect(Buffer.compare(memory, monitor.memory())).toBe(0);
  expect(machine.takeConsole()).toHaveLength(0);
});

test('what it has not is said: it takes no frame, asks for no disk, and is neither moved nor saved', () => {
  const { machine } = make('trap');
  expect([machine.deliverFrame(new Uint8Array(60)), machine.takeFrames(), machine.takeDiskRequests()]).toEqual([
    false,
    [],
    [],
  ]);
  const refusals = [
    () => machine.saveState(),
    () => machine.startDirtyLog(),
    () => machine.forgetPage(0),
    () => machine.writePage(0, new Uint8Array(4096)),
  ];
  for (const refusal of refusals) expect(refusal).toThrow('a machine under a monitor stays where it is');
});
