/**
 * A guest's kernel that is interpreted: the monitor fetches each instruction and does it, so the hart never runs one in mode U, and it is no matter whether a sensitive one would
 * trap there. What is not sensitive is done by the hart's own table of instructions on the guest's registers, loads and stores by the guest's shadow tables with the rights
 * of mode U (MPRV), so that their faults are the monitor's as ever. Popek and Goldberg's hybrid monitor (1974, theorem 3).
 */
import type { PageCode } from '../isa/code-cache.ts';
import type { Instruction } from '../isa/instruction.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import type { Deprivileged } from './deprivileged.ts';
import type { Code, Ran } from './guest-code.ts';

/** Formats of instructions that are the system's, of which only fences of memory are as plain as arithmetic. */
const system: ReadonlySet<string> = new Set(['exact', 'csr', 'sfence']);

/** Interprets the kernel of one guest. */
export class Interpreted implements Code {
  private readonly guest: Deprivileged;
  /** Pages of code by the guest's page number. Holds what the guest's tables say: emptied when they, or how they are looked at, change. */
  private readonly pages = new Map<number, PageCode>();

  constructor(guest: Deprivileged) {
    this.guest = guest;
  }

  /** Runs the kernel from `pc` up to so many instructions, to the first that faults or is the system's. */
  run(pc: bigint, instructions: number): Ran {
    const { machine, tally } = this.guest.parts;
    machine.actAsUser(this.guest.satp);
    machine.jump(pc);
    for (let left = instructions; left > 0; left--) {
      const instruction = this.fetch();
      if (instruction === undefined) {
        this.guest.trapAtFetch(machine.pc);
        return { kind: 'trapped' };
      }
      if (system.has(instruction.operation.format)) return { kind: 'system', pc: machine.pc, instruction };
      if (!machine.execute(instruction)) return { kind: 'trapped' };
      tally.interpret(instruction.raw);
      // A device that was passed through may have switched the machine off.
      if (machine.devices.code !== undefined) break;
    }
    return { kind: 'spent', pc: machine.pc };
  }

  enter(pc: bigint): bigint {
    return pc;
  }

  stopped(at: bigint): { readonly pc: bigint } {
    return { pc: at };
  }

  /** What was decoded of a page is forgotten by the memory itself when it is written. */
  watches(): boolean {
    return false;
  }

  written(): void {}

  moved(): void {
    this.pages.clear();
  }

  remapped(): void {
    this.pages.clear();
  }

  reserves(): boolean {
    return false;
  }

  traced(): void {}

  storedToTable(): void {}

  private fetch(): Instruction | undefined {
    const { machine } = this.guest.parts;
    const { pcLo, pcHi } = machine.hart;
    const number = pcHi * 0x10_0000 + (pcLo >>> 12);
    const known = this.pages.get(number);
    const code = known?.isValid === true ? known : this.find(number);
    const instruction = code === undefined ? undefined : machine.code.instructionAt(code, pcLo & (PAGE_SIZE - 1));
    // One that crosses into the next page is kept with neither.
    return instruction ?? this.guest.fetch(machine.pc);
  }

  private find(number: number): PageCode | undefined {
    const { machine, ram } = this.guest.parts;
    const place = this.guest.codePlace(machine.pc);
    if (place === undefined) return undefined;
    const code = machine.code.pageAt(ram.physical(place.address));
    // Pages with code are no longer written freely.
    machine.hart.mmu.refresh();
    this.pages.set(number, code);
    return code;
  }
}
