/**
 * Guests on the hart's own terms: without a monitor, in mode S, or with the hypervisor extension, in mode VS behind nested tables that this fills as the guest
 * touches pages for the first time. What the guest's kernel does with its registers, its tables and its traps is the hart's, and no exit.
 */
import { SUPERVISOR } from '../hart/hart-state.ts';
import { decode } from '../isa/decode.ts';
import type { Instruction } from '../isa/instruction.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import { accessFaults, deviceFault, transferOf, useDevice } from './access.ts';
import type { Io, Outcome } from './contract.ts';
import { bit, type GuestRam, type Touch } from './guest-tables.ts';
import type { PhysicalMachine } from './physical.ts';
import type { Tally } from './tally.ts';

/** Traps that a kernel takes itself: all but the calls of firmware, and what only a hypervisor has. */
const KERNELS = 0xb1ffn;
const ILLEGAL = 2;
const FIRMWARE = 10;
const VIRTUAL_INSTRUCTION = 22;
const touches: Readonly<Record<number, Touch>> = { 20: 'execute', 21: 'read', 23: 'write' };

/** What a guest on the hart is made of. */
export interface HartParts {
  readonly machine: PhysicalMachine;
  readonly ram: GuestRam;
  readonly tally: Tally;
  readonly io: Io;
  readonly pc: bigint;
}

/** A guest in mode S: the machine is its own. */
export class Native {
  private readonly parts: HartParts;
  private isStarted = false;

  constructor(parts: HartParts) {
    this.parts = parts;
    const { hart } = parts.machine;
    hart.hypervisor = undefined;
    hart.csr.medeleg = KERNELS;
    hart.csr.mideleg = 0x222n;
  }

  run(instructions: number): Outcome {
    const { machine, pc } = this.parts;
    const isOut = this.isStarted
      ? machine.go(instructions)
      : machine.resume({ pc, mode: SUPERVISOR, virtual: false }, instructions);
    this.isStarted = true;
    if (machine.devices.code !== undefined) return { reason: 'off', code: machine.devices.code };
    if (!isOut) return { reason: 'budget' };
    return { reason: 'fault', message: faultOf(machine) };
  }
}

function faultOf(machine: PhysicalMachine): string {
  const what =
    Number(machine.csr('mcause')) === 9
      ? 'calls firmware, of which it has none'
      : `traps with ${machine.csr('mcause')}`;
  return `the guest ${what}, at 0x${machine.csr('mepc').toString(16)}`;
}

/** A guest in mode VS. */
export class Nested {
  private readonly parts: HartParts;
  private readonly root: number;
  private pc: bigint;
  private mode = SUPERVISOR;
  private inGuest = false;
  private lost: string | undefined;

  constructor(parts: HartParts) {
    this.parts = parts;
    this.pc = parts.pc;
    this.root = parts.machine.takePages(4);
    const { hart } = parts.machine;
    const { hypervisor } = hart;
    if (hypervisor === undefined) throw new TypeError('the machine has no hypervisor extension');
    hart.csr.medeleg = KERNELS;
    hypervisor.csr.hedeleg = KERNELS;
    hypervisor.csr.hgatp = (8n << 60n) | BigInt(this.root / PAGE_SIZE);
  }

  run(instructions: number): Outcome {
    const { machine } = this.parts;
    const end = machine.hart.executed + instructions;
    for (;;) {
      if (machine.devices.code !== undefined) return { reason: 'off', code: machine.devices.code };
      if (this.lost !== undefined) return { reason: 'fault', message: this.lost };
      const left = end - machine.hart.executed;
      if (left <= 0) return { reason: 'budget' };
      const place = { pc: this.pc, mode: this.mode, virtual: true };
      const isOut = this.inGuest ? machine.go(left) : machine.resume(place, left);
      this.inGuest = !isOut;
      if (isOut && machine.devices.code === undefined) this.exit();
    }
  }

  private exit(): void {
    const { machine, tally } = this.parts;
    const cause = Number(machine.csr('mcause'));
    this.pc = machine.csr('mepc');
    this.mode = Number((machine.csr('mstatus') >> 11n) & 3n);
    const kernel = this.mode === SUPERVISOR;
    const touch = touches[cause];
    if (touch !== undefined) this.fault(touch, { cause, kernel });
    else if (cause === VIRTUAL_INSTRUCTION) {
      tally.exit('reflected', { cause, kernel, word: Number(machine.csr('mtval')) });
      this.pass(ILLEGAL, machine.csr('mtval'));
    } else {
      tally.exit('reflected', { cause, kernel });
      this.stop(cause === FIRMWARE ? 'calls firmware, of which it has none' : `traps with ${cause}`);
    }
  }

  private stop(what: string): void {
    this.lost = `the guest ${what}, at 0x${this.pc.toString(16)}`;
  }

  /** Has the guest's kernel take a trap. */
  private pass(cause: number, value: bigint): void {
    const { hypervisor } = this.parts.machine.hart;
    if (hypervisor === undefined) return;
    const { csr } = hypervisor;
    const enabled = (csr.vsstatus & 2n) !== 0n ? 1n << 5n : 0n;
    csr.vsepc = this.pc;
    csr.vscause = BigInt(cause);
    csr.vstval = value;
    csr.vsstatus = (csr.vsstatus & ~0x122n) | enabled | (this.mode === SUPERVISOR ? 1n << 8n : 0n);
    this.mode = SUPERVISOR;
    this.pc = csr.vstvec & ~3n;
  }

  private fault(touch: Touch, event: { readonly cause: number; readonly kernel: boolean }): void {
    const { machine, ram, tally, io } = this.parts;
    const { hypervisor } = machine.hart;
    // The page's number is in mtval2, what is within the page in mtval. A fault of a table has an address of its own.
    const shifted = Number(hypervisor?.csr.mtval2 ?? 0n) * 4;
    const isTable = (hypervisor?.csr.mtinst ?? 0n) !== 0n;
    const address = shifted - (shifted % 4) + (isTable ? 0 : Number(machine.csr('mtval') & 3n));
    if (ram.holds(address, 1)) {
      tally.exit('nested-fault', { ...event, target: 'memory' });
      this.map(address, ram.physical(address), bit.R | bit.W | bit.X);
    } else if (isTable || !machine.devices.has(address) || touch === 'execute') {
      tally.exit('reflected', { ...event, target: 'refused' });
      this.pass(accessFaults[touch], machine.csr('mtval'));
    } else if (io === 'passthrough') {
      tally.exit('nested-fault', { ...event, target: 'device' });
      this.map(address, address, bit.R | bit.W);
    } else this.device(address, event);
  }

  private map(address: number, physical: number, rights: number): void {
    const { machine } = this.parts;
    let table = this.root;
    for (let level = 2; level > 0; level--) {
      const reach = PAGE_SIZE * 512 ** level;
      const at = table + (Math.floor(address / reach) % (level === 2 ? 2048 : 512)) * 8;
      const word = machine.read64(at);
      if (word !== 0n) table = Number(word >> 10n) * PAGE_SIZE;
      else {
        table = machine.takePages();
        machine.write64(at, (BigInt(table / PAGE_SIZE) << 10n) | BigInt(bit.V));
      }
    }
    const leaf = table + (Math.floor(address / PAGE_SIZE) % 512) * 8;
    const bits = bit.V | bit.U | bit.A | bit.D | rights;
    machine.write64(leaf, (BigInt(Math.floor(physical / PAGE_SIZE)) << 10n) | BigInt(bits));
  }

  private device(address: number, event: { readonly cause: number; readonly kernel: boolean }): void {
    const { machine, tally } = this.parts;
    const instruction = this.fetch();
    const transfer = instruction === undefined ? undefined : transferOf(instruction);
    tally.exit('device', { ...event, target: 'device', word: instruction?.raw });
    if (instruction === undefined || transfer === undefined) {
      this.stop('reaches a device in a way that no monitor here can do for it (an atomic access)');
      return;
    }
    if (useDevice(machine, { instruction, transfer, address })) this.pc += BigInt(instruction.length);
    else this.pass(deviceFault(transfer), machine.csr('mtval'));
  }

  /** The guest's instruction, found as the hart finds it: through the guest's own tables. */
  private fetch(): Instruction | undefined {
    const low = this.half(this.pc);
    if (low === undefined || (low & 3) !== 3) return low === undefined ? undefined : decode(low);
    const high = this.half(this.pc + 2n);
    return high === undefined ? undefined : decode(low | (high << 16));
  }

  private half(pc: bigint): number | undefined {
    const { machine, ram } = this.parts;
    const view = {
      satp: machine.hart.hypervisor?.csr.vsatp ?? 0n,
      kernel: this.mode === SUPERVISOR,
      sum: false,
      mxr: false,
    };
    const found = ram.find(view, pc, 'execute');
    if (found.kind !== 'page' || !ram.holds(found.address, 2)) return undefined;
    return machine.memory.view.getUint16(machine.memory.readable(ram.physical(found.address)), true);
  }
}
