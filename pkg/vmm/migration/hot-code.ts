/**
 * Which code of a machine is compiled, told to the target while the source still runs it, so that the target has compiled the same before it takes over: a guest whose code is
 * interpreted at first, and compiled piece by piece, answers nobody for some hundred milliseconds. Nothing depends on it but time: what the source says is a hint.
 */
import type { Machine } from '../machine-contract.ts';
import type { Outbox } from './outbox.ts';
import { readU32s, u32sBytes } from './wire.ts';

/** Places of one message. */
const toldMax = 4096;
/** Places that are compiled at once: a millisecond or two, in which whoever else has the thread, or the processor, waits. Of those that were compiled before, twenty take no longer. */
const atOnce = 1;
const foundPart = 1 / 20;

/** The source's side. */
export class HotCodeTeller {
  private readonly told = new Set<number>();

  /** Tells the places that were not told yet. */
  tell(machine: Machine, out: Outbox): void {
    const fresh = machine
      .hotPlaces()
      .filter((place) => !this.told.has(place))
      .slice(0, toldMax);
    if (fresh.length === 0) return;
    for (const place of fresh) this.told.add(place);
    out.send('hot', u32sBytes(fresh));
  }
}

/** The target's side. */
export class HotCode {
  private waiting: readonly number[] = [];

  /** Nothing is left to be compiled. */
  get isDone(): boolean {
    return this.waiting.length === 0;
  }

  take(payload: Uint8Array): void {
    this.waiting = [...this.waiting, ...readU32s(payload)].slice(0, toldMax);
  }

  /** Compiles some of it. */
  warm(machine: Machine): void {
    let done = 0;
    for (let took = 0; took < atOnce && done < this.waiting.length; done++)
      took += machine.warm(this.waiting[done] ?? 0) ? 1 : foundPart;
    this.waiting = this.waiting.slice(done);
  }
}
