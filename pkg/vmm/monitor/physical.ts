/**
 * The machine that monitors run on: one hart with the hypervisor extension, memory, and its devices (`devices.ts`). Its hart is that of `pkg/vmm/machine.ts`, run by the
 * interpreter. Memory begins with the monitor's part, at whose first address is the trap vector of mode M: there the hart stops, and the monitor goes on.
 */
import { GuestMemory } from '../guest-memory.ts';
import { Hart } from '../hart/hart.ts';
import { bigOf, hiOf, loOf, MACHINE, SUPERVISOR, TRAP, USER } from '../hart/hart-state.ts';
import { Hypervisor } from '../hart/hypervisor.ts';
import { Interpreter } from '../hart/interpreter.ts';
import type { RegisterName } from '../hart/kept-registers.ts';
import { MPRV } from '../hart/mmu.ts';
import { returnFromMachine, takeTrap } from '../hart/traps.ts';
import { CodeCache } from '../isa/code-cache.ts';
import type { Instruction } from '../isa/instruction.ts';
import { MEMORY_BASE, PAGE_SIZE } from '../memory-map.ts';
import { Devices } from './devices.ts';

/** MPP and MPV of mstatus. */
const MPP = 3n << 11n;
const MPV = 1n << 39n;
/** Where the hart goes when the monitor lets it. */
export interface Place {
  readonly pc: bigint;
  /** USER or SUPERVISOR. */
  readonly mode: number;
  readonly virtual: boolean;
}

/** A physical machine. */
export class PhysicalMachine {
  readonly memory: GuestMemory;
  readonly hart: Hart;
  readonly devices = new Devices();
  /** Told of each trap that the hart took. */
  onTrap: (() => void) | undefined;
  /** What was decoded of the memory. */
  readonly code: CodeCache;
  private readonly engine: Interpreter;
  /** Where guests' memory begins. */
  readonly guestBase: number;
  private nextPage: number;
  private readonly end: number;

  /** `size` bytes for guests and `own` bytes for the monitor, which lie before them, or after them, where guests without a monitor cannot reach. */
  constructor(own: number, size: number, monitorIs: 'before' | 'after') {
    this.memory = new GuestMemory(own + size, 1);
    const outer = this;
    this.hart = new Hart(0, this.memory, {
      load: this.devices.load,
      store: (address, bytes, value) => this.devices.store(address, bytes, value),
      get ticks() {
        return outer.hart.executed;
      },
    });
    this.hart.hypervisor = new Hypervisor();
    this.hart.onTrap = () => {
      if (this.hart.mode === MACHINE) this.hart.attention = true;
      this.onTrap?.();
    };
    this.code = new CodeCache(this.memory);
    this.engine = new Interpreter([this.hart], this.code);
    const vector = monitorIs === 'before' ? MEMORY_BASE : MEMORY_BASE + size;
    this.guestBase = monitorIs === 'before' ? MEMORY_BASE + own : MEMORY_BASE;
    this.hart.csr.mtvec = BigInt(vector);
    // One range from 0 (TOR): all of memory, or up to the monitor's part.
    this.hart.pmpAddress[0] = BigInt((monitorIs === 'before' ? MEMORY_BASE + own + size : vector) / 4);
    this.hart.pmpConfig[0] = 0x0f;
    this.nextPage = vector + PAGE_SIZE;
    this.end = vector + own;
  }

  /** A zeroed page of the monitor's part; `count` of them lie together, and begin at a multiple of their size. */
  takePages(count = 1): number {
    const bytes = count * PAGE_SIZE;
    const at = Math.ceil(this.nextPage / bytes) * bytes;
    if (at + bytes > this.end) throw new RangeError('Cannot take a page: the monitor has no memory left');
    this.nextPage = at + bytes;
    return at;
  }

  read32(address: number): number {
    return this.memory.view.getInt32(this.memory.readable(address), true);
  }

  write32(address: number, value: number): void {
    this.memory.view.setInt32(this.memory.writable(address, 4), value, true);
  }

  read64(address: number): bigint {
    return this.memory.view.getBigUint64(this.memory.readable(address), true);
  }

  write64(address: number, value: bigint): void {
    this.memory.view.setBigUint64(this.memory.writable(address, 8), BigInt.asUintN(64, value), true);
  }

  clearPage(address: number): void {
    const at = this.memory.writable(address, PAGE_SIZE);
    this.memory.bytes.fill(0, at, at + PAGE_SIZE);
  }

  /** A register as mode M sees it. */
  csr(name: RegisterName): bigint {
    return this.hart.csr[name];
  }

  /** Sends the hart to a place as `mret` does, and runs it until it traps to mode M, up to `instructions`. False if these are used up first. */
  resume(place: Place, instructions: number): boolean {
    const { hart } = this;
    hart.mode = MACHINE;
    hart.waiting = false;
    hart.csr.mepc = place.pc;
    const mode = BigInt(place.mode === USER ? USER : SUPERVISOR) << 11n;
    hart.csr.mstatus = (hart.csr.mstatus & ~(MPP | MPV)) | mode | (place.virtual ? MPV : 0n);
    returnFromMachine(hart);
    hart.pcLo = hart.nextLo;
    hart.pcHi = hart.nextHi;
    return this.go(instructions);
  }

  /** Runs the hart on from where it is. */
  go(instructions: number): boolean {
    const { hart } = this;
    hart.granted = instructions;
    hart.left = instructions;
    while (hart.left > 0 && hart.mode !== MACHINE && this.devices.code === undefined) {
      hart.attention = false;
      hart.mmu.refresh();
      // A wait of a guest that nothing will end: it goes on, as the architecture allows.
      hart.waiting = false;
      this.engine.run(hart);
    }
    hart.retired += hart.granted - hart.left;
    hart.granted = 0;
    hart.left = 0;
    return hart.mode === MACHINE || this.devices.code !== undefined;
  }

  get pc(): bigint {
    return bigOf(this.hart.pcLo, this.hart.pcHi);
  }

  /** Sets the hart's pc without running anything. */
  jump(pc: bigint): void {
    this.hart.pcLo = loOf(pc);
    this.hart.pcHi = hiOf(pc);
  }

  /** Has the hart stay in mode M, and load and store by these tables with the rights of mode U. */
  actAsUser(satp: bigint): void {
    const { hart } = this;
    hart.mode = MACHINE;
    hart.csr.mstatus = (hart.csr.mstatus & ~(MPP | MPV)) | MPRV;
    if (hart.csr.satp !== satp) {
      hart.csr.satp = satp;
      hart.mmu.flush();
    }
    hart.mmu.changeContext();
    hart.mmu.refresh();
  }

  /** Does an instruction as if it stood at the hart's pc. False if it trapped, to mode M. */
  execute(instruction: Instruction): boolean {
    const { hart } = this;
    const lo = (hart.pcLo + instruction.length) | 0;
    hart.nextLo = lo;
    hart.nextHi = lo >>> 0 < hart.pcLo >>> 0 ? (hart.pcHi + 1) | 0 : hart.pcHi;
    try {
      instruction.run(hart, instruction);
    } catch (error) {
      if (error !== TRAP) throw error;
      takeTrap(hart);
      return false;
    }
    hart.pcLo = hart.nextLo;
    hart.pcHi = hart.nextHi;
    return true;
  }

  /** Has the hart take a trap to mode M where it is. */
  trap(cause: number, { lo, hi }: { readonly lo: number; readonly hi: number }): void {
    this.hart.trap = { cause, lo, hi };
    takeTrap(this.hart);
  }
}
