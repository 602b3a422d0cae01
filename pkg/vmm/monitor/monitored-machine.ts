/**
 * A guest under a monitor as a machine that a node runs: its console is the machine's, its exits are counters of it, by reason. It has no network and no disk of the node's, takes no input, and stays where it is:
 * what a monitor keeps besides the guest's memory is not written down anywhere, so such a machine is neither moved nor saved. Guest time goes by instructions, of the guest and of what was made of it alike.
 */
import type { PageUse } from '../frames/seat.ts';
import {
  type Machine,
  type MachineConfig,
  type MachineCounters,
  type Stop,
  staysWithMonitor,
} from '../machine-contract.ts';
import { INSTRUCTIONS_PER_TICK, PAGE_SIZE } from '../memory-map.ts';
import type { Choice } from './choices.ts';
import type { Monitor } from './contract.ts';
import { createMonitor } from './monitor.ts';

/** What a guest is run by, and what it finds in its first registers. */
export interface MonitoredStart {
  readonly choice: Choice;
  readonly parameters: readonly number[];
}

/** Makes such a machine. Throws a `GuestImageError` for what cannot be run so. */
export function createMonitoredMachine(config: MachineConfig, { choice, parameters }: MonitoredStart): Machine {
  const { way, io, paging } = choice;
  const monitor = createMonitor({ way, io, paging, guest: config.kernel, memory: config.memory, parameters });
  return new MonitoredMachine(config, monitor);
}

class MonitoredMachine implements Machine {
  readonly config: MachineConfig;
  readonly pages: number;
  private readonly monitor: Monitor;
  private taken = 0;

  constructor(config: MachineConfig, monitor: Monitor) {
    this.config = config;
    this.monitor = monitor;
    this.pages = config.memory / PAGE_SIZE;
  }

  run(instructions: number): Stop {
    return this.monitor.run(instructions);
  }

  idle(): void {}

  get ticks(): number {
    return Math.floor(this.counters.instructions / INSTRUCTIONS_PER_TICK);
  }

  get counters(): MachineCounters {
    const { instructions, traps, pageWalks, walkReferences, tlbMisses, exits, ...others } = this.monitor.counters;
    const { interpreted, monitorReferences, updatesAsked } = others;
    const { blocksTranslated, blocksChained, cacheFlushes, storesLogged } = others;
    return {
      instructions: instructions + interpreted,
      // The hart is interpreted: nothing is compiled for it.
      ...{ traps, interrupts: 0, pageWalks, walkReferences, tlbMisses, blocksCompiled: 0 },
      deviceAccesses: this.monitor.deviceAccesses,
      exits,
      monitor: {
        ...{ monitorReferences, interpreted, updatesAsked },
        ...{ blocksTranslated, blocksChained, cacheFlushes, storesLogged },
      },
    };
  }

  /** Nobody reads it: the guest's serial port has no input. */
  consoleInput(bytes: Uint8Array): number {
    return bytes.length;
  }

  takeConsole(): Uint8Array {
    const { console } = this.monitor;
    const bytes = Buffer.from(console.slice(this.taken), 'latin1');
    this.taken = console.length;
    return bytes;
  }

  deliverFrame(): boolean {
    return false;
  }

  takeFrames(): readonly Uint8Array[] {
    return [];
  }

  takeDiskRequests(): readonly [] {
    return [];
  }

  finishDiskRequest(): void {}

  readPage(page: number): Uint8Array {
    return this.monitor.page(page);
  }

  /** It has its memory to itself, as what its monitor keeps is beside it. */
  sharePages(): number {
    return this.pages;
  }

  get pageUse(): PageUse {
    return { pages: this.pages, owned: this.pages, zero: 0, shared: 0, sharedPart: 0 };
  }

  /** The guest has no balloon. */
  inflateTo(): void {}

  get ballooned(): number {
    return 0;
  }

  release(): void {}

  isBlank(): boolean {
    return false;
  }

  hotPlaces(): readonly number[] {
    return [];
  }

  warm(): boolean {
    return false;
  }

  writePage(): never {
    return stays();
  }

  forgetPage(): never {
    return stays();
  }

  startDirtyLog(): never {
    return stays();
  }

  takeDirty(): never {
    return stays();
  }

  stopDirtyLog(): void {}

  touchedPages(): readonly number[] {
    return [];
  }

  saveState(): never {
    return stays();
  }

  restoreState(): never {
    return stays();
  }
}

function stays(): never {
  throw new TypeError(staysWithMonitor);
}
