/**
 * A simulated RISC-V machine: what its host may ask of it.
 *
 * Contract. A machine does nothing on its own: it runs when `run` is called, for a number of instructions, and everything that comes from
 * outside (console input, frames, disk answers) is given between two calls. The same calls with the same arguments give the same
 * machine, bit for bit: time inside is a function of the instructions run and of `idle`. Memory is guest physical, starts at `MEMORY_BASE`
 * and is handed out page by page (4 KiB), so that a host can keep, compare, send and share pages. It does no I/O and knows no clock.
 * What a guest does wrong (illegal instructions, wild addresses, floods) ends in the guest or in a `Stop`, never in an exception of the host.
 *
 * The address map is that of QEMU's `virt` board, so that one guest runs on both: finisher 0x10_0000, CLINT 0x200_0000,
 * PLIC 0xc00_0000, UART 0x1000_0000, virtio-mmio from 0x1000_1000 (0x1000 apart, eight of them), memory 0x8000_0000.
 */

import type { PageUse } from './frames/seat.ts';

/** What a machine is made of. Sizes in bytes; memory a multiple of 4,096, from 1 MiB to 2 GiB. */
export interface MachineConfig {
  readonly memory: number;
  /** 1 to 8. */
  readonly harts: number;
  /** An ELF file for RV64, little-endian, statically linked to run at its physical addresses, which begins in machine mode; or a boot image, as Linux's `Image`, which begins in supervisor mode on the firmware. */
  readonly kernel: Uint8Array;
  /** For a boot image, which needs one; others do not use it: an ELF file for the first 64 KiB of memory that starts what is at 2 MiB and answers its calls (SBI). */
  readonly firmware?: Uint8Array;
  /** The initial file system; the device tree's /chosen says where it is. */
  readonly initrd?: Uint8Array;
  /** In the device tree's /chosen/bootargs. */
  readonly commandLine: string;
  /** Size of the disk in 512-byte sectors, if it has one; its contents come and go through `diskRequests`. */
  readonly diskSectors?: number;
  /** Six bytes, if it has a network device. */
  readonly mac?: Uint8Array;
  /** `interpret` is the reference; `compile` makes WebAssembly of hot code. Both run the same. */
  readonly engine: 'interpret' | 'compile';
}

/** A machine but for what it begins with: all that is left of its configuration once it runs. */
export type MachineShape = Omit<MachineConfig, 'firmware' | 'initrd' | 'kernel'>;

/** What of a configuration is the machine's shape. */
export function shapeOf({ kernel: _, firmware: _firmware, initrd: _initrd, ...shape }: MachineConfig): MachineShape {
  return shape;
}

/** Why `run` came back. */
export type Stop =
  /** The budget is used up. */
  | { readonly reason: 'budget' }
  /** All harts wait for an interrupt; the next timer is `ticks` away (undefined: none is set). */
  | { readonly reason: 'idle'; readonly ticks: number | undefined }
  /** The guest has something for its host (console output, frames, disk requests) and wants it taken soon. */
  | { readonly reason: 'output' }
  /** The guest switched itself off, with its code (0 is success), or asked to be started again. */
  | { readonly reason: 'off'; readonly code: number }
  | { readonly reason: 'reset' }
  /** A page that `forgetPage` took away was touched; give it with `writePage` and run again: nothing of the instruction has happened. */
  | { readonly reason: 'page'; readonly page: number }
  /** The guest writes to a page for which its host has no memory now: run again once there is some; nothing of the instruction has happened. */
  | { readonly reason: 'memory' }
  /** The guest is lost (a trap in its first trap handler, no code at its vector): what is known, in one line. */
  | { readonly reason: 'fault'; readonly message: string };

/** One read or write of the disk: `sector` and whole sectors of data. */
export interface DiskRequest {
  readonly id: number;
  readonly kind: 'read' | 'write' | 'flush';
  readonly sector: number;
  /** Bytes to read, or the bytes to write (a copy). */
  readonly length: number;
  readonly data?: Uint8Array;
}

/** Counters since the start; all are of what was executed. */
export interface MachineCounters {
  readonly instructions: number;
  readonly traps: number;
  readonly interrupts: number;
  readonly pageWalks: number;
  /** Entries of tables that the harts read. */
  readonly walkReferences: number;
  readonly tlbMisses: number;
  readonly blocksCompiled: number;
  readonly deviceAccesses: number;
  /** Of a guest under a monitor: times that it was left, by reason (`monitor/contract.ts`). */
  readonly exits?: Readonly<Record<string, number>>;
  /** Of the same: what else was counted of its monitor alone, by the names there. */
  readonly monitor?: Readonly<Record<string, number>>;
}

/** Why a machine under a monitor is neither moved nor saved: what its monitor keeps is not written down. */
export const staysWithMonitor = 'a machine under a monitor stays where it is';

/** A machine. */
export interface Machine {
  readonly config: MachineConfig;
  /** Runs at most `instructions` (all harts together). */
  run(instructions: number): Stop;
  /** Lets guest time pass while all harts wait, in timebase ticks (10 MHz). */
  idle(ticks: number): void;
  /** Guest time, in ticks. */
  readonly ticks: number;
  /** Stops a `run` that goes on, from within a callback of the host; the guest does not notice. */
  readonly counters: MachineCounters;

  /** Gives bytes to the console; says how many it took (its buffer is 4 KiB). */
  consoleInput(bytes: Uint8Array): number;
  /** What the guest wrote to its console since the last call (UART and virtio console alike). At most 64 KiB are kept; more makes `run` stop with `output`. */
  takeConsole(): Uint8Array;

  /** Gives an Ethernet frame to the network device; false where it has no buffer for it (the frame is lost, as on a wire). */
  deliverFrame(frame: Uint8Array): boolean;
  /** Frames the guest sent since the last call; at most 256 are kept, further ones are dropped and counted. */
  takeFrames(): readonly Uint8Array[];

  /** What the guest asks of its disk since the last call. */
  takeDiskRequests(): readonly DiskRequest[];
  /** Answers one; a read with its bytes. `ok: false` is an I/O error in the guest. */
  finishDiskRequest(id: number, answer: { readonly ok: boolean; readonly data?: Uint8Array }): void;

  /** Number of pages of memory. */
  readonly pages: number;
  /** The bytes of a page (a copy), as the guest would see them. */
  readPage(page: number): Uint8Array;
  /** Puts bytes into a page (also one that is missing: it is there from now on). */
  writePage(page: number, bytes: Uint8Array): void;
  /** Takes a page away: the next touch stops the run with `page`. */
  forgetPage(page: number): void;
  /** Whether a page was never written since the machine was made: all zeros, known without a look at it. */
  isBlank(page: number): boolean;
  /** Begins to note which pages are written, by guest and devices. */
  startDirtyLog(): void;
  /** Pages written since the start of the log or the last call, ascending; begins anew. */
  takeDirty(): readonly number[];
  stopDirtyLog(): void;
  /** Pages that guest and devices read, wrote or ran since the log began anew, ascending: those that it will need first. A hint. */
  touchedPages(): readonly number[];

  /** Looks for pages that are as others of this host are, up to `count` of those that may be, from where it ended last, and keeps those once. The guest sees nothing of it; does nothing for a machine that has its memory to itself. Says how many pages are behind it now, those that needed no look too. */
  sharePages(count: number): number;
  /** What its pages take now. */
  readonly pageUse: PageUse;
  /** Would have the guest give so many of its pages to its host: what it gives reads as zeros. It gives what it can spare, by its driver of the balloon, and takes back what it needs. */
  inflateTo(pages: number): void;
  /** Pages that the guest says it has given. */
  readonly ballooned: number;
  /** It is over: its pages are given back, and nothing of it is asked again. */
  release(): void;

  /** Where code was run so often that it was compiled: offsets in memory, even numbers. None where nothing is compiled. */
  hotPlaces(): readonly number[];
  /** Compiles the code at such a place now, so that the guest does not wait for that once it runs. Changes nothing that the guest could see; a place where there is no code is left alone. True: it took a millisecond or two, as nobody had compiled it before. */
  warm(place: number): boolean;

  /** All that is not memory, as JSON-able plain data (harts, devices, requests under way), with a version. */
  saveState(): MachineState;
  /** Makes a machine that has not run what `saveState` told, but its memory, so that one can be made and filled before the state is known. Throws one line for what is no state. */
  restoreState(state: MachineState): void;
}

/** State of a machine without its memory; `createMachine(config, state)` with the same pages written goes on exactly where it was. */
export interface MachineState {
  readonly version: 1;
  readonly config: MachineShape;
  readonly parts: Readonly<Record<string, unknown>>;
}

/** Makes a machine; throws a `GuestImageError` whose message is one clear line for what is no ELF, of another machine, or does not fit its memory. */
export type CreateMachine = (config: MachineConfig, state?: MachineState) => Machine;
