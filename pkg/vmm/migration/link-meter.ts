/** Measures what a link carries: only stretches in which something waited throughout count, as the rest says what was offered. */

import { PAGE_SIZE } from '../memory-map.ts';

/** A stretch is at least so long. */
const stretchMs = 20;
/** Weight of the newest stretch. */
const newest = 0.4;
/** What reading, telling and writing a page costs, beside the time on the link. */
const pageMs = 0.02;

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

  /** How long so many bytes take that tell so many pages, in ms. */
  msFor(bytes: number, pages: number): number {
    return (bytes * 1000) / this.rate + pages * pageMs;
  }

  /** How many pages go in so many ms, each as it is. */
  pagesWithin(ms: number): number {
    return Math.floor(ms / this.msFor(PAGE_SIZE, 1));
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
