/**
 * What the target has said about whose the machine is, and what the arbiter made of it; law 1 of the contract is kept here. Invariants: one question is open at a time; the machine may be activated only
 * after `take` has said so or an answer has; what was given back, or lost, is not taken any more.
 */
import { Claim } from './claim.ts';
import type { Owner } from './contract.ts';
import type { Outbox } from './outbox.ts';

/** What an answer of the arbiter means to the target: it may take the machine without asking; it has it; the source has; what it gave back is the source's. */
export type Verdict = 'handover' | 'target' | 'source' | 'returned';

/** The target's side of law 1. */
export class Ownership {
  private readonly out: Outbox;
  private claim: Claim | undefined;
  private stage: 'idle' | 'asking' | 'handover' | 'taking' | 'returning' | 'decided' = 'idle';

  constructor(out: Outbox) {
    this.out = out;
  }

  /** Nothing hinders a handover. */
  get isReady(): boolean {
    return this.stage === 'handover';
  }

  /** The arbiter has said whose it is. */
  get isDecided(): boolean {
    return this.stage === 'decided';
  }

  /** Asks to be the one who says whose the machine is. */
  prepare(nowMs: number): void {
    this.ask('asking', 'handover', nowMs);
  }

  /** All of the machine is here. True: it may be activated now, and the arbiter hears of it; false: only once it has answered. */
  take(nowMs: number): boolean {
    const { isReady } = this;
    if (isReady) this.claimOf('taking', 'target').askCalmly(nowMs);
    else this.ask('taking', 'target', nowMs);
    return isReady;
  }

  /** The copy here is destroyed for good. False: nothing was asked, so that nobody has to be told. */
  giveBack(nowMs: number): boolean {
    if (this.stage === 'idle' || this.stage === 'decided') return false;
    this.ask('returning', 'source', nowMs);
    return true;
  }

  /** The copy that this end had for certain is destroyed: the source's can go on. */
  surrender(nowMs: number): void {
    this.ask('returning', 'source', nowMs);
  }

  tick(nowMs: number): void {
    this.claim?.tick(nowMs);
  }

  answered(told: Owner | 'unknown'): Verdict | undefined {
    const owner = this.claim?.answered(told);
    if (owner === undefined) return undefined;
    if (owner === 'handover') {
      this.stage = 'handover';
      return 'handover';
    }
    const wasReturning = this.stage === 'returning';
    this.stage = 'decided';
    return wasReturning ? 'returned' : owner;
  }

  private ask(stage: 'asking' | 'taking' | 'returning', owner: Owner, nowMs: number): void {
    this.claimOf(stage, owner).ask(nowMs);
  }

  private claimOf(stage: 'asking' | 'taking' | 'returning', owner: Owner): Claim {
    this.stage = stage;
    this.claim = new Claim(owner, this.out);
    return this.claim;
  }
}
