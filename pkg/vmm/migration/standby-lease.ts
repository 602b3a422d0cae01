/** How long the source of a stand-by may run its machine: law 1a of `standby.ts`. Invariant: the end is reckoned from when something was sent, never from when its echo came. */

/** The source stops after this part of what the stand-by waits. */
const leasePart = 0.5;
/** So many heartbeats are sent in the time of a lease. */
const beatsPerLease = 5;

/** The lease of one stand-by. It begins with the first checkpoint. */
export class Lease {
  private readonly leaseMs: number;
  private untilMs: number | undefined;
  private beats = 0;
  private beatMs = Number.NEGATIVE_INFINITY;
  /** Heartbeats that were not echoed yet, with when they were sent, ascending. */
  private under: { readonly beat: number; readonly sentMs: number }[] = [];

  constructor(takeoverMs: number) {
    this.leaseMs = takeoverMs * leasePart;
  }

  /** There is something that the stand-by could take over. */
  get hasBegun(): boolean {
    return this.untilMs !== undefined;
  }

  begin(nowMs: number): void {
    this.untilMs ??= nowMs + this.leaseMs;
  }

  isOver(nowMs: number): boolean {
    return this.untilMs !== undefined && nowMs > this.untilMs;
  }

  /** The heartbeat that is to be sent now, if one is. */
  beat(nowMs: number): number | undefined {
    if (this.untilMs === undefined || nowMs - this.beatMs < this.leaseMs / beatsPerLease) return undefined;
    this.beatMs = nowMs;
    this.beats++;
    this.under.push({ beat: this.beats, sentMs: nowMs });
    return this.beats;
  }

  /** One came back; false: it was not sent, or has come back before. */
  echoed(beat: number): boolean {
    const found = this.under.find((one) => one.beat === beat);
    if (found === undefined) return false;
    this.under = this.under.filter((one) => one.beat > beat);
    this.untilMs = Math.max(this.untilMs ?? 0, found.sentMs + this.leaseMs);
    return true;
  }
}
