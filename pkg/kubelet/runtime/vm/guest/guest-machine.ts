/** The machine that a guest's thread makes of what it was told. */
import type { ModuleShelf } from '#pkg/vmm/compile/module-shelf.ts';
import { createMachine, type MachineTuning } from '#pkg/vmm/machine.ts';
import type { Machine, MachineConfig } from '#pkg/vmm/machine-contract.ts';
import type { GuestStart } from './protocol.ts';

const sectorBytes = 512;

/** What a thread starts its machines with: what it was told, and what it has of its own. */
export type ThreadStart = GuestStart & Pick<MachineTuning, 'discard'>;

/** What the machine of such a start is made of. */
export function machineConfig(start: GuestStart): MachineConfig {
  const { kernel, firmware, initrd, memoryBytes: memory, commandLine, disk, mac } = start;
  const disks = disk === undefined ? {} : { diskSectors: Math.floor(disk.length / sectorBytes) };
  const begins = {
    kernel,
    ...(firmware === undefined ? {} : { firmware }),
    ...(initrd === undefined ? {} : { initrd }),
  };
  return { memory, harts: 1, ...begins, commandLine, mac, ...disks, engine: 'compile' };
}

/** A machine that is about to run its kernel's first instruction; `modules`: what was compiled for others before. */
export function newMachine(start: ThreadStart, modules?: ModuleShelf): Machine {
  return createMachine(machineConfig(start), undefined, { ...start, ...(modules === undefined ? {} : { modules }) });
}
