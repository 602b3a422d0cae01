/**
 * The machine: harts, memory and devices, run in turns of fixed length. What happens depends on counts of instructions only: a device acts at a tick, and
 * a tick is so many instructions; interrupts are taken between instructions whose counts do not depend on how the host cuts its calls of `run`.
 * Does no I/O. Counterpart: QEMU's `virt` board with `-icount`.
 */
import { Board } from './board.ts';
import { load } from './boot/load.ts';
import { checkConfig } from './check-config.ts';
import { Compiler } from './compile/compiler.ts';
import type { ModuleShelf } from './compile/module-shelf.ts';
import type { VirtioTransport } from './devices/virtio/transport.ts';
import { NO_FRAME } from './frames/page-frames.ts';
import { type Discard, type PageUse, SeatFrames, type SeatParts } from './frames/seat.ts';
import { GuestMemory, MISSING_PAGE } from './guest-memory.ts';
import { Hart } from './hart/hart.ts';
import { MTIP, STIP } from './hart/hart-state.ts';
import { type Engine, Interpreter } from './hart/interpreter.ts';
import { restoreHart, saveHart } from './hart/save-hart.ts';
import { hasSupervisorTimer, supervisorTimer, takeInterrupt } from './hart/traps.ts';
import { CodeCache } from './isa/code-cache.ts';
import {
  type CreateMachine,
  type DiskRequest,
  type Machine,
  type MachineConfig,
  type MachineCounters,
  type MachineState,
  type Stop,
  shapeOf,
} from './machine-contract.ts';
import { INSTRUCTIONS_PER_TICK } from './memory-map.ts';
import { type Plain, PlainReader, plainBytes } from './plain-state.ts';

/** Compiling costs as much as interpreting a place a few thousand times; what is come to so often will be come to more often. */
const HOT = 50;
/** Instructions of a turn: a tenth of a millisecond of guest time, so that harts that wait for each other do not wait long. */
const TURN = 10_000;
/** Of one hart, for which nobody waits. */
const TURN_ALONE = 1_000_000_000;

/** What changes how fast a machine runs and where its pages are, and nothing that its guest sees. */
export interface MachineTuning {
  /** Times that a place in the code is come to before it is compiled. */
  readonly compileAfter?: number;
  /** Where its pages are, beside those of other machines. Default: in a buffer of its own. */
  readonly seat?: SeatParts;
  /** What was compiled for machines before. Default: nothing is kept for others. */
  readonly modules?: ModuleShelf;
  /** Frames that it gives back there go to the system by this. Default: others of the bank have them, and the system does not. */
  readonly discard?: Discard | undefined;
}

/** One machine; see the contract. */
class SimulatedMachine implements Machine {
  readonly config: MachineConfig;
  readonly pages: number;
  private readonly memory: GuestMemory;
  private readonly seat: SeatFrames | undefined;
  private readonly harts: readonly Hart[];
  private readonly engine: Engine;
  private readonly board: Board;
  private readonly compiler: Compiler | undefined;
  /** Instructions of turns that are over. */
  private executed = 0;
  private idleTicks = 0;
  private current = 0;
  /** Length of a turn; one hart alone need not stop. */
  private readonly turn: number;
  private turnLeft: number;
  /** The guest has something that the host was not told of yet. */
  private isAsking = false;

  constructor(config: MachineConfig, tuning: MachineTuning) {
    this.config = config;
    this.seat =
      tuning.seat === undefined
        ? undefined
        : new SeatFrames(tuning.seat, { harts: config.harts, discard: tuning.discard });
    this.memory = new GuestMemory(config.memory, config.harts, this.seat);
    this.pages = this.memory.pages;
    this.turn = config.harts === 1 ? TURN_ALONE : TURN;
    this.turnLeft = this.turn;
    const outer = this;
    const world = {
      load: (address: number, size: number) => this.board.bus.load(address, size),
      store: (address: number, size: number, value: number) => this.board.bus.store(address, size, value),
      get ticks() {
        return outer.ticks;
      },
      shift(ticks: number) {
        outer.idleTicks += ticks;
      },
    };
    this.harts = Array.from({ length: config.harts }, (_, id) => new Hart(id, this.memory, world));
    this.memory.onMoved = () => {
      for (const hart of this.harts) hart.mmu.flush();
    };
    this.board = new Board(config, this.memory, this.harts, world);
    const cache = new CodeCache(this.memory);
    const interpreter = new Interpreter(this.harts, cache);
    const parts = { memory: this.memory, cache, interpreter, harts: this.harts };
    const compiler =
      config.engine === 'compile' ? new Compiler(parts, tuning.compileAfter ?? HOT, tuning.modules) : undefined;
    this.engine = compiler ?? interpreter;
    this.compiler = compiler;
  }

  get ticks(): number {
    const hart = this.harts[this.current];
    const running = hart === undefined ? 0 : hart.granted - hart.left;
    return Math.floor((this.executed + running) / INSTRUCTIONS_PER_TICK) + this.idleTicks;
  }

  get counters(): MachineCounters {
    const sum = (of: (hart: Hart) => number): number => this.harts.reduce((total, hart) => total + of(hart), 0);
    return {
      instructions: this.executed,
      traps: sum(({ traps }) => traps),
      interrupts: sum(({ interrupts }) => interrupts),
      pageWalks: sum(({ mmu }) => mmu.counters.pageWalks),
      walkReferences: sum(({ mmu }) => mmu.counters.walkReferences),
      tlbMisses: sum(({ mmu }) => mmu.counters.tlbMisses),
      blocksCompiled: this.compiler?.compiled ?? 0,
      deviceAccesses: this.board.bus.accesses,
    };
  }

  run(instructions: number): Stop {
    const end = this.executed + instructions;
    try {
      for (;;) {
        const now = this.ticks;
        for (const slot of this.board.slots) if (slot.due <= now) this.processSlot(slot);
        const stop = this.stopBefore(end);
        if (stop !== undefined) return stop;
        this.board.clint.refresh();
        const hart = this.runnable();
        if (hart !== undefined) this.runTurn(hart, end);
        else if (!this.skipToDevice()) return { reason: 'idle', ticks: this.timerTicks() };
      }
    } catch (error) {
      if (error === MISSING_PAGE) return { reason: 'page', page: this.memory.missingPage };
      if (error === NO_FRAME) return { reason: 'memory' };
      throw error;
    }
  }

  idle(ticks: number): void {
    this.idleTicks += Math.max(0, Math.floor(ticks));
  }

  consoleInput(bytes: Uint8Array): number {
    return this.board.consoleInput(bytes);
  }

  takeConsole(): Uint8Array {
    return this.board.console.take();
  }

  deliverFrame(frame: Uint8Array): boolean {
    return this.board.deliverFrame(frame);
  }

  takeFrames(): readonly Uint8Array[] {
    return this.board.takeFrames();
  }

  takeDiskRequests(): readonly DiskRequest[] {
    return this.board.takeDiskRequests();
  }

  finishDiskRequest(id: number, answer: { readonly ok: boolean; readonly data?: Uint8Array }): void {
    this.board.finishDiskRequest(id, answer);
  }

  readPage(page: number): Uint8Array {
    return this.memory.readPage(this.checked(page));
  }

  writePage(page: number, bytes: Uint8Array): void {
    this.memory.writePage(this.checked(page), bytes);
  }

  forgetPage(page: number): void {
    this.memory.forgetPage(this.checked(page));
  }

  isBlank(page: number): boolean {
    return this.memory.isBlank(this.checked(page));
  }

  startDirtyLog(): void {
    this.memory.startDirtyLog();
  }

  takeDirty(): readonly number[] {
    return this.memory.takeDirty();
  }

  touchedPages(): readonly number[] {
    return this.memory.touchedPages;
  }

  stopDirtyLog(): void {
    this.memory.logging = false;
  }

  sharePages(count: number): number {
    const { passed, hasChanged } = this.seat?.look(count) ?? { passed: this.pages, hasChanged: false };
    if (hasChanged) this.memory.moved();
    return passed;
  }

  get pageUse(): PageUse {
    return this.seat?.use() ?? { pages: this.pages, owned: this.pages, zero: 0, shared: 0, sharedPart: 0 };
  }

  inflateTo(pages: number): void {
    this.board.inflateTo(Math.max(0, Math.min(Math.floor(pages), this.pages)));
  }

  get ballooned(): number {
    return this.board.balloon.given;
  }

  release(): void {
    this.memory.frames.release();
  }

  hotPlaces(): readonly number[] {
    return this.compiler?.hotPlaces() ?? [];
  }

  warm(place: number): boolean {
    return this.compiler?.warm(place) ?? false;
  }

  saveState(): MachineState {
    const config = shapeOf(this.config);
    const { executed, idleTicks, current, turnLeft, isAsking } = this;
    const { asked, code } = this.board.finisher;
    const machine = {
      executed,
      idleTicks,
      current,
      turnLeft,
      isAsking,
      asked: asked ?? '',
      code,
      accesses: this.board.bus.accesses,
    };
    const devices = this.board.bus.devices.map((device): Plain => device.save());
    const output = plainBytes(this.board.console.peek());
    return { version: 1, config, parts: { machine, output, harts: this.harts.map(saveHart), devices } };
  }

  /** Puts what it begins with into memory and the harts before their first instruction. */
  boot(): void {
    const { entry, tree, pieces } = load(this.config);
    for (const { address, bytes } of pieces) this.memory.copyIn(address, bytes);
    for (const hart of this.harts) {
      hart.pcLo = entry | 0;
      hart.set(10, hart.id, 0);
      hart.set(11, tree | 0, 0);
    }
    this.memory.clearDirty();
  }

  restoreState(state: MachineState): void {
    const parts = new PlainReader(state.parts, 'state');
    const machine = parts.part('machine');
    this.executed = machine.number('executed');
    this.idleTicks = machine.number('idleTicks');
    this.current = machine.number('current');
    this.turnLeft = machine.number('turnLeft');
    this.isAsking = machine.flag('isAsking');
    this.board.bus.accesses = machine.number('accesses');
    this.board.console.take();
    for (const byte of parts.bytes('output')) this.board.console.write(byte);
    for (const [id, part] of parts.parts('harts').entries()) {
      const hart = this.harts[id];
      if (hart !== undefined) restoreHart(hart, part);
    }
    for (const [index, part] of parts.parts('devices').entries()) this.board.bus.devices[index]?.restore(part);
  }

  private checked(page: number): number {
    if (Number.isInteger(page) && page >= 0 && page < this.pages) return page;
    throw new RangeError(`Cannot reach page ${page}: the machine has ${this.pages}`);
  }

  private stopBefore(end: number): Stop | undefined {
    for (const { lost } of this.harts) if (lost !== undefined) return { reason: 'fault', message: lost };
    if (this.board.finisher.asked === 'off') return { reason: 'off', code: this.board.finisher.code };
    if (this.board.finisher.asked === 'reset') return { reason: 'reset' };
    if (this.board.console.isFull) return { reason: 'output' };
    if (this.isAsking) {
      this.isAsking = false;
      return { reason: 'output' };
    }
    return this.executed >= end ? { reason: 'budget' } : undefined;
  }

  private processSlot(slot: VirtioTransport): void {
    const before = this.board.wantsHost;
    slot.process();
    if (!before && this.board.wantsHost) this.isAsking = true;
  }

  /** The hart whose turn it is, after interrupts; the next one that does not wait if it does. */
  private runnable(): Hart | undefined {
    for (let step = 0; step <= this.harts.length; step++) {
      const hart = this.harts[this.current];
      if (hart === undefined) return undefined;
      if (this.turnLeft > 0) {
        hart.mmu.refresh();
        takeInterrupt(hart);
        if (!hart.waiting) return hart;
      }
      this.nextTurn(hart);
    }
    return undefined;
  }

  private nextTurn(hart: Hart): void {
    // Another hart may store to what this one reserved.
    if (this.harts.length > 1) hart.reservation = -1;
    this.current = (this.current + 1) % this.harts.length;
    this.turnLeft = this.turn;
  }

  private runTurn(hart: Hart, end: number): void {
    const next = (this.nextTick() - this.idleTicks) * INSTRUCTIONS_PER_TICK - this.executed;
    hart.granted = Math.min(end - this.executed, this.turnLeft, Math.max(1, next));
    hart.left = hart.granted;
    hart.attention = false;
    try {
      this.engine.run(hart);
    } finally {
      const used = hart.granted - hart.left;
      hart.granted = hart.left = 0;
      hart.retired += used;
      this.executed += used;
      this.turnLeft -= used;
    }
  }

  /** The next tick after now at which something may happen without an instruction that makes it. */
  private nextTick(): number {
    const now = this.ticks;
    let first = Infinity;
    for (const { due } of this.board.slots) if (due > now && due < first) first = due;
    for (const hart of this.harts) {
      const compare = this.board.clint.compareOf(hart.id);
      if (compare > now && compare < first) first = compare;
      const timer = hasSupervisorTimer(hart) ? supervisorTimer(hart) : Infinity;
      if (timer > now && timer < first) first = timer;
    }
    return first;
  }

  /** All harts wait: lets the time pass that a device still needs, if one does. */
  private skipToDevice(): boolean {
    const due = Math.min(...this.board.slots.map((slot) => slot.due));
    if (due === Infinity) return false;
    const timer = this.timerTicks() ?? Infinity;
    this.idleTicks += Math.max(0, Math.min(due - this.ticks, timer));
    return true;
  }

  /** Ticks until the first timer that a hart listens to. */
  private timerTicks(): number | undefined {
    const times = this.harts.flatMap((hart) => {
      const enabled = Number(hart.csr.mie);
      return [
        ...((enabled & MTIP) === 0 ? [] : [this.board.clint.compareOf(hart.id)]),
        ...((enabled & STIP) === 0 || !hasSupervisorTimer(hart) ? [] : [supervisorTimer(hart)]),
      ];
    });
    const first = Math.min(...times);
    // A comparator near the end of its range means never.
    return first > Number.MAX_SAFE_INTEGER ? undefined : Math.max(0, first - this.ticks);
  }
}

/** Makes a machine that is about to run its kernel's first instruction, or the one of which `state` was saved (its pages are for `writePage`). */
export function createMachine(config: MachineConfig, state?: MachineState, tuning: MachineTuning = {}): Machine {
  checkConfig(config);
  const machine = new SimulatedMachine(config, tuning);
  if (state === undefined) machine.boot();
  else machine.restoreState(state);
  return machine;
}

/** The same as the contract says it. */
createMachine satisfies CreateMachine;
