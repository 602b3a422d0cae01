/** What an end asks of its host within one event, and how much of what it sent still waits. Invariant: more is made for a slow link only while less than a window waits. */
import type { MigrationEffect } from './contract.ts';
import { type FrameType, frameBytes } from './wire.ts';

/** A window: what the link carries in so many ms, within limits, so that a page that is asked for waits no longer. */
const windowMs = 10;
const windowBytesMin = 32 * 1024;
const windowBytesMax = 1024 * 1024;

/** Effects of one end. */
export class Outbox {
  private effects: MigrationEffect[] = [];
  private waiting = 0;
  /** All that was ever sent. */
  sentBytes = 0;
  private readonly windowBytes: number;

  constructor(bandwidth: number) {
    this.windowBytes = Math.min(windowBytesMax, Math.max(windowBytesMin, Math.floor((bandwidth * windowMs) / 1000)));
  }

  get waitingBytes(): number {
    return this.waiting;
  }

  get hasRoom(): boolean {
    return this.waiting < this.windowBytes;
  }

  /** The host has so much left to send. */
  hostHas(waitingBytes: number): void {
    this.waiting = waitingBytes;
  }

  send(type: FrameType, payload?: Uint8Array, urgent = false): void {
    const bytes = frameBytes(type, payload);
    this.waiting += bytes.length;
    this.sentBytes += bytes.length;
    this.effects.push({ type: 'send', bytes, urgent });
  }

  push(effect: MigrationEffect): void {
    this.effects.push(effect);
  }

  take(): readonly MigrationEffect[] {
    const taken = this.effects;
    this.effects = [];
    return taken;
  }
}
