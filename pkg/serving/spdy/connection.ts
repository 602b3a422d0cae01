/**
 * One end of a SPDY 3.1 connection and its streams. Invariants: a stream's unread input is bounded, beyond which the whole connection waits for its
 * reader; at most `streamsMax` streams are open; when the connection ends, so does every stream.
 *
 * Go's implementation, which is what clients of Kubernetes have, knows no windows: it neither sends nor heeds updates. So windows are kept for the
 * other end's sake and heeded once it has shown that it has any. What this end cannot take is held back by the connection itself, as upstream's is.
 * Source: SPDY protocol draft 3.1. Upstream counterpart: `moby/spdystream`.
 */
import type { UpgradedConnection } from '#pkg/apimachinery/http.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import {
  type ControlFrame,
  encodeControl,
  encodeNumbers,
  finFlag,
  frameType,
  SpdyFrameReader,
  unidirectionalFlag,
} from './frames.ts';
import { HeaderInflater, HeaderWriter, type SpdyHeaders } from './header-block.ts';
import { resetCode, SpdyStream, type StreamHost } from './stream.ts';

/** Open streams of one connection. A forwarded connection takes two. */
const streamsMaxDefault = 1_000;
/** A peer that has sent nothing for so long is asked whether it is there; after twice as long it is not. */
const pingMsDefault = 30_000;
/** How long what was written last may take to be sent before the connection is cut. */
const closeMs = 2_000;
/** Bytes that wait to be sent before whoever writes should wait: some frames, so that one is there when the last has left. */
const unsentBytesMax = 256 * 1024;
/** What a window begins with. Source: section 2.6.8. */
const windowBytesDefault = 64 * 1024;
/** Identifier of the initial window among settings. Source: section 2.6.4. */
const initialWindowSetting = 7;

/** Which end this is, its limits, and who takes the streams of the other end. */
export interface SpdyOptions {
  readonly clock: Clock;
  readonly role: 'client' | 'server';
  readonly streamsMax?: number;
  readonly pingMs?: number;
  /** A connection on which nothing but pings has gone either way for so long is ended. Default: it may be idle for ever. */
  readonly idleMs?: number;
  /** Whether the other end is told what was read. Default true; Go's clients do not. */
  readonly tellsWindows?: boolean;
  /** Called with each stream that the other end opens. It accepts or refuses it. */
  onStream?(stream: SpdyStream): void;
}

/** One end, until `ended` resolves. */
export class SpdyConnection implements StreamHost {
  /** Resolves when the connection has ended, or the other end has said that it will. */
  readonly ended: Promise<void>;
  readonly #options: SpdyOptions;
  readonly #connection: UpgradedConnection;
  readonly #inflater = new HeaderInflater();
  readonly #writer = new HeaderWriter();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #gone = Promise.withResolvers<void>();
  #drains: (() => void)[] = [];
  #nextId: number;
  #lastPeerId = 0;
  /** Streams whose readers are behind. */
  readonly #full = new Set<SpdyStream>();
  #isEnded = false;
  #isAway = false;
  #hasWindows = false;
  #initialWindow = windowBytesDefault;
  #heardMs: number;
  /** When anything but a ping was sent or came. */
  #usedMs: number;
  #pingId: number;
  #timer: Timer | undefined;

  /** Listens from now on. */
  constructor(connection: UpgradedConnection, options: SpdyOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#nextId = options.role === 'client' ? 1 : 2;
    this.#pingId = this.#nextId;
    this.ended = this.#ended.promise;
    this.#heardMs = options.clock.monotonicMs();
    this.#usedMs = this.#heardMs;
    const reader = new SpdyFrameReader({
      onControl: (frame) => this.#control(frame),
      onData: (id, bytes, isLast) => this.#data(id, bytes, isLast),
    });
    connection.on('data', (bytes) => this.#hear(reader, bytes));
    for (const event of ['end', 'close'] as const) {
      connection.on(event, () => {
        this.#end();
        if (event === 'close') this.#gone.resolve();
      });
    }
    connection.on('error', () => this.#end());
    connection.on('drain', () => this.#drained());
    this.#arm();
  }

  /** Opens a stream; the other end's answer is `stream.accepted`. */
  open(headers: SpdyHeaders): SpdyStream {
    const stream = new SpdyStream(this, { id: this.#nextId, headers, isOwn: true, windowBytes: this.#initialWindow });
    this.#nextId += 2;
    this.#streams.set(stream.id, stream);
    const head = Buffer.alloc(10);
    head.writeUInt32BE(stream.id, 0);
    const payload = Buffer.concat([head, this.#writer.write(headers)]);
    this.send(encodeControl({ type: frameType.synStream, flags: 0, payload }));
    return stream;
  }

  /** Says that the connection ends and ends it once all is sent. Resolves when it has gone. */
  async close(): Promise<void> {
    if (!this.#isAway && !this.#isEnded) this.send(encodeNumbers(frameType.goAway, this.#lastPeerId, 0));
    this.#isAway = true;
    this.#end();
    this.#connection.end();
    const late = this.#options.clock.setTimeout(() => this.#connection.destroy(), closeMs);
    await this.#gone.promise;
    late.cancel();
  }

  /** False when the other end should be waited for. */
  send(...frame: readonly Uint8Array[]): boolean {
    if (this.#isEnded) return true;
    this.#usedMs = this.#options.clock.monotonicMs();
    const isOne = frame.length === 1;
    // Joined where they are encrypted: a copy here would be garbage of twice the size of what is carried.
    if (!isOne) this.#connection.cork?.();
    let hasRoom = true;
    for (const piece of frame) hasRoom = this.#connection.write(piece);
    if (!isOne) this.#connection.uncork?.();
    return hasRoom || (this.#connection.writableLength ?? unsentBytesMax) < unsentBytesMax;
  }

  /** Whether nothing of what was sent is held any more. */
  get hasSentAll(): boolean {
    return this.#connection.writableLength === 0;
  }

  #ping(id: number): void {
    if (!this.#isEnded) this.#connection.write(encodeNumbers(frameType.ping, id));
  }

  reply(stream: SpdyStream, headers: SpdyHeaders): void {
    const id = Buffer.alloc(4);
    id.writeUInt32BE(stream.id);
    const payload = Buffer.concat([id, this.#writer.write(headers)]);
    this.send(encodeControl({ type: frameType.synReply, flags: 0, payload }));
  }

  /** Resolves when what was sent is taken, or nobody is there for it. */
  drained(): Promise<void> {
    if (this.#isEnded || this.#connection.destroyed) return Promise.resolve();
    return new Promise((resolve) => this.#drains.push(resolve));
  }

  /** The other end heeds windows, so that its own have to be heeded. */
  get hasWindows(): boolean {
    return this.#hasWindows;
  }

  /** The other end is told what was read. */
  get tellsWindows(): boolean {
    return this.#options.tellsWindows !== false;
  }

  /** A reader has fallen behind, or has caught up. */
  full(stream: SpdyStream, isFull: boolean): void {
    if (isFull) this.#full.add(stream);
    else if (!this.#full.delete(stream)) return;
    if (this.#full.size === 0) this.#connection.resume();
    else if (this.#full.size === 1 && isFull) this.#connection.pause();
  }

  /** A stream is over. */
  forget(stream: SpdyStream): void {
    this.full(stream, false);
    this.#streams.delete(stream.id);
  }

  #hear(reader: SpdyFrameReader, bytes: Uint8Array): void {
    if (this.#isEnded) return;
    this.#heardMs = this.#options.clock.monotonicMs();
    try {
      reader.push(bytes);
    } catch {
      // Nothing that follows can be read.
      this.send(encodeNumbers(frameType.goAway, this.#lastPeerId, 1));
      this.#end();
      this.#connection.end();
    }
  }

  #data(id: number, bytes: Uint8Array, isLast: boolean): void {
    this.#usedMs = this.#heardMs;
    const stream = this.#streams.get(id);
    // Sent before its end was known there.
    if (stream === undefined) return;
    stream.received(bytes, isLast);
  }

  #control({ type, flags, payload }: ControlFrame): void {
    if (type !== frameType.ping) this.#usedMs = this.#heardMs;
    if (type === frameType.synStream) this.#opened(payload, flags);
    else if (type === frameType.synReply || type === frameType.headers) {
      // Read in any case: the next block refers to it.
      const headers = this.#inflater.read(payload.subarray(4));
      this.#streams.get(idOf(payload))?.answered(headers, (flags & finFlag) !== 0);
    } else if (type === frameType.rstStream) this.#streams.get(idOf(payload))?.wasReset();
    else if (type === frameType.windowUpdate) this.#windowUpdate(payload);
    else if (type === frameType.settings) this.#settings(payload);
    else if (type === frameType.ping) {
      // One of this end's own has come back.
      const isOwn = idOf(payload) % 2 === this.#nextId % 2;
      if (!isOwn) this.#ping(idOf(payload));
    } else if (type === frameType.goAway) {
      this.#isAway = true;
      this.#ended.resolve();
    }
  }

  #opened(payload: Buffer, flags: number): void {
    const id = idOf(payload);
    const headers = this.#inflater.read(payload.subarray(10));
    if (this.#isAway) return;
    const { streamsMax = streamsMaxDefault, onStream } = this.#options;
    if (id % 2 === this.#nextId % 2 || id <= this.#lastPeerId) {
      this.send(encodeNumbers(frameType.rstStream, id, resetCode.protocolError));
      return;
    }
    this.#lastPeerId = id;
    if (this.#streams.size >= streamsMax || onStream === undefined) {
      this.send(encodeNumbers(frameType.rstStream, id, resetCode.refused));
      return;
    }
    const stream = new SpdyStream(this, { id, headers, isOwn: false, windowBytes: this.#initialWindow });
    this.#streams.set(id, stream);
    if ((flags & unidirectionalFlag) !== 0) stream.end();
    if ((flags & finFlag) !== 0) stream.received(new Uint8Array(0), true);
    onStream(stream);
  }

  #windowUpdate(payload: Buffer): void {
    if (payload.length < 8) return;
    this.#hasWindows = true;
    this.#streams.get(idOf(payload))?.widen(payload.readUInt32BE(4) & 0x7fffffff);
  }

  #settings(payload: Buffer): void {
    this.#hasWindows = true;
    for (let at = 4; at + 8 <= payload.length; at += 8) {
      if (payload.readUIntBE(at + 1, 3) !== initialWindowSetting) continue;
      const bytes = payload.readUInt32BE(at + 4) & 0x7fffffff;
      for (const stream of this.#streams.values()) stream.widen(bytes - this.#initialWindow);
      this.#initialWindow = bytes;
    }
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#timer?.cancel();
    this.#ended.resolve();
    for (const stream of this.#streams.values()) stream.wasCut();
    this.#streams.clear();
    this.#full.clear();
    this.#drained();
    this.#connection.resume();
  }

  #drained(): void {
    const drains = this.#drains;
    this.#drains = [];
    for (const resolve of drains) resolve();
  }

  #arm(): void {
    const { clock, pingMs = pingMsDefault, idleMs = Number.POSITIVE_INFINITY } = this.#options;
    this.#timer = clock.setTimeout(() => {
      const nowMs = clock.monotonicMs();
      const silentMs = nowMs - this.#heardMs;
      if (nowMs - this.#usedMs >= idleMs) {
        this.send(encodeNumbers(frameType.goAway, this.#lastPeerId, 0));
        this.#end();
        return;
      }
      // One that waits for its reader cannot be heard.
      if (silentMs >= 2 * pingMs && this.#full.size === 0) {
        this.#end();
        this.#connection.destroy();
        return;
      }
      if (silentMs >= pingMs) {
        this.#ping(this.#pingId);
        this.#pingId += 2;
      }
      this.#arm();
    }, pingMs);
  }
}

/** The stream, or the ping, that a control frame is about. */
function idOf(payload: Buffer): number {
  return payload.readUInt32BE(0) & 0x7fffffff;
}
