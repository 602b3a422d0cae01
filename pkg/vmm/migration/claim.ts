/** Asks the arbiter who owns the machine until there is an answer: an answer that is lost is asked for again, and one that comes twice counts once. */
import type { Owner } from './contract.ts';
import type { Outbox } from './outbox.ts';

/** Without an answer for so long the question is put again. */
const againMs = 250;
/** What only has to be written down waits so long: who waits since the handover is answered meanwhile, which on a host with few processors the arbiter and all who hear of it would hinder. */
const calmMs = 100;
/** What is written down is the target's word; its source asks later, so that it finds it there, and once who hears of that has done with it. */
const sourceCalmMs = 300;

/** The claim of one end. */
export class Claim {
  private readonly owner: Owner;
  private readonly out: Outbox;
  private askedMs: number | undefined;
  private laterMs: number | undefined;

  constructor(owner: Owner, out: Outbox) {
    this.owner = owner;
    this.out = out;
  }

  /** Whether an answer is awaited. */
  get isAsking(): boolean {
    return this.askedMs !== undefined;
  }

  ask(nowMs: number): void {
    if (this.askedMs !== undefined) return;
    this.askedMs = nowMs;
    this.laterMs = undefined;
    this.out.push({ type: 'claim', owner: this.owner });
  }

  /** The answer may be another in a while. */
  askLater(nowMs: number): void {
    this.laterMs = nowMs + againMs;
  }

  /** Asks once the handover is over for who waits for the machine. */
  askCalmly(nowMs: number): void {
    if (this.askedMs === undefined) this.laterMs ??= nowMs + (this.owner === 'source' ? sourceCalmMs : calmMs);
  }

  tick(nowMs: number): void {
    if (this.laterMs !== undefined && nowMs >= this.laterMs) this.ask(nowMs);
    if (this.askedMs === undefined || nowMs - this.askedMs < againMs) return;
    this.askedMs = undefined;
    this.ask(nowMs);
  }

  /** The owner, if this answers a question: `unknown` is no answer, nor is `handover` but to who asked for that. */
  answered(owner: Owner | 'unknown'): Owner | undefined {
    if (this.askedMs === undefined || owner === 'unknown') return undefined;
    if (owner === 'handover' && this.owner !== 'handover') return undefined;
    this.askedMs = undefined;
    return owner;
  }
}
