/**
 * One block of a guest's kernel, with what it calls as far as that is short, made into code for mode U. An instruction stays as it is (identical), becomes others that do the same on the guest's registers in
 * the monitor's page (inline), or a `ebreak`, for which the monitor does it (call-out). The page is the last of the address space, so that it is reached by offsets from x0.
 */
import type { Instruction } from '../isa/instruction.ts';
import {
  add,
  addi,
  andi,
  BREAK,
  beq,
  bne,
  branch,
  here,
  jr,
  ld,
  sd,
  storeAt,
  T0,
  T1,
  T2,
  temporaries,
} from './encode.ts';
import { virtualName, virtualOffset } from './virtual-registers.ts';

/**
 * Offsets from x0 of what is in the page: the guest's registers, what sequences saved, where an indirect jump goes, where the log goes on, the table of known places, and slots of stores to tables. The log is the
 * first half of the page, which ends where no bit of an address that is within half a page is set.
 */
export const page = {
  ...{ registers: -2048, saved: -1536, target: -1280, logNext: -1272 },
  ...{ table: -1024, slots: -512 },
} as const;
/** Entries of the table of known places: 16 bytes each, the guest's address and where its code is. */
export const TABLE_ENTRIES = 32;
/** Slots: 16 bytes each, half a page of the guest's addresses, and how far from there it is written. */
export const SLOTS = 32;
/** Stores that the log holds, 8 bytes each. */
export const LOG_ENTRIES = 256;
const HALF = 0x7ff;

const INSTRUCTIONS_MAX = 24;
const branches: ReadonlySet<string> = new Set(['beq', 'bne', 'blt', 'bge', 'bltu', 'bgeu']);
const storeSizes: ReadonlyMap<string, number> = new Map(Object.entries({ sb: 1, sh: 2, sw: 4, sd: 8 }));
/** Registers that are written as they are given. */
const plain: ReadonlySet<string> = new Set(['sscratch', 'scause', 'stval']);

/** What stands at a word: what of the guest it is for, and what a trap there asks for. */
export interface Site {
  readonly pc: bigint;
  readonly request?: 'instruction' | 'code' | 'target' | 'log';
  /** What it is made of. */
  readonly instruction?: Instruction | undefined;
}

/** A block as words; the first is for those who come by the table. `exits` are words that become jumps to other blocks. */
export interface Block {
  readonly words: readonly number[];
  readonly sites: readonly Site[];
  readonly exits: readonly { readonly index: number; readonly pc: bigint }[];
  /** First and last places of what it is made of, piece by piece: it goes on in functions that are called, and after them where it is seen that they come back. */
  readonly places: readonly bigint[];
}

/** What is asked of whoever knows the guest. */
export interface Source {
  fetch(pc: bigint): Instruction | undefined;
  /** How a store is done: as it is, by a call where it was found to be to traced pages, or by the slot of such a one. */
  storeAt(pc: bigint): 'plain' | 'call' | number;
}

/** Makes a block of what begins at `pc`; undefined if nothing can be fetched there. */
export function translateBlock(source: Source, pc: bigint): Block | undefined {
  const maker = new BlockMaker();
  const places = [pc];
  let at = pc;
  for (let count = 0; count < INSTRUCTIONS_MAX; count++) {
    const instruction = source.fetch(at);
    if (instruction === undefined) {
      if (count === 0) return undefined;
      break;
    }
    maker.pc = at;
    const next = at + BigInt(instruction.length);
    const then = maker.add(instruction, next, source.storeAt(at));
    if (then === 'end') return maker.finish([...places, next - 2n]);
    if (then !== 'next') places.push(next - 2n, then);
    at = then === 'next' ? next : then;
    // The next page may be another one tomorrow.
    if (then === 'next' && at % 4096n < 4n) break;
  }
  maker.leave(at);
  return maker.finish([...places, at - 2n]);
}

/** Where a sequence keeps a register that it borrows. */
function saved(register: number): number {
  return page.saved + register * 8;
}

/** A branch, at a word, to a request after the block's own code. */
interface Request {
  readonly index: number;
  /** Registers that get back what was saved of them first. */
  readonly scratch: readonly number[];
  readonly site: Site;
}

class BlockMaker {
  pc = 0n;
  private current: Instruction | undefined;
  private readonly words: number[] = [ld(T1, 0, saved(T1))];
  private readonly sites: Site[] = [{ pc: 0n }];
  private readonly exits: { index: number; pc: bigint }[] = [];
  private readonly literals: { index: number; value: bigint }[] = [];
  private readonly requests: Request[] = [];
  /** A register that holds where a call comes back to, as long as nothing else was put into it. */
  private back: { readonly register: number; readonly pc: bigint } | undefined;

  /** Whether the block ends with it, or goes on with the next one, or elsewhere. */
  add(instruction: Instruction, next: bigint, storeAt: 'plain' | 'call' | number): 'end' | 'next' | bigint {
    const { operation, rs1, rd, imm } = instruction;
    const { back } = this;
    if (operation.name === 'jalr' && rd === 0 && imm === 0 && rs1 === back?.register) return back.pc;
    if (rd === back?.register) this.back = undefined;
    const isEnd = this.make(instruction, next, storeAt);
    if (operation.name !== 'jal' || isEnd) return isEnd ? 'end' : 'next';
    this.back = { register: rd, pc: next };
    return BigInt.asUintN(64, this.pc + BigInt(imm));
  }

  /** True if the block ends with it. */
  private make(instruction: Instruction, next: bigint, storeAt: 'plain' | 'call' | number): boolean {
    this.current = instruction;
    const { operation, word, rd, imm } = instruction;
    const { name, format } = operation;
    if (name === 'auipc') this.constant(rd, BigInt.asUintN(64, this.pc + BigInt(imm)));
    else if (name === 'jal') {
      this.constant(rd, next);
      // A call goes on with what is called.
      if (rd !== 0) return false;
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
    } else if (storeSizes.has(name) && storeAt !== 'plain') {
      if (storeAt === 'call') return this.callOut();
      this.loggedStore(instruction, next, storeAt);
    } else if (name === 'illegal' || format === 'exact' || format === 'sfence') {
      return this.callOut();
    } else if (format === 'csr') return this.register(instruction);
    else this.emit(word);
    return false;
  }

  leave(pc: bigint): void {
    this.exits.push({ index: this.words.length, pc });
    this.emit(BREAK, { pc, request: 'code' });
  }

  finish(places: readonly bigint[]): Block {
    // Next to the code, as a load reaches less far than a branch.
    for (const { index, value } of this.literals) {
      if (this.words.length % 2 === 1) this.emit(BREAK);
      const from = this.words[index] ?? 0;
      const offset = (this.words.length - index) * 4;
      const rd = (from >>> 7) & 31;
      this.words[index + 1] = ld(rd, rd, offset);
      this.emit(Number(BigInt.asIntN(32, value)));
      this.emit(Number(BigInt.asIntN(32, value >> 32n)));
    }
    for (const request of this.requests) this.placeRequest(request);
    return { words: this.words, sites: this.sites, exits: this.exits, places };
  }

  private emit(word: number, site: Site = { pc: this.pc, instruction: this.current }): void {
    this.words.push(word);
    this.sites.push(site);
  }

  private placeRequest({ index, scratch, site }: Request): void {
    this.words[index] = branch(this.words[index] ?? 0, (this.words.length - index) * 4);
    for (const register of scratch) this.emit(ld(register, 0, saved(register)), site);
    this.emit(BREAK, site);
  }

  /**
   * A store that is done by its slot, and noted; where it is another half of a page, or not at a multiple of its size, the monitor is asked to do it. Where the log is full then, it is asked to take it, after the store.
   */
  private loggedStore({ operation, word, rs1, rs2, imm }: Instruction, next: bigint, slot: number): void {
    const scratch = temporaries.filter((register) => register !== rs1 && register !== rs2).slice(0, 3);
    const [at = T0, half = T1, other = T2] = scratch;
    const size = storeSizes.get(operation.name) ?? 8;
    const { pc, current } = this;
    for (const register of scratch) this.emit(sd(register, 0, saved(register)));
    this.emit(addi(at, rs1, imm));
    this.emit(andi(half, at, ~HALF | (size - 1)));
    this.emit(ld(other, 0, page.slots + slot * 16));
    const ask: Site = { pc, request: 'instruction', instruction: current };
    this.requests.push({ index: this.words.length, scratch, site: ask });
    this.emit(bne(half, other, 0));
    this.emit(ld(half, 0, page.slots + slot * 16 + 8));
    this.emit(add(at, at, half));
    this.emit(storeAt(word, at));
    this.emit(ld(half, 0, page.logNext));
    this.emit(sd(at, half, 0));
    this.emit(addi(half, half, 8));
    this.emit(sd(half, 0, page.logNext));
    this.emit(andi(other, half, HALF));
    this.requests.push({ index: this.words.length, scratch, site: { pc: next, request: 'log' } });
    this.emit(beq(other, 0, 0));
    for (const register of scratch) this.emit(ld(register, 0, saved(register)));
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

  /** A return: as `indirect`, with less to keep. What is not in the table, as where the lowest bit is set, is done there. */
  private comeBack({ rs1 }: Instruction): void {
    const scratch = temporaries.filter((register) => register !== rs1 && register !== T1).slice(0, 1);
    const [found = T0] = scratch;
    for (const register of [found, T1]) this.emit(sd(register, 0, saved(register)));
    this.emit(andi(T1, rs1, (TABLE_ENTRIES - 1) << 4));
    this.emit(ld(found, T1, page.table));
    this.emit(bne(found, rs1, 16));
    this.emit(ld(T1, T1, page.table + 8));
    this.emit(ld(found, 0, saved(found)));
    this.emit(jr(T1));
    for (const register of [found, T1]) this.emit(ld(register, 0, saved(register)));
  }

  /** Where the guest goes is looked up in the table of known places; what is not there is asked for. */
  private indirect(instruction: Instruction, next: bigint): void {
    const { rd, rs1, imm } = instruction;
    if (rd === 0 && imm === 0 && rs1 !== T1) this.comeBack(instruction);
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
      this.emit(sd(T0, 0, saved(T0)));
      this.emit(andi(T0, rs1, -2));
      this.emit(sd(T0, 0, at));
      this.emit(ld(T0, 0, saved(T0)));
      return false;
    }
    if (!plain.has(name)) return this.callOut();
    if (rd === 0) this.emit(sd(rs1, 0, at));
    else if (rd !== rs1) {
      this.emit(ld(rd, 0, at));
      this.emit(sd(rs1, 0, at));
    } else {
      const spare = rd === T0 ? T1 : T0;
      this.emit(sd(spare, 0, saved(spare)));
      this.emit(ld(spare, 0, at));
      this.emit(sd(rs1, 0, at));
      this.emit(addi(rd, spare, 0));
      this.emit(ld(spare, 0, saved(spare)));
    }
    return false;
  }
}
