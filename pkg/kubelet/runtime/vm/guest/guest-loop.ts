/**
 * Runs one machine against a clock, a slice at a time, so that its thread hears of everything else in between. Invariants: the guest's time is never ahead of the
 * clock's; while its harts wait it costs nothing; it runs no more instructions than its share of those that its time has; paused, no time passes in it.
 */
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { Machine, Stop } from '#pkg/vmm/machine-contract.ts';
import { INSTRUCTIONS_PER_TICK, TIMEBASE } from '#pkg/vmm/memory-map.ts';
import type { DiskService } from './disk-service.ts';
import { earliest } from './share.ts';

/** Instructions between two looks at what else there is: some milliseconds. */
const sliceInstructions = 200_000;
/** Of a guest that tells its host something meanwhile: some answers of a server. */
const tellingInstructions = 50_000;
const ticksPerMs = TIMEBASE / 1000;
/** A guest for which there is no memory tries again after so long. */
const memoryRetryMs = 20;
/** So long; then it ends. */
const memoryMsMax = 30_000;
/** What a guest with a share has not used is kept for a period of so many ms. */
const periodMs = 100;

/** Who has a machine stand still: the user, a migration, whoever saves it, output that is held back, or ports that are not there yet. Each for itself: it goes on when nobody does any more. */
export type PausedBy = 'migration' | 'output' | 'ports' | 'save' | 'user';

/** The other end of the machine's wire. */
export interface Wire {
  /** When it wants to be called again, if at all. */
  tick(nowMs: number): number | undefined;
  flush(deliver: (frame: Uint8Array) => boolean): void;
  receive(frame: Uint8Array): void;
  /** When frames that it holds back may go on; absent where it holds none back. */
  dueMs?(nowMs: number): number | undefined;
}

/** What the loop has of its surroundings. */
export interface GuestLoopDeps {
  readonly machine: Machine;
  readonly network: Wire;
  readonly clock: Clock;
  /** Absent where the machine has none. */
  readonly disk?: Pick<DiskService, 'dueMs' | 'serve'>;
  readonly share?: number;
  /** Processor time, in ms, that making the machine took and its share is to pay for first, as of one that its guest has reset. Default 0. */
  readonly owedMs?: number;
  onConsole(bytes: Uint8Array): void;
  /** A page is not there: the guest goes on after `pageArrived`. */
  onPage(page: number): void;
  /** Between two slices, and when the guest has nothing to do. */
  onSlice(): void;
  /** How it ended: only what ends a machine. */
  onEnd(stop: Extract<Stop, { readonly reason: 'fault' | 'off' | 'reset' }>): void;
}

/** A machine that runs. */
export class GuestLoop {
  readonly #deps: GuestLoopDeps;
  /** When the guest's time was zero. */
  #originMs: number;
  readonly #pausedBy = new Set<PausedBy>();
  /** Since when there is no memory for what the guest writes. */
  #lackingSinceMs: number | undefined;
  #pausedAtMs = 0;
  #timer: Timer | undefined;
  #isScheduled = false;
  #isOver = false;
  #missing: number | undefined;
  /** What it gets of its own time while it is slowed down. */
  #throttle = 1;
  /** Instructions that a guest with a share may run now, fewer than none where it owes some, and up to when they were reckoned. */
  #allowed: number;
  #reckonedMs: number;

  constructor(deps: GuestLoopDeps) {
    this.#deps = deps;
    this.#originMs = deps.clock.monotonicMs() - deps.machine.ticks / ticksPerMs;
    this.#reckonedMs = deps.clock.monotonicMs();
    this.#allowed = -(deps.owedMs ?? 0) * ticksPerMs * INSTRUCTIONS_PER_TICK;
  }

  get isPaused(): boolean {
    return this.#pausedBy.size > 0;
  }

  /** There is something for the guest: it goes on soon. */
  wake(): void {
    if (this.#isScheduled || this.#isOver || this.isPaused || this.#missing !== undefined) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isScheduled = true;
    void this.#deps.clock.yield().then(() => {
      this.#isScheduled = false;
      if (this.#mayRun) this.#step();
    });
  }

  /** It goes on now, before its thread does anything else. */
  goOn(): void {
    if (this.#mayRun) this.#step();
  }

  pause(by: PausedBy): void {
    if (!this.isPaused) this.#pausedAtMs = this.#deps.clock.monotonicMs();
    this.#pausedBy.add(by);
    this.#timer?.cancel();
  }

  resume(by: PausedBy): void {
    if (!this.#pausedBy.delete(by) || this.isPaused) return;
    this.#originMs += this.#deps.clock.monotonicMs() - this.#pausedAtMs;
    this.wake();
  }

  /** Lets the guest run at this share of its own speed, from 1 down. */
  throttle(share: number): void {
    this.#throttle = share;
    this.#reckonedMs = this.#deps.clock.monotonicMs();
    this.wake();
  }

  /** The page that the guest waits for is there. */
  pageArrived(page: number): void {
    if (this.#missing !== page) return;
    this.#missing = undefined;
    this.wake();
  }

  get #mayRun(): boolean {
    return !this.#isOver && !this.isPaused && this.#missing === undefined;
  }

  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  #step(): void {
    const { machine, network, disk, clock } = this.#deps;
    const nowMs = clock.monotonicMs();
    const resendMs = network.tick(nowMs);
    network.flush((frame) => machine.deliverFrame(frame));
    if (disk?.serve(machine, nowMs) === true) this.wake();
    const budget = this.#budget(nowMs);
    if (budget <= 0) {
      this.#sleep(1);
      return;
    }
    const { stop, hasTold } = this.#run(budget);
    this.#deps.onSlice();
    if (stop.reason !== 'memory') this.#lackingSinceMs = undefined;
    // Whom it told something may have something for it.
    if (stop.reason === 'budget' || stop.reason === 'output' || (stop.reason === 'idle' && hasTold)) this.wake();
    else if (stop.reason === 'idle')
      this.#idle(stop.ticks, earliest([resendMs, network.dueMs?.(nowMs), disk?.dueMs(nowMs)]));
    else if (stop.reason === 'page') {
      this.#missing = stop.page;
      this.#deps.onPage(stop.page);
    } else if (stop.reason === 'memory' && !this.#isStarved(nowMs)) this.#sleep(memoryRetryMs);
    else if (stop.reason === 'memory') this.#fail(`the node had no memory for it for ${memoryMsMax / 1000} s`);
    else {
      this.stop();
      this.#deps.onEnd(stop);
    }
  }

  #isStarved(nowMs: number): boolean {
    this.#lackingSinceMs ??= nowMs;
    return nowMs - this.#lackingSinceMs >= memoryMsMax;
  }

  #fail(message: string): void {
    this.stop();
    this.#deps.onEnd({ reason: 'fault', message });
  }

  /**
   * Runs a slice. What the guest has for its host is carried at once, but nothing new is given to it before it has done with what it has or its slice is over: a guest that goes
   * on with whom it has just answered as long as he asks would else do that for ever, as on a busy host the next question is there by then, and all others would wait.
   */
  #run(budget: number): { readonly stop: Stop; readonly hasTold: boolean } {
    const { machine } = this.#deps;
    const end = machine.counters.instructions + budget;
    this.#allowed -= budget;
    for (let hasTold = false; ; hasTold = true) {
      const stop = machine.run(end - machine.counters.instructions);
      this.#carry();
      const left = end - machine.counters.instructions;
      if (stop.reason === 'output' && left > budget - tellingInstructions && left > 0) continue;
      this.#allowed += Math.max(0, left);
      return { stop, hasTold };
    }
  }

  /** Instructions that may run now: none for a guest that is ahead of the clock, or has used up its share. */
  #budget(nowMs: number): number {
    const { machine, share } = this.#deps;
    if (machine.ticks > (nowMs - this.#originMs) * ticksPerMs + ticksPerMs) return 0;
    if (share === undefined && this.#throttle === 1) return sliceInstructions;
    const perMs = (share ?? 1) * this.#throttle * ticksPerMs * INSTRUCTIONS_PER_TICK;
    this.#allowed = Math.min(this.#allowed + (nowMs - this.#reckonedMs) * perMs, periodMs * perMs);
    this.#reckonedMs = nowMs;
    return Math.min(sliceInstructions, Math.floor(this.#allowed));
  }

  /** What the guest has for its host. */
  #carry(): void {
    const { machine, network, disk, clock, onConsole } = this.#deps;
    const text = machine.takeConsole();
    if (text.length > 0) onConsole(text);
    for (const frame of machine.takeFrames()) network.receive(frame);
    if (disk?.serve(machine, clock.monotonicMs()) === true) this.wake();
  }

  /** All harts wait: their time goes on with the clock's, until something comes. */
  #idle(ticks: number | undefined, dueMs: number | undefined): void {
    const { machine, clock } = this.#deps;
    const nowMs = clock.monotonicMs();
    const behind = Math.max(0, Math.floor((nowMs - this.#originMs) * ticksPerMs) - machine.ticks);
    const passed = Math.min(behind, ticks ?? behind);
    if (passed > 0) machine.idle(passed);
    if (ticks !== undefined && passed >= ticks) {
      this.wake();
      return;
    }
    const untilTimer = ticks === undefined ? Number.POSITIVE_INFINITY : (ticks - passed) / ticksPerMs;
    const untilDue = dueMs === undefined ? Number.POSITIVE_INFINITY : Math.max(1, dueMs - nowMs);
    const delayMs = Math.min(untilTimer, untilDue);
    if (delayMs !== Number.POSITIVE_INFINITY) this.#sleep(delayMs);
  }

  #sleep(delayMs: number): void {
    if (this.#isScheduled) return;
    this.#timer?.cancel();
    this.#timer = this.#deps.clock.setTimeout(() => {
      this.#timer = undefined;
      if (this.#mayRun && !this.#isScheduled) this.#step();
    }, Math.ceil(delayMs));
  }
}
