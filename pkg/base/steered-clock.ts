/**
 * Virtual time under somebody's hand, for a cluster that lives beside a world in real time: it stands still, moves by a step, or runs at a speed.
 *
 * Laws:
 * 1. Time passes only while `run` goes on, and only while the clock is not paused or has a step to make. No timer is passed by: each is called at its own
 *    instant, and what follows from it without waiting for the world outside happens before the next one.
 * 2. At a speed of s no more time passes than s times what passes on the real clock. Work that takes longer than that holds time up, and what is lost beyond
 *    `lagMsMax` is not made up for.
 * 3. A step moves time by its duration as fast as the work in it goes, whether the clock is paused or not, and leaves that as it was. Steps add up.
 * 4. A pause ends what is under way between two instants, steps too.
 * 5. Between two instants Node's loop turns, so that the world outside (sockets, files, other clocks) is never kept waiting by time that passes fast.
 */
import type { Clock, Timer } from './clock.ts';
import { VirtualClock } from './virtual-clock.ts';

/** The longest step. */
export const stepMsMax = 366 * 24 * 3_600_000;

/** The highest speed beside `Infinity`, which is as fast as the work goes. */
export const speedMax = 1_000_000;

/** Real time by which a running clock may be behind and still catch up. */
const lagMsMax = 1_000;

/** Where time is and how it moves. */
export interface SteeredTime {
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  readonly isPaused: boolean;
  /** `Infinity` for as fast as the work goes. */
  readonly speed: number;
  /** Where the steps under way end; undefined where there are none. */
  readonly stepsToMs: number | undefined;
}

interface Step {
  readonly untilMs: number;
  readonly ended: (isWhole: boolean) => void;
}

/** The clock. It runs at the speed of real time until it is told otherwise. */
export class SteeredClock implements Clock {
  readonly #real: Clock;
  readonly #virtual: VirtualClock;
  #isPaused = false;
  #speed = 1;
  /** Where real and virtual time were together last. */
  #anchor: { readonly realMs: number; readonly virtualMs: number };
  /** In the order of their ends. */
  #steps: Step[] = [];
  /** Whether what is under way is to end before the next instant. */
  #isInterrupted = false;
  /** What the driver sleeps for; infinite where it sleeps for no timer. */
  #sleepsUntilMs = Number.NEGATIVE_INFINITY;
  #wake = (): void => {};

  /** `startMs` is the first instant, in milliseconds since the epoch. */
  constructor(real: Clock, startMs: number) {
    this.#real = real;
    this.#virtual = new VirtualClock(startMs);
    this.#anchor = { realMs: real.monotonicMs(), virtualMs: startMs };
  }

  nowMs(): number {
    this.#drift();
    return this.#virtual.nowMs();
  }

  monotonicMs(): number {
    this.#drift();
    return this.#virtual.monotonicMs();
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    this.#drift();
    const timer = this.#virtual.setTimeout(callback, delayMs);
    if (this.#virtual.nowMs() + Math.max(0, delayMs) < this.#sleepsUntilMs) this.#wake();
    return timer;
  }

  yield(): Promise<void> {
    return this.#real.yield();
  }

  get time(): SteeredTime {
    const { untilMs } = this.#steps.at(-1) ?? {};
    return { nowMs: this.nowMs(), isPaused: this.#isPaused, speed: this.#speed, stepsToMs: untilMs };
  }

  /** Stops time. */
  pause(): void {
    this.#drift();
    this.#isPaused = true;
    for (const { ended } of this.#steps.splice(0)) ended(false);
    this.#interrupt();
  }

  /** Lets time run again. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#begin();
  }

  /** Sets how many times faster than real time it runs, above 0. A paused clock stays paused. */
  setSpeed(speed: number): void {
    if (!(speed > 0 && (speed <= speedMax || speed === Number.POSITIVE_INFINITY)))
      throw new RangeError(
        `Cannot run at ${speed} times real time: it must be above 0 and at most ${speedMax}, or infinite`,
      );
    this.#drift();
    this.#speed = speed;
    this.#begin();
  }

  /** Moves time by a duration. Resolves with true when that has passed, or with false when a pause, or the end of `run`, came before. */
  step(durationMs: number): Promise<boolean> {
    if (!(durationMs >= 0 && durationMs <= stepMsMax))
      throw new RangeError(`Cannot step by ${durationMs} ms: it must be at least 0 and at most ${stepMsMax}`);
    this.#drift();
    const fromMs = this.#steps.at(-1)?.untilMs ?? this.#virtual.nowMs();
    const done = new Promise<boolean>((resolve) => this.#steps.push({ untilMs: fromMs + durationMs, ended: resolve }));
    this.#interrupt();
    return done;
  }

  /** Moves time, until `signal` is aborted; then steps under way have ended. */
  async run(signal: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#interrupt();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#begin();
    while (!signal.aborted) {
      const step = this.#steps[0];
      if (step !== undefined) await this.#make(step);
      else if (!this.#isPaused && this.#isDue())
        await this.#virtual.advanceTo(this.#virtual.nextMs() ?? 0, this.#isOver);
      else await this.#sleep();
      this.#isInterrupted = false;
      this.#dropLag();
    }
    signal.removeEventListener('abort', onAbort);
    for (const { ended } of this.#steps.splice(0)) ended(false);
  }

  readonly #isOver = (): boolean => this.#isInterrupted;

  async #make(step: Step): Promise<void> {
    await this.#virtual.advanceTo(step.untilMs, this.#isOver);
    // A pause has ended it; another step has only asked for a look.
    if (this.#steps[0] !== step || this.#virtual.nowMs() < step.untilMs) return;
    this.#steps.shift();
    if (this.#steps.length === 0) this.#begin();
    step.ended(true);
  }

  /** Whether there is a timer whose instant has come. */
  #isDue(): boolean {
    const nextMs = this.#virtual.nextMs();
    return nextMs !== undefined && nextMs <= this.#reachMs();
  }

  /** How far time may have come by now, while it runs. */
  #reachMs(): number {
    if (this.#speed === Number.POSITIVE_INFINITY) return this.#speed;
    const { realMs, virtualMs } = this.#anchor;
    return virtualMs + Math.floor((this.#real.monotonicMs() - realMs) * this.#speed);
  }

  /** Moves time to where it is now, which it does by itself only where something is due. */
  #drift(): void {
    if (this.#isPaused || this.#steps.length > 0 || this.#speed === Number.POSITIVE_INFINITY) return;
    this.#virtual.drift(this.#reachMs());
  }

  /** Forgets how far time is behind, where that is too far. */
  #dropLag(): void {
    if (this.#speed === Number.POSITIVE_INFINITY) return;
    if (this.#reachMs() - this.#virtual.nowMs() > lagMsMax * this.#speed && this.#isDue()) this.#setAnchor();
  }

  /** From now on both clocks run from where they are. */
  #begin(): void {
    this.#setAnchor();
    this.#interrupt();
  }

  #setAnchor(): void {
    this.#anchor = { realMs: this.#real.monotonicMs(), virtualMs: this.#virtual.nowMs() };
  }

  #interrupt(): void {
    this.#isInterrupted = true;
    this.#wake();
  }

  /** Until the next timer is due, or something has changed. */
  async #sleep(): Promise<void> {
    const nextMs = this.#isPaused ? undefined : this.#virtual.nextMs();
    // Where nothing is due for now, any timer that is set is to be looked at.
    this.#sleepsUntilMs = this.#isPaused ? Number.NEGATIVE_INFINITY : (nextMs ?? Number.POSITIVE_INFINITY);
    if (this.#isInterrupted) return;
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (nextMs === undefined) return;
      timer = this.#real.setTimeout(resolve, Math.ceil((nextMs - this.#reachMs()) / this.#speed));
    });
    timer?.cancel();
    this.#wake = () => {};
    this.#sleepsUntilMs = Number.NEGATIVE_INFINITY;
  }
}
