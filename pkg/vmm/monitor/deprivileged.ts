/**
 * What trap-and-emulate and binary translation have in common: the guest, its kernel too, runs in mode U of the hart behind shadow tables, or a translation buffer that the monitor fills, and this answers
 * each trap, by doing what the hart would have done for the guest. Where the guest's kernel really executes is a `Code`: the guest's own instructions, or ones made of them.
 */
import { hiOf, loOf, USER } from '../hart/hart-state.ts';
import { decode } from '../isa/decode.ts';
import type { Instruction } from '../isa/instruction.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import {
  accessFaults,
  deviceFault,
  isAcross,
  pageFaults,
  pageTouches,
  storeDevice,
  transferAddress,
  transferOf,
  useDevice,
} from './access.ts';
import type { ExitEvent, ExitReason, Io, Outcome, Target } from './contract.ts';
import type { Code, Ran, Stopped } from './guest-code.ts';
import { entryOf, type Found, type GuestRam, type Touch, type View } from './guest-tables.ts';
import type { PhysicalMachine } from './physical.ts';
import { doPrivileged } from './privileged.ts';
import type { Tally } from './tally.ts';
import { TracedPages } from './traced-pages.ts';
import type { Translations } from './translations.ts';
import type { VirtualRegisters } from './virtual-registers.ts';

const ILLEGAL = 2;
const BREAKPOINT = 3;
const SYSCALL = 8;

type Page = Found & { readonly kind: 'page' };

/** What a deprivileged guest is made of. */
export interface Parts {
  readonly machine: PhysicalMachine;
  readonly ram: GuestRam;
  readonly registers: VirtualRegisters;
  readonly translations: Translations;
  readonly tally: Tally;
  readonly io: Io;
  readonly pc: bigint;
}

/** A guest that runs in mode U. */
export class Deprivileged {
  readonly translations: Translations;
  readonly parts: Parts;
  private readonly pages: TracedPages;
  private code: Code | undefined;
  private pc: bigint;
  private inGuest = false;
  private lost: string | undefined;

  constructor(parts: Parts) {
    this.parts = parts;
    this.pc = parts.pc;
    this.translations = parts.translations;
    this.pages = new TracedPages(parts.ram, (page) => this.translations.forgetFrame(page));
  }

  /** To be called once, before it runs. */
  useCode(code: Code): void {
    this.code = code;
  }

  /** How the guest looks at its memory now. */
  get view(): View {
    const { registers } = this.parts;
    return { satp: registers.get('satp'), kernel: registers.kernel, ...registers.rights };
  }

  run(instructions: number): Outcome {
    const { machine, registers } = this.parts;
    const end = this.done + instructions;
    for (;;) {
      if (machine.devices.code !== undefined) return { reason: 'off', code: machine.devices.code };
      if (this.lost !== undefined) return { reason: 'fault', message: this.lost };
      const left = end - this.done;
      if (left <= 0) return { reason: 'budget' };
      if (registers.kernel && this.code?.run !== undefined) {
        this.interpret(this.code.run(this.pc, left));
        continue;
      }
      const isOut = this.inGuest ? machine.go(left) : this.enter(left);
      this.inGuest = !isOut;
      if (isOut && machine.devices.code === undefined) this.exit();
    }
  }

  /** Instructions of the guest so far, the hart's and the monitor's, and those of the monitor's that trapped. */
  private get done(): number {
    const { machine, tally } = this.parts;
    return machine.hart.executed + tally.interpreted + tally.trapped;
  }

  private interpret(ran: Ran): void {
    if (ran.kind === 'trapped') {
      this.parts.tally.trapped++;
      if (this.parts.machine.devices.code === undefined) this.exit();
      return;
    }
    this.pc = ran.pc;
    if (ran.kind === 'spent') return;
    const { instruction } = ran;
    this.parts.tally.interpret(instruction.raw);
    if (instruction.operation.name === 'ebreak') this.pass(BREAKPOINT, 0n);
    else if (instruction.operation.name === 'ecall') this.stop('calls firmware, of which it has none');
    else this.system(instruction);
  }

  /** Bytes of the guest's code at an address, as an instruction; undefined if they cannot be fetched. */
  fetch(pc: bigint): Instruction | undefined {
    const low = this.half(pc);
    if (low === undefined) return undefined;
    if ((low & 3) !== 3) return decode(low);
    const high = this.half(pc + 2n);
    return high === undefined ? undefined : decode(low | (high << 16));
  }

  /** Where an address of the guest's code is in its memory, and the entry that led there. */
  codePlace(pc: bigint): { readonly address: number; readonly entry: number } | undefined {
    const found = this.parts.ram.find(this.view, pc, 'execute');
    return found.kind === 'page' && this.parts.ram.holds(found.address, 2) ? found : undefined;
  }

  /** Has the hart take the trap of a fetch at `pc` that the guest's tables do not allow. */
  trapAtFetch(pc: bigint): void {
    const at = this.codePlace(pc) === undefined ? pc : pc + 2n;
    this.parts.machine.jump(pc);
    this.parts.machine.trap(pageFaults.execute, { lo: loOf(at), hi: hiOf(at) });
  }

  private half(pc: bigint): number | undefined {
    const { ram, machine } = this.parts;
    const address = this.codePlace(pc)?.address;
    return address === undefined
      ? undefined
      : machine.memory.view.getUint16(machine.memory.readable(ram.physical(address)), true);
  }

  /** The same as a name. */
  get viewName(): string {
    const { satp, kernel, sum, mxr } = this.view;
    return `${satp}/${kernel ? 'kernel' : 'user'}${sum && kernel ? '+sum' : ''}${mxr ? '+mxr' : ''}`;
  }

  /** How the hart looks at memory as the guest does now. */
  get satp(): bigint {
    return this.translations.satp(this.viewName);
  }

  private enter(instructions: number): boolean {
    const { machine, registers } = this.parts;
    const pc = registers.kernel && this.code !== undefined ? this.code.enter(this.pc) : this.pc;
    if (pc === undefined) {
      this.trapAtFetch(this.pc);
      this.parts.tally.trapped++;
      return true;
    }
    const { satp } = this;
    if (machine.hart.csr.satp !== satp) {
      machine.hart.csr.satp = satp;
      machine.hart.mmu.flush();
    }
    return machine.resume({ pc, mode: USER, virtual: false }, instructions);
  }

  private exit(): void {
    const { machine, registers, tally } = this.parts;
    const cause = Number(machine.csr('mcause'));
    const at = machine.csr('mepc');
    const { kernel } = registers;
    const stopped: Stopped = kernel && this.code !== undefined ? this.code.stopped(at, cause) : { pc: at };
    this.pc = stopped.pc;
    if (stopped.request === 'code') tally.exit('untranslated', { cause, kernel, atEnd: true });
    else if (stopped.request === 'log') tally.exit('log-full', { cause, kernel, target: 'log' });
    else if (stopped.request === 'instruction')
      this.callOut({ cause, kernel }, stopped.instruction ?? this.fetch(this.pc));
    else if (pageTouches[cause] !== undefined) this.fault({ cause, kernel }, pageTouches[cause]);
    else if (cause === ILLEGAL && kernel) this.illegal({ cause, kernel });
    else if (cause === SYSCALL && kernel) this.stop('calls firmware, of which it has none');
    else {
      const word = cause === ILLEGAL ? Number(machine.csr('mtval')) : undefined;
      tally.exit(cause === SYSCALL ? 'syscall' : 'reflected', { cause, kernel, word });
      this.pass(cause, machine.csr('mtval'));
    }
  }

  /** Has the guest's kernel take a trap. */
  private pass(cause: number, value: bigint): void {
    const { registers } = this.parts;
    this.pc = registers.enterTrap({ cause, pc: this.pc, value });
    this.code?.moved(registers.get('satp'));
  }

  private stop(what: string): void {
    this.lost = `the guest ${what}, at 0x${this.pc.toString(16)}`;
  }

  private illegal(event: Partial<ExitEvent>): void {
    const word = Number(this.parts.machine.csr('mtval'));
    this.privileged(decode(word), { ...event, word }, 'trap');
  }

  private callOut(event: Partial<ExitEvent>, instruction: Instruction | undefined): void {
    if (instruction === undefined) {
      this.stop('runs code that is no longer there');
      return;
    }
    const { name } = instruction.operation;
    const word = instruction.raw;
    if (name === 'ebreak' || name === 'ecall') {
      this.parts.tally.exit('call-out', { ...event, word });
      if (name === 'ebreak') this.pass(BREAKPOINT, 0n);
      else this.stop('calls firmware, of which it has none');
      return;
    }
    if (transferOf(instruction)?.kind === 'store') this.calledStore(instruction, event);
    else this.privileged(instruction, { ...event, word }, 'call');
  }

  private privileged(instruction: Instruction, event: Partial<ExitEvent>, how: 'trap' | 'call'): void {
    const reason = this.system(instruction);
    this.parts.tally.exit(how === 'call' ? 'call-out' : reason, event);
  }

  /** Does an instruction of the system; says what it was, `reflected` where it is illegal. */
  private system(instruction: Instruction): ExitReason {
    const { machine, registers } = this.parts;
    const done = doPrivileged(machine.hart, registers, instruction, this.pc);
    if (done.kind === 'illegal') {
      this.pass(ILLEGAL, BigInt(instruction.raw >>> 0) & (instruction.length === 2 ? 0xffffn : 0xffff_ffffn));
      return 'reflected';
    }
    this.pc = done.next;
    if (!this.translations.followsTables) {
      // What the guest's tables said may be forgotten here alone: the hart's own buffers are, too.
      if (done.changes === 'root' || done.reason === 'fence') this.forgetTables();
    } else if (done.changes === 'root' && this.pages.useRoot(registers.get('satp'))) this.translations.forgetAll();
    if (done.changes !== 'nothing') this.code?.moved(registers.get('satp'));
    return done.reason;
  }

  private forgetTables(): void {
    this.translations.forgetAll();
    this.code?.remapped(undefined);
  }

  private missReason(): ExitReason {
    return this.translations.followsTables ? 'shadow-fault' : 'buffer-fill';
  }

  private fault(event: Partial<ExitEvent>, touch: Touch): void {
    const { machine, ram, tally } = this.parts;
    const virtual = machine.csr('mtval');
    const found = ram.find(this.view, virtual, touch);
    const target = this.targetOf(found, touch);
    if (found.kind !== 'page' || target === 'refused') {
      tally.exit('reflected', { ...event, target });
      this.pass(found.kind === 'page-fault' ? pageFaults[touch] : accessFaults[touch], virtual);
    } else if (target === 'memory') {
      tally.exit(this.missReason(), { ...event, target });
      this.fill(virtual, found);
    } else this.transfer({ ...event, target }, found);
  }

  private targetOf(found: Found, touch: Touch): Target {
    const { ram, machine } = this.parts;
    if (found.kind !== 'page') return 'refused';
    const page = found.address - (found.address % PAGE_SIZE);
    if (ram.holds(found.address, 1)) {
      const isWatched = this.pages.has(page) || this.code?.watches(page) === true;
      return touch === 'write' && isWatched ? 'traced' : 'memory';
    }
    return machine.devices.has(found.address) && touch !== 'execute' ? 'device' : 'refused';
  }

  private fill(virtual: bigint, found: Page): void {
    if (this.view.kernel && this.code?.reserves(virtual) === true) {
      this.stop(
        `maps 0x${virtual.toString(16)}, which is where the monitor keeps its own while the guest's kernel runs`,
      );
      return;
    }
    const page = found.address - (found.address % PAGE_SIZE);
    const isWatched = this.pages.has(page) || this.code?.watches(page) === true;
    const rights = isWatched ? { ...found.rights, write: false } : found.rights;
    this.translations.map(this.viewName, virtual, {
      entry: found.entry,
      frame: page,
      physical: this.parts.ram.physical(page),
      rights,
    });
  }

  /** A device's load or store, or a store to a traced page: done here. */
  private transfer(event: Partial<ExitEvent> & { readonly target: Target }, found: Page): void {
    const { machine, tally, io } = this.parts;
    const { address } = found;
    if (event.target === 'device' && io === 'passthrough') {
      tally.exit(this.missReason(), event);
      const rights = { ...found.rights, execute: false };
      const place = { entry: found.entry, frame: -1, physical: address - (address % PAGE_SIZE), rights };
      this.translations.map(this.viewName, machine.csr('mtval'), place);
      return;
    }
    const instruction = this.fetch(this.pc);
    const transfer = instruction === undefined ? undefined : transferOf(instruction);
    tally.exit(event.target === 'device' ? 'device' : 'traced-write', { ...event, word: instruction?.raw });
    if (instruction === undefined || transfer === undefined) {
      this.stop('reaches a device or a table in a way that no monitor here can do for it (an atomic access)');
    } else if (event.target === 'device') {
      if (useDevice(machine, { instruction, transfer, address })) this.pc += BigInt(instruction.length);
      else this.pass(deviceFault(transfer), machine.csr('mtval'));
    } else {
      this.code?.traced(this.pc);
      if (isAcross(machine.hart, instruction, transfer)) this.storeAcross(instruction, transfer.size);
      else {
        this.store(address, transfer.size, machine.hart.big(instruction.rs2));
        this.pc += BigInt(instruction.length);
      }
    }
  }

  /** A store that translated code calls out for, as it was to a traced page before. */
  private calledStore(instruction: Instruction, event: Partial<ExitEvent>): void {
    const { machine, ram, tally } = this.parts;
    const virtual = transferAddress(machine.hart, instruction);
    const found = ram.find(this.view, virtual, 'write');
    const target = this.targetOf(found, 'write');
    tally.exit('call-out', { ...event, word: instruction.raw, target });
    const size = transferOf(instruction)?.size ?? 8;
    if (isAcross(machine.hart, instruction, { size })) {
      this.storeAcross(instruction, size);
      return;
    }
    if (found.kind !== 'page' || target === 'refused') {
      this.pass(found.kind === 'page-fault' ? 15 : accessFaults.write, virtual);
      return;
    }
    if (!this.store(found.address, size, machine.hart.big(instruction.rs2))) {
      this.pass(accessFaults.write, virtual);
      return;
    }
    const table = found.address - (found.address % PAGE_SIZE);
    const changedItself = found.entry + 8 > found.address && found.entry < found.address + size;
    if (this.pages.isLowest(table) && !changedItself)
      this.code?.storedToTable({ pc: this.pc, virtual, table, entry: found.entry });
    this.pc += BigInt(instruction.length);
  }

  /** Both parts of a store to two pages, or the fault of one of them and neither. */
  private storeAcross(instruction: Instruction, size: number): void {
    const { machine, ram } = this.parts;
    const virtual = transferAddress(machine.hart, instruction);
    const value = machine.hart.big(instruction.rs2);
    const first = PAGE_SIZE - Number(virtual & 0xfffn);
    const found: number[] = [];
    for (const at of [virtual, BigInt.asUintN(64, virtual + BigInt(first))]) {
      const place = ram.find(this.view, at, 'write');
      if (place.kind !== 'page' || !ram.holds(place.address, 1)) {
        this.pass((place.kind === 'page-fault' ? pageFaults : accessFaults).write, at);
        return;
      }
      found.push(place.address);
    }
    const [low = 0, high = 0] = found;
    this.store(low, first, value);
    this.store(high, size - first, value >> BigInt(8 * first));
    this.pc += BigInt(instruction.length);
  }

  /** Stores for the guest, or as one of its devices; false where nothing answers. */
  store(address: number, size: number, value: bigint): boolean {
    const { machine, ram } = this.parts;
    if (!ram.holds(address, size)) return storeDevice(machine.devices, address, size, value);
    const first = address - (address % 8);
    const entries = first + 8 < address + size ? [first, first + 8] : [first];
    const words = entries.map((entry) => machine.read64(ram.physical(entry)));
    const at = machine.memory.writable(ram.physical(address), size);
    if (size === 8) machine.memory.view.setBigUint64(at, value, true);
    else
      for (let index = 0; index < size; index++)
        machine.memory.view.setUint8(at + index, Number((value >> BigInt(8 * index)) & 0xffn));
    const page = address - (address % PAGE_SIZE);
    if (this.code?.watches(page) === true) this.code.written(page);
    if (!this.pages.has(page)) return true;
    for (const [index, entry] of entries.entries()) {
      this.translations.forgetEntry(entry);
      this.code?.remapped(entry);
      if (!this.pages.changed(entry, entryOf(words[index] ?? 0n))) continue;
      this.translations.forgetAll();
      this.code?.remapped(undefined);
    }
    return true;
  }
}
