/** What is counted of one guest, and told to whoever traces it. */
import type { DeviceName, ExitEvent, ExitReason, MonitorCounters, TraceEvent } from './contract.ts';
import type { PhysicalMachine } from './physical.ts';

/** The counters of a monitor. */
export class Tally {
  readonly exits: Record<ExitReason, number>;
  private updatesAsked = 0;
  private monitorReferences = 0;
  /** Instructions that the monitor did, and not the hart. */
  interpreted = 0;
  /** Those that it began, and that trapped: each is one exit. */
  trapped = 0;
  private blocksTranslated = 0;
  private blocksChained = 0;
  private cacheFlushes = 0;
  private storesLogged = 0;
  private readonly moved: Record<DeviceName, number> = { console: 0, disk: 0, net: 0 };
  private readonly machine: PhysicalMachine;
  private readonly trace: ((event: TraceEvent) => void) | undefined;
  private inWalk = 0;
  private walkMax = 0;

  constructor(machine: PhysicalMachine, trace: ((event: TraceEvent) => void) | undefined) {
    this.machine = machine;
    this.trace = trace;
    this.exits = noExits();
    machine.hart.mmu.onWalk = () => {
      this.inWalk = 0;
      trace?.({ kind: 'walk' });
    };
    machine.hart.mmu.onReference = () => {
      this.inWalk++;
      if (this.inWalk > this.walkMax) this.walkMax = this.inWalk;
      trace?.({ kind: 'reference' });
    };
    machine.devices.onMoved = (device) => {
      this.moved[device]++;
      trace?.({ kind: 'moved', device });
    };
    if (trace === undefined) return;
    machine.hart.mmu.onMiss = () => trace({ kind: 'miss' });
    machine.onTrap = () => trace({ kind: 'trap' });
  }

  /** A ported kernel asked for an entry of a table. */
  update(): void {
    this.updatesAsked++;
    this.trace?.({ kind: 'update' });
  }

  /** The monitor read an entry of the guest's tables. */
  reference(): void {
    this.monitorReferences++;
    this.trace?.({ kind: 'monitor-reference' });
  }

  interpret(word: number): void {
    this.interpreted++;
    this.trace?.({ kind: 'interpreted', word });
  }

  translated(pc: bigint): void {
    this.blocksTranslated++;
    this.trace?.({ kind: 'translated', pc });
  }

  chained(to: bigint): void {
    this.blocksChained++;
    this.trace?.({ kind: 'chained', to });
  }

  flushed(): void {
    this.cacheFlushes++;
    this.trace?.({ kind: 'flushed' });
  }

  /** Translated code had stored to an entry of a table. */
  logged(entry: number): void {
    this.storesLogged++;
    this.trace?.({ kind: 'logged', entry });
  }

  exit(reason: ExitReason, event: Partial<ExitEvent>): void {
    this.exits[reason]++;
    if (this.trace === undefined) return;
    const none = { cause: 0, word: undefined, kernel: false, atEnd: false, target: 'none' } as const;
    this.trace({ ...none, ...event, kind: 'exit' });
  }

  get counters(): MonitorCounters {
    const { hart } = this.machine;
    const { pageWalks, tlbMisses, walkReferences } = hart.mmu.counters;
    const {
      monitorReferences,
      updatesAsked,
      interpreted,
      blocksTranslated,
      blocksChained,
      cacheFlushes,
      storesLogged,
    } = this;
    return {
      instructions: hart.executed,
      traps: hart.traps,
      exits: { ...this.exits },
      ...{ pageWalks, walkReferences, walkReferencesMax: this.walkMax, tlbMisses },
      ...{ monitorReferences, updatesAsked, interpreted, blocksTranslated, blocksChained, cacheFlushes, storesLogged },
      moved: { ...this.moved },
    };
  }
}

/** No exit of any reason. */
export function noExits(): Record<ExitReason, number> {
  return {
    ...{ register: 0, return: 0, fence: 0, wait: 0, syscall: 0, reflected: 0, 'shadow-fault': 0, 'traced-write': 0 },
    'buffer-fill': 0,
    ...{ 'nested-fault': 0, device: 0, hypercall: 0, 'table-opened': 0, 'table-checked': 0 },
    ...{ untranslated: 0, 'call-out': 0, 'log-full': 0 },
  };
}
