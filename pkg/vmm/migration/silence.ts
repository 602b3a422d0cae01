/** How long nothing came from the other end, as a thread has seen it: while it was not run itself it has heard nothing, and that does not count. */

/** What counts of the time between two ticks. */
const tickMsMax = 100;

/** The silence of one connection. */
export class Silence {
  private tickedMs = 0;
  /** How long it has lasted, in ms. */
  ms = 0;

  heard(): void {
    this.ms = 0;
  }

  tick(nowMs: number): void {
    this.ms += Math.min(nowMs - this.tickedMs, tickMsMax);
    this.tickedMs = nowMs;
  }
}
