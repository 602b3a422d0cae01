/** Measures what a link carries: only stretches in which something waited throughout count, as the rest says what was offered. */

/** A stretch is at least so long. */
const stretchMs = 20;
/** Weight of the newest stretch. */
const newest = 0.4;

/** Bandwidth of one link, in bytes a second; what was meant until there was a stretch. */
export class LinkMeter {
  private rate: number;
  private beganMs: number | undefined;
  private deliveredBefore = 0;

  constructor(meant: number) {
    this.rate = meant;
  }

  get bandwidth(): number {
    return this.rate;
  }

  /** So much was given to the host in all, and so much waits there. */
  note({
    sentBytes,
    waitingBytes,
    nowMs,
  }: {
    readonly sentBytes: number;
    readonly waitingBytes: number;
    readonly nowMs: number;
  }): void {
    const delivered = sentBytes - waitingBytes;
    if (waitingBytes === 0) {
      this.beganMs = undefined;
      return;
    }
    if (this.beganMs === undefined) {
      this.beganMs = nowMs;
      this.deliveredBefore = delivered;
    } else if (nowMs - this.beganMs >= stretchMs) {
      const measured = ((delivered - this.deliveredBefore) * 1000) / (nowMs - this.beganMs);
      this.rate = Math.max(1, this.rate * (1 - newest) + measured * newest);
      this.beganMs = nowMs;
      this.deliveredBefore = delivered;
    }
  }
}
