/**
 * Has the machines of a node give pages back while its memory for them runs low, and lets them take those back when it does not. Law: what is asked of a machine is the same part of its memory for all of them, so none
 * is asked for more than another; it grows by a step while less than `lowPart` is free, up to `partMax`, and shrinks by a step while more than `highPart` is. What a guest cannot spare it keeps.
 */
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { BankUse } from '#pkg/vmm/frames/frame-bank.ts';
import { PAGE_SIZE } from '#pkg/vmm/memory-map.ts';

const lowPart = 1 / 8;
const highPart = 1 / 4;
const stepPart = 1 / 16;
/** A guest whose memory is all but gone does nothing but look for some. */
const partMax = 3 / 4;
/** Guests need a moment to give what they are asked for. */
const lookMs = 500;

/** A machine that can be asked. */
export interface BalloonedMachine {
  readonly memoryBytes: number;
  inflateTo(pages: number): void;
}

/** The part to be asked for, after so much of it was. */
function nextPart(part: number, { frames, owned, lent }: BankUse): number {
  const free = (frames - owned - lent) / frames;
  if (free < lowPart) return Math.min(partMax, part + stepPart);
  return free > highPart ? Math.max(0, part - stepPart) : part;
}

/** What it works on. */
export interface BalloonsDeps {
  readonly clock: Clock;
  use(): BankUse;
  machines(): Iterable<BalloonedMachine>;
}

/** Looks until it is stopped. */
export class Balloons {
  readonly #deps: BalloonsDeps;
  #timer: Timer | undefined;
  #part = 0;

  constructor(deps: BalloonsDeps) {
    this.#deps = deps;
    this.#wait();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #wait(): void {
    this.#timer = this.#deps.clock.setTimeout(() => {
      this.#look();
      this.#wait();
    }, lookMs);
  }

  #look(): void {
    const part = nextPart(this.#part, this.#deps.use());
    if (part === 0 && this.#part === 0) return;
    this.#part = part;
    // Those that came since the last look hear of it too.
    for (const machine of this.#deps.machines())
      machine.inflateTo(Math.floor((machine.memoryBytes * part) / PAGE_SIZE));
  }
}
