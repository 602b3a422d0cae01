/**
 * One basic block of a guest's kernel made into code for mode U. An instruction stays as it is (identical), becomes others that do the same on the guest's registers in
 * the monitor's page (inline), or a `ebreak`, for which the monitor does it (call-out). The page is the last of the address space, so that it is reached by offsets from x0.
 */
import type { Instruction } from '../isa/instruction.ts';
import { addi, andi, BREAK, bne, branch, here, jr, ld, sd, T0, T1, T2 } from './encode.ts';
import { virtualName, virtualOffset } from './virtual-registers.ts';

/** Offsets from x0 of what is in the page: the guest's registers, what sequences saved, where an indirect jump goes, and the table of known places. */
export const page = { registers: -2048, saved: -1536, target: -1280, table: -1024 } as const;
/** Entries of the table of known places: 16 bytes each, the guest's address and where its code is. */
export const TABLE_ENTRIES = 32;

const INSTRUCTIONS_MAX = 24;
const branches: ReadonlySet<string> = new Set(['beq', 'bne', 'blt', 'bge', 'bltu', 'bgeu']);
const stores: ReadonlySet<string> = new Set(['sb', 'sh', 'sw', 'sd']);
/** Registers that are written as they are given. */
const plain: ReadonlySet<string> = new Set(['sscratch', 'scause', 'stval']);

/** What stands at a word: what of the guest it is for, and what a trap there asks for. */
export interface Site {
  readonly pc: bigint;
  readonly request?: 'instruction' | 'code' | 'target';
  /** What it is made of. */
  readonly instruction?: Instruction | undefined;
}

/** A block as words; the first is for those who come by the table. `exits` are words that become jumps to other blocks. */
export interface Block {
  readonly words: readonly number[];
  readonly sites: readonly Site[];
  readonly exits: readonly { readonly index: number; readonly pc: bigint }[];
  /** After the last instruction that it is made of. */
  readonly end: bigint;
}

/** What is asked of whoever knows the guest. */
export interface Source {
  fetch(pc: bigint): Instruction | undefined;
  /** A store that was found to be to traced pages. */
  isTraced(pc: bigint): boolean;
}

/** Makes a block of what begins at `pc`; undefined if nothing can be fetched there. */
export function translateBlock(source: Source, pc: bigint): Block | undefined {
  const maker = new BlockMaker();
  let at = pc;
  for (let count = 0; count < INSTRUCTIONS_MAX; count++) {
    const instruction = source.fetch(at);
    if (instruction === undefined) {
      if (count === 0) return undefined;
      break;
    }
    maker.pc = at;
    const next = at + BigInt(instruction.length);
    if (maker.add(instruction, next, source.isTraced(at))) return maker.finish(next);
    at = next;
    // The next page may be another one tomorrow.
    if (at % 4096n < 4n) break;
  }
  maker.leave(at);
  return maker.finish(at);
}

class BlockMaker {
  pc = 0n;
  private current: Instruction | undefined;
  private readonly words: number[] = [ld(T1, 0, page.saved + 8)];
  private readonly sites: Site[] = [{ pc: 0n }];
  private readonly exits: { index: number; pc: bigint }[] = [];
  private readonly literals: { index: number; value: bigint }[] = [];

  /** True if the block ends with it. */
  add(instruction: Instruction, next: bigint, isTraced: boolean): boolean {
    this.current = instruction;
    const { operation, word, rd, imm } = instruction;
    const { name, format } = operation;
    if (name === 'auipc') this.constant(rd, BigInt.asUintN(64, this.pc + BigInt(imm)));
    else if (name === 'jal') {
      this.constant(rd, next);
      this.leave(BigInt.asUintN(64, this.pc + BigInt(imm)));
      return true;
    } else if (name === 'jalr') {
      this.indirect(instruction, next);
      return true;
    } else if (branches.has(name)) {
      const target = BigInt.asUintN(64, this.pc + BigInt(imm));
      this.emit(branch(word, 8));
      this.leave(next);
      this.leave(target);
      return true;
    } else if ((stores.has(name) && isTraced) || name === 'illegal' || format === 'exact' || format === 'sfence') {
      return this.callOut();
    } else if (format === 'csr') return this.register(instruction);
    else this.emit(word);
    return false;
  }

  leave(pc: bigint): void {
    this.exits.push({ index: this.words.length, pc });
    this.emit(BREAK, { pc, request: 'code' });
  }

  finish(end: bigint): Block {
    for (const { index, value } of this.literals) {
      if (this.words.length % 2 === 1) this.emit(BREAK);
      const from = this.words[index] ?? 0;
      const offset = (this.words.length - index) * 4;
      const rd = (from >>> 7) & 31;
      this.words[index + 1] = ld(rd, rd, offset);
      this.emit(Number(BigInt.asIntN(32, value)));
      this.emit(Number(BigInt.asIntN(32, value >> 32n)));
    }
    return { words: this.words, sites: this.sites, exits: this.exits, end };
  }

  private emit(word: number, site: Site = { pc: this.pc, instruction: this.current }): void {
    this.words.push(word);
    this.sites.push(site);
  }

  private callOut(): boolean {
    this.emit(BREAK, { pc: this.pc, request: 'instruction', instruction: this.current });
    return true;
  }

  /** A value that is known now. */
  private constant(rd: number, value: bigint): void {
    if (rd === 0) return;
    this.literals.push({ index: this.words.length, value });
    this.emit(here(rd));
    this.emit(ld(rd, rd, 0));
  }

  /** Where the guest goes is looked up in the table of known places; what is not there is asked for. */
  private indirect({ rd, rs1, imm }: Instruction, next: bigint): void {
    const saved = (register: number): number => page.saved + (register - T0) * 8;
    for (const register of [T0, T1, T2]) this.emit(sd(register, 0, saved(register)));
    this.emit(addi(T0, rs1, imm));
    this.emit(andi(T0, T0, -2));
    if (rd >= T0 && rd <= T2) {
      this.constant(T1, next);
      this.emit(sd(T1, 0, saved(rd)));
    } else this.constant(rd, next);
    this.emit(andi(T1, T0, (TABLE_ENTRIES - 1) << 4));
    this.emit(ld(T2, T1, page.table));
    this.emit(bne(T2, T0, 20));
    this.emit(ld(T1, T1, page.table + 8));
    this.emit(ld(T0, 0, saved(T0)));
    this.emit(ld(T2, 0, saved(T2)));
    this.emit(jr(T1));
    this.emit(sd(T0, 0, page.target));
    for (const register of [T0, T1, T2]) this.emit(ld(register, 0, saved(register)));
    this.emit(BREAK, { pc: this.pc, request: 'target' });
  }

  /** Reads and plain writes are inline, others are the monitor's. True if the block ends. */
  private register({ operation, rd, rs1, imm }: Instruction): boolean {
    const name = virtualName(imm & 0xfff);
    if (name === undefined) return this.callOut();
    const at = page.registers + virtualOffset(name);
    if (operation.name === 'csrrs' && rs1 === 0) {
      if (rd !== 0) this.emit(ld(rd, 0, at));
      return false;
    }
    if (operation.name !== 'csrrw') return this.callOut();
    if (name === 'sepc' && rd === 0) {
      this.emit(sd(T0, 0, page.saved));
      this.emit(andi(T0, rs1, -2));
      this.emit(sd(T0, 0, at));
      this.emit(ld(T0, 0, page.saved));
      return false;
    }
    if (!plain.has(name)) return this.callOut();
    if (rd === 0) this.emit(sd(rs1, 0, at));
    else if (rd !== rs1) {
      this.emit(ld(rd, 0, at));
      this.emit(sd(rs1, 0, at));
    } else {
      const spare = rd === T0 ? T1 : T0;
      this.emit(sd(spare, 0, page.saved));
      this.emit(ld(spare, 0, at));
      this.emit(sd(rs1, 0, at));
      this.emit(addi(rd, spare, 0));
      this.emit(ld(spare, 0, page.saved));
    }
    return false;
  }
}
