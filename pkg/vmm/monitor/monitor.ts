/** Makes a guest under a monitor, its way; see the contract. */
import { type KernelImage, readKernel } from '../boot/elf.ts';
import { MEMORY_BASE, PAGE_SIZE } from '../memory-map.ts';
import { checkGuest } from './check-guest.ts';
import type { Monitor, MonitorConfig, Outcome, Paging, Way } from './contract.ts';
import { Deprivileged } from './deprivileged.ts';
import { FilledBuffer } from './filled-buffer.ts';
import { ownCode } from './guest-code.ts';
import { GuestRam } from './guest-tables.ts';
import { type HartParts, Native, Nested } from './hardware.ts';
import { Interpreted } from './interpreted.ts';
import { Paravirtual } from './paravirtual.ts';
import { PhysicalMachine } from './physical.ts';
import { BackHalves, type FrontMemory, RingRegisters } from './ring.ts';
import { ShadowTables } from './shadow.ts';
import { Tally } from './tally.ts';
import { Translator } from './translator.ts';
import { VirtualRegisters } from './virtual-registers.ts';

/** The monitor's part of the machine: tables of all sorts, and translated code. */
const OWN = 16 << 20;

interface Guest {
  run(instructions: number): Outcome;
  /** There where pages of the guest are watched: stores to its memory as the guest does. */
  store?(address: number, size: number, value: bigint): boolean;
}

/** What all ways are made of. */
interface Made extends HartParts {
  readonly paging: Paging;
}

/** The ways by name. */
const makers: Readonly<Record<Way, (parts: Made, parameters: number) => Guest>> = {
  native: (parts) => new Native(parts),
  trap: (parts) => {
    const guest = deprivileged(parts, parts.machine.takePages());
    guest.useCode(ownCode);
    return guest;
  },
  translate: (parts) => {
    const state = parts.machine.takePages();
    const guest = deprivileged(parts, state + PAGE_SIZE / 2);
    guest.useCode(new Translator(guest, state));
    return guest;
  },
  hybrid: (parts) => {
    const guest = deprivileged(parts, parts.machine.takePages());
    guest.useCode(new Interpreted(guest));
    return guest;
  },
  paravirtual: (parts, parameters) => new Paravirtual(parts, parameters),
  hardware: (parts) => new Nested(parts),
};

function deprivileged({ paging, ...parts }: Made, registersAt: number): Deprivileged {
  const { machine } = parts;
  const translations = paging === 'software' ? new FilledBuffer(machine) : new ShadowTables(machine);
  return new Deprivileged({ ...parts, translations, registers: new VirtualRegisters(machine, registersAt) });
}

/** Makes a guest that is about to run its first instruction. */
export function createMonitor(config: MonitorConfig): Monitor {
  checkGuest(config);
  // Without a monitor the machine is the guest's, and begins where it does.
  const isNative = config.way === 'native';
  const machine = new PhysicalMachine(OWN, config.memory, isNative ? 'after' : 'before');
  const ram = new GuestRam(machine, machine.guestBase, config.memory);
  machine.hart.userStatus = config.userStatus ?? 'trapped';
  const tally = new Tally(machine, config.trace);
  const kernel = readKernel(config.guest, config.memory);
  load(machine, ram, kernel);
  for (const [index, value] of config.parameters.entries()) machine.hart.setBig(10 + index, BigInt(value));
  ram.onReference = () => tally.reference();
  const { paging = 'shadow' } = config;
  const io = isNative ? 'passthrough' : config.io;
  const parts = { machine, ram, tally, io, paging, pc: BigInt(kernel.entry) };
  const guest = makers[config.way](parts, config.parameters.length);
  if (io === 'split' && config.way !== 'paravirtual') {
    const registers = new RingRegisters(new BackHalves(machine, frontOf(guest, { machine, ram })));
    machine.devices.ring = (register, value) => registers.store(register, value);
  }
  return {
    get counters() {
      return tally.counters;
    },
    get console() {
      return machine.devices.console;
    },
    get deviceAccesses() {
      return machine.devices.accesses;
    },
    page: (index) =>
      machine.memory.copyOut(ram.physical(MEMORY_BASE + index * PAGE_SIZE), PAGE_SIZE) ?? new Uint8Array(PAGE_SIZE),
    run: (instructions) => guest.run(instructions),
    memory: () => machine.memory.copyOut(ram.physical(MEMORY_BASE), config.memory) ?? new Uint8Array(),
  };
}

/** The memory of a guest whose drivers know addresses as its machine has them. */
function frontOf(guest: Guest, { machine, ram }: Pick<Made, 'machine' | 'ram'>): FrontMemory {
  return {
    place: (address, bytes) =>
      (address % PAGE_SIZE) + bytes <= PAGE_SIZE && ram.holds(address, bytes) ? ram.physical(address) : undefined,
    put: (address, value) => {
      if (guest.store === undefined) machine.write64(ram.physical(address), value);
      else guest.store(address, 8, value);
    },
  };
}

function load(machine: PhysicalMachine, ram: GuestRam, { segments }: KernelImage): void {
  for (const { address, bytes } of segments) machine.memory.copyIn(ram.physical(address), bytes);
}
