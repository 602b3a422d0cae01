/**
 * Ported guests: a kernel in mode U that knows where its memory lies, keeps page tables that the hart walks as they are but that it cannot write, and asks for everything
 * else by `ecall`. It begins with paging on: its memory mapped at 0x80000000, by tables in its last pages. Its program has tables of its own, so the two are parted without a
 * mode. Calls (number in a7): 1 updates (list, count), 2 trap vector, 3 roots (kernel's, program's), 4 run the program (pc, sp, argument, the kernel's stack for its
 * traps), 5 return from a trap (frame at sp), 6 ring (its page, of which device: 0 the console, 1 the disk, 2 the network), 7 a device's ring has something, 8 off (code), 9 tables of the lowest level by plain stores (1) or by lists alone (0: the beginning), see
 * `writable-tables.ts`. What is not allowed is answered with -1 and not done; a list
 * is done up to what is refused, and the count of what was done is the answer. `pkg/vmm/guests/pages/ported.c` is such a kernel.
 */
import { USER } from '../hart/hart-state.ts';
import { PAGE_SIZE } from '../memory-map.ts';
import { type DeviceName, deviceNames, type Outcome } from './contract.ts';
import { bit } from './guest-tables.ts';
import type { HartParts } from './hardware.ts';
import { PageTypes } from './page-types.ts';
import { BackHalves } from './ring.ts';
import { type Attempt, WritableTables } from './writable-tables.ts';

const SYSCALL = 8;
const STORE_FAULT = 15;
const pageFaults: ReadonlySet<number> = new Set([12, 13, STORE_FAULT]);
/** In place of a level: the page is to be no table any more. */
const NO_TABLE = 0xffff_ffff_ffff_ffffn;
const SP = 2;
const A0 = 10;
const A7 = 17;
const UPDATES_MAX = 65_536;
const REFUSED = 0xffff_ffff_ffff_ffffn;
/** Words of what is on the kernel's stack at a trap: sp, pc, cause, value, whether the kernel trapped, a7. */
const FRAME = { sp: 0, pc: 8, cause: 16, value: 24, kernel: 32, a7: 40, bytes: 48 } as const;

/** A ported guest. */
export class Paravirtual {
  private readonly parts: HartParts;
  private readonly types: PageTypes;
  private readonly writable: WritableTables;
  private mayWriteTables = false;
  private pc: bigint;
  private kernel = true;
  private kernelRoot: number;
  private programRoot = 0;
  private vector = 0n;
  private kernelStack = 0n;
  private readonly rings: Record<DeviceName, number> = { console: 0, disk: 0, net: 0 };
  private readonly halves: BackHalves;
  private inGuest = false;
  private lost: string | undefined;

  constructor(parts: HartParts, parameters: number) {
    this.parts = parts;
    this.pc = parts.pc;
    this.types = new PageTypes(parts.ram);
    this.writable = new WritableTables(parts.ram, this.types, () => parts.tally.update());
    const { root, linear } = this.buildTables();
    this.kernelRoot = root;
    this.halves = new BackHalves(parts.machine, {
      place: (address, bytes, touch) => this.own(BigInt(address), bytes, touch),
      put: (address, value) => {
        const at = this.own(BigInt(address), 8, 'write');
        if (at !== undefined) parts.machine.write64(at, value);
      },
    });
    const { hart } = parts.machine;
    for (const [index, value] of [parts.ram.physical(0), linear, root].entries()) {
      hart.setBig(A0 + Math.max(parameters, 4) + index, BigInt(value));
    }
  }

  run(instructions: number): Outcome {
    const { machine } = this.parts;
    const end = machine.hart.executed + instructions;
    for (;;) {
      if (machine.devices.code !== undefined) return { reason: 'off', code: machine.devices.code };
      if (this.lost !== undefined) return { reason: 'fault', message: this.lost };
      const left = end - machine.hart.executed;
      if (left <= 0) return { reason: 'budget' };
      const isOut = this.inGuest ? machine.go(left) : this.enter(left);
      this.inGuest = !isOut;
      if (isOut) this.exit();
    }
  }

  /** Tables that map the guest's memory at 0x80000000, themselves read-only, in its last pages. */
  private buildTables(): { readonly root: number; readonly linear: number } {
    const { ram, machine } = this.parts;
    const pages = ram.size / PAGE_SIZE;
    const lasts = Math.ceil(pages / 512);
    const start = ram.physical(0x8000_0000);
    const linear = start + ram.size - (lasts + 2) * PAGE_SIZE;
    const middle = linear + lasts * PAGE_SIZE;
    const root = middle + PAGE_SIZE;
    const word = (address: number, bits: number): bigint => (BigInt(address / PAGE_SIZE) << 10n) | BigInt(bits);
    for (let page = 0; page < pages; page++) {
      const address = start + page * PAGE_SIZE;
      const rights = address >= linear ? bit.R : bit.R | bit.W | bit.X;
      machine.write64(linear + page * 8, word(address, bit.V | bit.U | bit.A | bit.D | rights));
    }
    for (let last = 0; last < lasts; last++) machine.write64(middle + last * 8, word(linear + last * PAGE_SIZE, bit.V));
    machine.write64(root + 2 * 8, word(middle, bit.V));
    for (let last = 0; last < lasts; last++) this.types.pin(linear + last * PAGE_SIZE, 0);
    this.types.pin(middle, 1);
    this.types.pin(root, 2);
    return { root, linear };
  }

  private enter(instructions: number): boolean {
    const { machine } = this.parts;
    const satp = (8n << 60n) | BigInt((this.kernel ? this.kernelRoot : this.programRoot) / PAGE_SIZE);
    if (machine.hart.csr.satp !== satp) {
      machine.hart.csr.satp = satp;
      machine.hart.mmu.flush();
    }
    return machine.resume({ pc: this.pc, mode: USER, virtual: false }, instructions);
  }

  private exit(): void {
    const { machine, tally } = this.parts;
    const cause = Number(machine.csr('mcause'));
    const { kernel } = this;
    this.pc = machine.csr('mepc');
    if (cause === SYSCALL && kernel) {
      tally.exit('hypercall', { cause, kernel });
      this.call();
    } else if (!this.mayWriteTables || !pageFaults.has(cause) || !this.tableFault(cause, kernel)) {
      tally.exit(cause === SYSCALL ? 'syscall' : 'reflected', { cause, kernel });
      this.pass(cause);
    }
  }

  /** A fault that a table was the reason for, which is used or written from now on: the hart tries again. */
  private tableFault(cause: number, kernel: boolean): boolean {
    const { machine, tally } = this.parts;
    const virtual = machine.csr('mtval');
    const used = this.writable.use(kernel ? this.kernelRoot : this.programRoot, virtual);
    if (used.kind !== 'other') {
      tally.exit('table-checked', { cause, kernel, target: 'detached' });
      this.check(used);
      return true;
    }
    const mayOpen = kernel && cause === STORE_FAULT;
    const opened = mayOpen ? this.writable.open(this.kernelRoot, virtual, this.pc) : used;
    if (opened.kind === 'other') return false;
    tally.exit('table-opened', { cause, kernel, target: 'table' });
    this.check(opened);
    return true;
  }

  /** False where the guest ends for it. */
  private check(attempt: Attempt): boolean {
    if (attempt.kind !== 'refused') return true;
    this.stop(`wrote a table that may not be one (${attempt.refusal})`);
    return false;
  }

  private stop(what: string): void {
    this.lost = `the guest ${what}, at 0x${this.pc.toString(16)}`;
  }

  private call(): void {
    const { machine } = this.parts;
    const number = Number(machine.hart.big(A7));
    const a0 = machine.hart.big(A0);
    const a1 = machine.hart.big(A0 + 1);
    this.pc += 4n;
    if (number === 1) this.answer(this.updates(a0, Number(a1)));
    else if (number === 2) this.vector = a0;
    else if (number === 3) this.answer(this.setRoots(Number(a0), Number(a1)) ? 0n : REFUSED);
    else if (number === 4) this.runProgram(a0, a1);
    else if (number === 5) this.leaveTrap();
    else if (number === 6) this.giveRing(Number(a0), deviceNames[Number(a1)]);
    else if (number === 7) this.serveRing(deviceNames[Number(a0)]);
    else if (number === 8) machine.devices.code = Number(a0 & 0xffffn);
    else if (number === 9) this.writeTables(a0 === 1n);
    else this.answer(REFUSED);
  }

  private writeTables(isOn: boolean): void {
    if (!this.check(this.writable.attachAll())) return;
    this.mayWriteTables = isOn;
    this.answer(0n);
  }

  private answer(value: bigint): void {
    this.parts.machine.hart.setBig(A0, value);
  }

  /** The machine's address of the guest's kernel's, if it may be touched so; all that the monitor reads and writes for it goes by here. */
  private own(virtual: bigint, length: number, touch: 'read' | 'write'): number | undefined {
    const { ram } = this.parts;
    if (Number(virtual & 0xfffn) + length > PAGE_SIZE) return undefined;
    const start = ram.physical(0x8000_0000);
    if (this.mayWriteTables && !this.check(this.writable.use(this.kernelRoot, virtual))) return undefined;
    const found = ram.findPhysical(this.kernelRoot, virtual, touch);
    return found === undefined || found < start || found + length > start + ram.size ? undefined : found;
  }

  private updates(list: bigint, count: number): bigint {
    const { machine, tally } = this.parts;
    if (!(count >= 0 && count <= UPDATES_MAX) || !this.check(this.writable.attachAll())) return REFUSED;
    const first = Number(list & 0xfffn);
    let at: number | undefined;
    let done = 0;
    for (; done < count; done++, at = at === undefined ? undefined : at + 16) {
      const within = (first + done * 16) % PAGE_SIZE;
      // What the list's own pages are is asked once for each of them.
      if (done === 0 || within < 16) at = this.own(list + BigInt(done * 16), 16, 'read');
      if (at === undefined || within + 16 > PAGE_SIZE) break;
      tally.update();
      if (!this.update(Number(machine.read64(at)), machine.read64(at + 8))) break;
    }
    machine.hart.mmu.flush();
    return BigInt(done);
  }

  /** An odd address asks for a page to become a table, of the level that is the value, or none any more. */
  private update(address: number, value: bigint): boolean {
    if (address % 2 === 0) return this.types.update(address, value) === undefined;
    const page = address - 1;
    if (value !== NO_TABLE) return this.types.pin(page, Number(value)) === undefined;
    return page !== this.kernelRoot && page !== this.programRoot && this.types.release(page) === undefined;
  }

  private setRoots(kernel: number, program: number): boolean {
    if (!this.check(this.writable.attachAll())) return false;
    if (!this.types.isTable(kernel, 2) || (program !== 0 && !this.types.isTable(program, 2))) return false;
    this.kernelRoot = kernel;
    this.programRoot = program;
    return true;
  }

  private runProgram(pc: bigint, sp: bigint): void {
    const { hart } = this.parts.machine;
    if (this.programRoot === 0) {
      this.answer(REFUSED);
      return;
    }
    this.kernelStack = hart.big(A0 + 3);
    this.kernel = false;
    this.pc = pc;
    hart.setBig(SP, sp);
    hart.setBig(A0, hart.big(A0 + 2));
  }

  /** Has the kernel take a trap: what it needs to know is put on its stack. */
  private pass(cause: number): void {
    const { machine } = this.parts;
    const { hart } = machine;
    const stack = (this.kernel ? hart.big(SP) : this.kernelStack) - BigInt(FRAME.bytes);
    const at = this.own(stack, FRAME.bytes, 'write');
    if (at === undefined || this.vector === 0n) {
      this.stop(`traps with ${cause} and has no ${this.vector === 0n ? 'vector' : 'stack'} for it`);
      return;
    }
    const pc = this.pc;
    machine.write64(at + FRAME.sp, hart.big(SP));
    machine.write64(at + FRAME.pc, pc);
    machine.write64(at + FRAME.cause, BigInt(cause));
    machine.write64(at + FRAME.value, machine.csr('mtval'));
    machine.write64(at + FRAME.kernel, this.kernel ? 1n : 0n);
    machine.write64(at + FRAME.a7, hart.big(A7));
    hart.setBig(SP, stack);
    this.kernel = true;
    this.pc = this.vector;
  }

  private leaveTrap(): void {
    const { machine } = this.parts;
    const at = this.own(machine.hart.big(SP), FRAME.bytes, 'read');
    if (at === undefined) {
      this.stop('returns from a trap without what it was told of it');
      return;
    }
    if (machine.read64(at + FRAME.kernel) === 0n) {
      this.kernelStack = machine.hart.big(SP) + BigInt(FRAME.bytes);
      this.kernel = false;
    }
    this.pc = machine.read64(at + FRAME.pc);
    machine.hart.setBig(A7, machine.read64(at + FRAME.a7));
    machine.hart.setBig(SP, machine.read64(at + FRAME.sp));
  }

  private giveRing(page: number, device: DeviceName | undefined): void {
    if (device === undefined) this.answer(REFUSED);
    else this.rings[device] = page;
  }

  private serveRing(device: DeviceName | undefined): void {
    if (device === undefined || !this.halves.serve(device, this.rings[device])) this.answer(REFUSED);
  }
}
