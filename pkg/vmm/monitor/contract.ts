/**
 * Monitors: programs that give a guest a machine of its own on a physical machine of ours (`physical.ts`), each its own way. The physical machine's hart executes
 * every instruction of every guest; a monitor is what runs in that machine's mode M, here hosted in TypeScript: the hart stops at the trap vector, the monitor
 * reads and writes the hart's registers and the machine's memory, and sends the hart back.
 *
 * | way | the guest's kernel runs | tables that the hart walks | what the guest is |
 * |---|---|---|---|
 * | `native` | in mode S, no monitor | its own | the binary |
 * | `trap` | in mode U; what is sensitive traps and is done by the monitor | shadow, or none (`Paging`) | the same binary |
 * | `translate` | never; code made of it runs in mode U out of a cache | as `trap` | the same binary |
 * | `hybrid` | never; the monitor interprets it, and the hart runs the guest's program alone | as `trap` | the same binary |
 * | `paravirtual` | in mode U, and asks by hypercalls | its own, which it cannot write while they are in use | a port of it |
 * | `hardware` | in mode VS | its own and nested ones | the same binary |
 *
 * Laws, which `monitor.test.ts` and `compare.test.ts` hold each way to:
 * 1. Equivalence: under `native`, `trap`, `translate`, `hybrid` and `hardware` the same binary with the same parameters ends the same way, with the same console output and the same
 *    bytes in all of its memory. Time is not part of it, nor is it promised to a guest that looks for its monitor by time.
 *    Under `translate` the last 32 MiB of addresses are the monitor's while the guest's kernel runs: a kernel that maps something there is ended with `fault`, and one that loads or
 *    stores where it has mapped nothing may reach, in place of a fault, the page that its own registers are kept in, or its own page tables.
 * 2. Control: a guest reaches no byte that is not its own and no device but its own, whatever it does; it ends with `off` or with `fault`, or its instructions are used up.
 * 3. Counting: each counter counts something that the hart did, or that the monitor did for one exit. A full trace gives all of them again but the
 *    hart's instructions (`recount.ts`), by rules that look at causes, instructions and places only; those are as many as a guest takes that is run one by one.
 * 4. Only what was executed is told: no cost is made up. Nanoseconds are the host's, of this machine at this time; all else is exact and repeats.
 *
 * Not given to guests: interrupts, floating point, more than one hart. An access that a monitor cannot do (an atomic one to a traced page or a device) ends the
 * guest with `fault` and a line that says so. Sources: Popek and Goldberg 1974; Adams and Agesen 2006; Barham et al. 2003; RISC-V privileged architecture 20211203.
 */

import type { UserStatus } from '../hart/hart-state.ts';

/** The ways; `native` is the machine without a monitor, to compare with. */
export type Way = 'native' | 'trap' | 'translate' | 'hybrid' | 'paravirtual' | 'hardware';

/** Devices that move data, in the order of their rings. */
export const deviceNames = ['console', 'disk', 'net'] as const;

/** One of them. */
export type DeviceName = (typeof deviceNames)[number];

/** How the guest's devices work: each access exits; rings that front and back ends share (`ring.ts`), with an exit when the front end tells the back end; or the devices themselves. */
export type Io = 'emulated' | 'split' | 'passthrough';

/**
 * How the hart finds the memory of a guest whose kernel is in mode U: by shadow tables that it walks, or by a translation buffer that the monitor fills, on a variant of the hart that
 * walks nothing (`hart/software-buffer.ts`). Ported guests have tables of their own, and those in mode VS nested ones besides.
 */
export type Paging = 'shadow' | 'software';

/** Why a guest was left, one for each exit. */
export type ExitReason =
  /** A control register read or written. */
  | 'register'
  /** A return from a trap. */
  | 'return'
  /** A fence of address translation. */
  | 'fence'
  /** A wait for interrupts. */
  | 'wait'
  /** A system call of the guest's program, passed on to its kernel. */
  | 'syscall'
  /** A fault that is the guest's own, passed on to its kernel. */
  | 'reflected'
  /** The shadow table lacked what the guest's table has. */
  | 'shadow-fault'
  /** The translation buffer that the monitor fills lacked what the guest's table has. */
  | 'buffer-fill'
  /** A store to a page that is a table of the guest, or holds code that was translated. */
  | 'traced-write'
  /** The nested table lacked a page. */
  | 'nested-fault'
  /** A load or store of a device. */
  | 'device'
  /** A call of a ported kernel. */
  | 'hypercall'
  /** A ported kernel stored to a table of its own, which was taken out of use to be written freely. */
  | 'table-opened'
  /** Something was reached that such a table maps: all of its entries were looked at, and it is in use again. */
  | 'table-checked'
  /** Translated code came to a place that was not translated, or not connected yet. */
  | 'untranslated'
  /** Translated code asked the monitor to do one instruction. */
  | 'call-out'
  /** The log in which translated code notes its stores to page tables was full. */
  | 'log-full';

/** What was counted since the guest began. */
export interface MonitorCounters {
  /** Of the physical hart, for guest and translated code alike. */
  readonly instructions: number;
  /** Traps of the physical hart: exits, and those that the guest's kernel took without a monitor. */
  readonly traps: number;
  readonly exits: Readonly<Record<ExitReason, number>>;
  readonly pageWalks: number;
  /** Entries of tables that the hart read. */
  readonly walkReferences: number;
  readonly walkReferencesMax: number;
  /** Entries of the guest's tables that the monitor read to follow them. */
  readonly monitorReferences: number;
  readonly tlbMisses: number;
  /** Entries of tables that a ported kernel asked for, by lists or by writing them. */
  readonly updatesAsked: number;
  /** Instructions of the guest's kernel that the monitor did, one by one. */
  readonly interpreted: number;
  readonly blocksTranslated: number;
  readonly blocksChained: number;
  /** Times that all translated code was forgotten. */
  readonly cacheFlushes: number;
  /** Stores to page tables that translated code did itself, and noted. */
  readonly storesLogged: number;
  /** Bytes written to the console, sectors read and written, frames sent and received. */
  readonly moved: Readonly<Record<DeviceName, number>>;
}

/**
 * What a faulting address led to: the guest's memory, a traced page of it, a device, or nothing that the guest may reach; a ported kernel's table, or what such a table maps while it is
 * out of use; the log of translated code, which it asked to be taken; `none` for other traps.
 */
export type Target = 'memory' | 'traced' | 'device' | 'refused' | 'table' | 'detached' | 'log' | 'none';

/** The hart came to the monitor, by a trap of a cause. */
export interface ExitEvent {
  readonly kind: 'exit';
  readonly cause: number;
  /** The instruction of the guest that trapped, where the trap was about the instruction. */
  readonly word: number | undefined;
  /** The guest was in its own mode S. */
  readonly kernel: boolean;
  /** For translated code: it had no more code there. */
  readonly atEnd: boolean;
  readonly target: Target;
}

/** What a full trace is made of, in order. */
export type TraceEvent =
  | ExitEvent
  /** The hart began to look through tables, and read an entry of one. */
  | { readonly kind: 'walk' }
  | { readonly kind: 'reference' }
  /** The monitor read an entry of the guest's tables. */
  | { readonly kind: 'monitor-reference' }
  /** An access that no translation buffer let through. */
  | { readonly kind: 'miss' }
  /** The hart took a trap, to the monitor or to the guest's kernel. */
  | { readonly kind: 'trap' }
  /** A ported kernel asked for an entry of a table. */
  | { readonly kind: 'update' }
  /** The monitor did one instruction of the guest's kernel. */
  | { readonly kind: 'interpreted'; readonly word: number }
  /** Code was made of the guest's, connected to such code, or forgotten. */
  | { readonly kind: 'translated'; readonly pc: bigint }
  | { readonly kind: 'chained'; readonly to: bigint }
  | { readonly kind: 'flushed' }
  /** Translated code had stored to an entry of a table, at an address of the guest. */
  | { readonly kind: 'logged'; readonly entry: number }
  /** A device, or the back half of one, moved a byte, a sector or a frame. */
  | { readonly kind: 'moved'; readonly device: DeviceName };

/** How a guest ended, or that it did not. */
export type Outcome =
  | { readonly reason: 'off'; readonly code: number }
  | { readonly reason: 'fault'; readonly message: string }
  | { readonly reason: 'budget' };

/** What to run. */
export interface MonitorConfig {
  readonly way: Way;
  /** Ported kernels have `split` alone, and a machine without a monitor its own devices; with `split` others have the devices' registers too. */
  readonly io: Io;
  /** By default shadow tables; `software` is for `trap`, `translate` and `hybrid`. */
  readonly paging?: Paging;
  /** ELF, linked for 0x80000000 and up; begins in mode S without paging. */
  readonly guest: Uint8Array;
  /** Bytes of the guest's memory. */
  readonly memory: number;
  /** What the guest finds in a0, a1, …, at most 6. */
  readonly parameters: readonly number[];
  readonly trace?: (event: TraceEvent) => void;
  /** The variant of the hart; by default as the architecture says. */
  readonly userStatus?: UserStatus;
}

/** A guest under its monitor. */
export interface Monitor {
  readonly counters: MonitorCounters;
  /** What the guest wrote to its console so far. */
  readonly console: string;
  /** Runs up to so many instructions of the physical hart, or to the end. */
  run(instructions: number): Outcome;
  /** Loads and stores of the machine's devices. */
  readonly deviceAccesses: number;
  /** One page of the guest's memory, by its number; a copy. */
  page(index: number): Uint8Array;
  /** All of the guest's memory, as the guest has it. */
  memory(): Uint8Array;
}
