/**
 * Runs one end of a migration: gives it events in order, does what it asks, and sends its bytes over a connection, no faster than they may go. Invariants: a message
 * is sent whole before the next; urgent ones come first; in any stretch of time no more is sent than the bandwidth allows beside one burst.
 */
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import type { MigrationEffect, MigrationEnd, MigrationEvent } from '#pkg/vmm/migration/contract.ts';

const tickMs = 10;
/** An end that has much to do rests so long between two pieces of it: who waits for the processor has it then. */
const restMs = 2;
/** Between slices of a guest that runs it is looked no more often than this. */
const sliceMs = 1;
/** What may be sent at once after a pause: this much of a second's. */
const burstSeconds = 0.01;
const burstBytesMin = 64 * 1024;
/** Bytes that wait in the connection itself; with more, the rest waits here. */
const socketBytesMax = 256 * 1024;
const pieceBytes = 64 * 1024;

/** An event without its time. */
type Happening = MigrationEvent extends infer Event ? (Event extends unknown ? Omit<Event, 'nowMs'> : never) : never;

/** What the end asks that is not the connection's to do. */
export type HostEffect = Exclude<MigrationEffect, { readonly type: 'close' | 'send' }>;

/** What a drive is made of. */
export interface DriveOptions {
  readonly end: MigrationEnd;
  readonly clock: Clock;
  /** Bytes a second; absent: as fast as the other takes them. */
  readonly bandwidth?: number;
  does(effect: HostEffect): void;
  /** All effects of an event were done, and what they send is sent next. */
  done?(): void;
  /** The connection is gone, and the end goes on: it may be made again. */
  lost(): void;
}

/** One end, driven. */
export class Drive {
  readonly #options: DriveOptions;
  #socket: Duplex | undefined;
  #urgent: Uint8Array[] = [];
  #queue: Uint8Array[] = [];
  /** The rest of a message of which some was sent. */
  #head: Uint8Array | undefined;
  #waitingBytes = 0;
  #allowed: number;
  #reckonedMs: number;
  #sendTimer: Timer | undefined;
  #tickTimer: Timer | undefined;
  #tickedMs = 0;
  #isOver = false;
  #isBegun = false;
  #isClosing = false;
  #isTelling = false;

  constructor(options: DriveOptions) {
    this.#options = options;
    this.#allowed = this.#burst;
    this.#reckonedMs = options.clock.monotonicMs();
    this.#tick();
  }

  get end(): MigrationEnd {
    return this.#options.end;
  }

  /** Sends and receives over a connection from now on. */
  connected(socket: Duplex): void {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      if (this.#socket === socket) this.happened({ type: 'received', bytes: Uint8Array.from(bytes) });
    });
    socket.on('drain', () => this.#send());
    let problem = 'the connection was closed';
    socket.on('error', (error) => {
      problem = error.message;
    });
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#drop();
      this.happened({ type: 'lost', reason: problem });
      if (!this.#isOver) this.#options.lost();
    });
    socket.resume();
  }

  /** Tells the end what happened from its start on, and does what it asks. */
  happened(event: Happening): void {
    if (event.type === 'start') this.#isBegun = true;
    if (this.#isOver || !this.#isBegun) return;
    const { end, clock } = this.#options;
    for (const effect of end.on({ ...event, nowMs: clock.monotonicMs() })) this.#does(effect);
    this.#options.done?.();
    this.#send();
  }

  /** Between two slices of the guest. */
  sliced(): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#tickedMs < sliceMs) return;
    this.#tickedMs = nowMs;
    this.happened({ type: 'tick' });
  }

  #tick(): void {
    if (this.#isOver) return;
    const { end, clock } = this.#options;
    this.#tickTimer = clock.setTimeout(
      () => {
        this.sliced();
        this.#tick();
      },
      end.isBusy === true ? restMs : tickMs,
    );
  }

  #does(effect: MigrationEffect): void {
    if (effect.type === 'send') {
      (effect.urgent ? this.#urgent : this.#queue).push(effect.bytes);
      this.#waitingBytes += effect.bytes.length;
    } else if (effect.type === 'close') {
      this.#isClosing = this.#socket !== undefined;
      this.#send();
    } else {
      if (effect.type === 'ended') {
        this.#isOver = true;
        this.#tickTimer?.cancel();
      }
      this.#options.does(effect);
    }
  }

  get #burst(): number {
    return Math.max(burstBytesMin, (this.#options.bandwidth ?? 0) * burstSeconds);
  }

  #send(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const before = this.#waitingBytes;
    // What there is goes at once: the other end is woken for all of it, as for the last pages and the state of a machine that stands still.
    socket.cork();
    while (this.#waitingBytes > 0 && socket.writableLength < socketBytesMax) {
      const allowed = this.#allowance();
      if (allowed <= 0) break;
      const message = this.#head ?? this.#urgent.shift() ?? this.#queue.shift() ?? new Uint8Array(0);
      const piece = message.subarray(0, Math.min(allowed, pieceBytes));
      this.#head = piece.length < message.length ? message.subarray(piece.length) : undefined;
      this.#waitingBytes -= piece.length;
      this.#allowed -= piece.length;
      socket.write(piece);
    }
    socket.uncork();
    if (this.#waitingBytes === 0 && this.#isClosing) {
      this.#isClosing = false;
      this.#socket = undefined;
      socket.end();
      if (!this.#isOver) this.#options.lost();
    } else if (this.#waitingBytes < before) this.#tellSent();
  }

  /** The end makes its next batch after what else there is: the guest's next slice. */
  #tellSent(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    void this.#options.clock.yield().then(() => {
      this.#isTelling = false;
      this.happened({ type: 'sent', waitingBytes: this.#waitingBytes });
    });
  }

  /** What may be sent now; where that is nothing, it is tried again soon. */
  #allowance(): number {
    const { bandwidth, clock } = this.#options;
    if (bandwidth === undefined) return pieceBytes;
    const nowMs = clock.monotonicMs();
    this.#allowed = Math.min(this.#burst, this.#allowed + ((nowMs - this.#reckonedMs) * bandwidth) / 1000);
    this.#reckonedMs = nowMs;
    if (this.#allowed < 1 && this.#sendTimer === undefined)
      this.#sendTimer = clock.setTimeout(() => {
        this.#sendTimer = undefined;
        this.#send();
      }, 1);
    return Math.floor(this.#allowed);
  }

  #drop(): void {
    this.#socket = undefined;
    this.#urgent = [];
    this.#queue = [];
    this.#head = undefined;
    this.#waitingBytes = 0;
  }
}
