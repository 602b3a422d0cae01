/** Asks the arbiter who owns the machine until there is an answer: an answer that is lost is asked for again, and one that comes twice counts once. */
import type { Outbox } from './outbox.ts';

/** Without an answer for so long the question is put again. */
const againMs = 250;

/** The claim of one end. */
export class Claim {
  private readonly owner: 'source' | 'target';
  private readonly out: Outbox;
  private askedMs: number | undefined;

  constructor(owner: 'source' | 'target', out: Outbox) {
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
    this.out.push({ type: 'claim', owner: this.owner });
  }

  tick(nowMs: number): void {
    if (this.askedMs === undefined || nowMs - this.askedMs < againMs) return;
    this.askedMs = undefined;
    this.ask(nowMs);
  }

  /** The owner, if this answers a question; `unknown` is no answer. */
  answered(owner: 'source' | 'target' | 'unknown'): 'source' | 'target' | undefined {
    if (this.askedMs === undefined || owner === 'unknown') return undefined;
    this.askedMs = undefined;
    return owner;
  }
}
