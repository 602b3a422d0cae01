/**
 * The client's side of one HTTP/2 connection, as far as gRPC goes: requests that are POSTs with a body, answers with headers before and behind theirs. By hand,
 * as a call by Node's costs two and a half times the processor time of this, and every fresh read of a store elsewhere waits for one.
 *
 * Invariants: each stream ends, with what the server said last or with `GrpcError`, and nothing is told of it after that. What is to be sent is sent by one
 * write for all that was said in the same moment, never more of it than the server has room for; what the server sends is taken at once. Source: RFC 9113.
 */
import type { Socket } from 'node:net';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { type GrpcError, lostError } from '../grpc-error.ts';
import { ClientStream, type StreamSink } from './client-stream.ts';
import {
  contentOf,
  type Frame,
  FrameSplitter,
  frameFlags,
  frameTypes,
  headOf,
  numberFrame,
  settingsFrame,
} from './frames.ts';
import { HeaderReader, headerBytesMax } from './header-block.ts';
import type { ConnectingSocket } from './open-socket.ts';
import { SendMemory } from './send-memory.ts';
import { FlowWindow, ReceivedBytes, streamWindowBytes } from './windows.ts';

/** How long a connection may take to be there: a server that is not may have a sound one beside it. */
const connectTimeoutMs = 2_000;
/** How often a sign of life is asked for, and how long it may take. Source: etcd ends connections that ask more often than each 5 s. */
const pingPeriodMs = 6_000;
const pingTimeoutMs = 3_000;
/**
 * How long a server waits for its own. Those of Go ask again with the first message after each answer, to learn how long the way is: that would be with
 * every call, and so seldom it costs nothing.
 */
const signOfLifeDelayMs = 200;
/** Signs of life that wait; with one more they go at once. */
const signsMax = 8;

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** Numbers of settings. */
const settingIds = { headerTableSize: 1, enablePush: 2, streamsMax: 3, windowBytes: 4 } as const;
const settingBytes = 6;
const lastStreamId = 0x7fff_ffff;

/** A socket, and how it is watched over. */
export interface ClientSessionOptions {
  /** Opens the socket, and hands on what is read from it. */
  readonly connect: (onChunk: (chunk: Buffer) => void) => ConnectingSocket;
  readonly clock: Clock;
  /** Whether the server is asked for signs of life while something is under way. */
  readonly pings: boolean;
}

/** One connection. It takes no new streams from the moment on in which it is no longer usable, and ends by itself with the last one then. */
export class ClientSession {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #pings: boolean;
  readonly #splitter = new FrameSplitter((frame) => this.#take(frame));
  readonly #headers = new HeaderReader();
  readonly #streams = new Map<number, ClientStream>();
  /** Those that the server has no room for yet. */
  readonly #parked = new Set<ClientStream>();
  readonly #window = new FlowWindow();
  readonly #received = new ReceivedBytes();
  #streamWindow = new FlowWindow().bytes;
  #streamsMax = Number.POSITIVE_INFINITY;
  #nextId = 1;
  #isLeaving = false;
  #isConnected = false;
  #isGreeted = false;
  #error: GrpcError | undefined;
  /** Headers of which more frames are to come. */
  #block: { readonly head: Frame; readonly parts: Buffer[]; bytes: number } | undefined;
  #out: Uint8Array[] = [];
  readonly #sending = new SendMemory();
  #isFlushDue = false;
  #signs: Uint8Array[] = [];
  #signTimer: Timer | undefined;
  #timer: Timer;

  constructor({ connect, clock, pings }: ClientSessionOptions) {
    const { socket, connectEvent } = connect((chunk) => this.#receive(chunk));
    this.#socket = socket;
    this.#clock = clock;
    this.#pings = pings;
    this.#timer = clock.setTimeout(() => this.end(lostError('no connection within 2 s', false)), connectTimeoutMs);
    const settings = settingsFrame([
      [settingIds.headerTableSize, 0],
      [settingIds.enablePush, 0],
      [settingIds.windowBytes, streamWindowBytes],
    ]);
    this.#send(preface, settings, this.#received.opening());
    socket.on(connectEvent, () => {
      this.#isConnected = true;
      this.#timer.cancel();
      this.#armPing();
      this.#flush();
    });
    socket.on('error', (error) => this.end(lostError(errorText(error), this.#isConnected)));
    socket.on('end', () => this.end(lostError('the server closed the connection', this.#isConnected)));
    socket.on('close', () => this.end(lostError('the server closed the connection', this.#isConnected)));
  }

  /** Whether it takes new streams. */
  get isUsable(): boolean {
    return this.#error === undefined && !this.#isLeaving && this.#nextId <= lastStreamId;
  }

  /** Whether it has ended. */
  get isOver(): boolean {
    return this.#error !== undefined;
  }

  /** Begins a stream with the block of its headers. */
  start(block: Uint8Array, sink: StreamSink): ClientStream {
    const stream = new ClientStream(block, {
      sink,
      pump: (which) => this.#pump(which),
      reset: (which, code) => this.#reset(which, code),
      forget: (which) => this.#forget(which),
    });
    if (this.#streams.size < this.#streamsMax) this.#begin(stream);
    else this.#parked.add(stream);
    return stream;
  }

  /** Gives the connection up, with all that is under way on it. */
  end(error: GrpcError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#timer.cancel();
    this.#signTimer?.cancel();
    this.#socket.destroy();
    for (const stream of [...this.#streams.values()]) stream.end(lostError(error.message, this.#isConnected));
    for (const stream of [...this.#parked]) stream.end(lostError(error.message, false));
  }

  #begin(stream: ClientStream): void {
    const id = this.#nextId;
    this.#nextId += 2;
    stream.begin(id, new FlowWindow(this.#streamWindow));
    this.#streams.set(id, stream);
    const { block } = stream;
    this.#send(headOf({ type: frameTypes.headers, flags: frameFlags.endHeaders, stream: id }, block.length), block);
    this.#pump(stream);
  }

  /** Sends what a stream has to say, as far as there is room for it. */
  #pump(stream: ClientStream): void {
    const { id } = stream;
    if (id === 0) return;
    for (;;) {
      const piece = stream.take(this.#window);
      if (piece === undefined) return;
      const flags = piece.isLast ? frameFlags.endStream : 0;
      this.#send(headOf({ type: frameTypes.data, flags, stream: id }, piece.bytes.length), piece.bytes);
    }
  }

  #pumpAll(): void {
    for (const stream of this.#streams.values()) this.#pump(stream);
  }

  #reset(stream: ClientStream, code: number): void {
    if (stream.id !== 0) this.#send(numberFrame({ type: frameTypes.rstStream, stream: stream.id }, code));
  }

  #forget(stream: ClientStream): void {
    this.#parked.delete(stream);
    this.#streams.delete(stream.id);
    if (this.#error !== undefined) return;
    for (const next of this.#parked) {
      if (this.#streams.size >= this.#streamsMax) break;
      this.#parked.delete(next);
      this.#begin(next);
    }
    if (this.#streams.size === 0 && !this.isUsable) this.end(lostError('the server closed the connection', true));
  }

  #send(...bytes: readonly Uint8Array[]): void {
    this.#out.push(...bytes);
    if (this.#isFlushDue || !this.#isConnected) return;
    this.#isFlushDue = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushDue = false;
    const out = this.#out;
    if (this.#error !== undefined || out.length === 0) return;
    this.#out = [];
    this.#sending.write(this.#socket, out);
  }

  #receive(chunk: Buffer): void {
    if (this.#error !== undefined) return;
    try {
      this.#splitter.push(chunk);
    } catch (error) {
      this.end(lostError(errorText(error), true));
    }
  }

  #take(frame: Frame): void {
    // What comes behind the end is not wanted; what comes before the settings is no HTTP/2.
    if (this.#error !== undefined) return;
    if (!this.#isGreeted && frame.type !== frameTypes.settings)
      throw lostError('the server does not speak HTTP/2', true);
    if (this.#block !== undefined && frame.type !== frameTypes.continuation) throw outOfOrder();
    switch (frame.type) {
      case frameTypes.data:
        this.#takeData(frame);
        break;
      case frameTypes.headers:
        this.#takeBlock(frame, contentOf(frame));
        break;
      case frameTypes.continuation:
        this.#takeBlock(frame, contentOf({ ...frame, flags: 0 }));
        break;
      case frameTypes.rstStream:
        this.#streams.get(frame.stream)?.wasReset(numberOf(frame));
        break;
      case frameTypes.settings:
        this.#takeSettings(frame);
        break;
      case frameTypes.ping:
        this.#takePing(frame);
        break;
      case frameTypes.goaway:
        this.#takeGoaway(frame);
        break;
      case frameTypes.windowUpdate:
        this.#takeRoom(frame);
        break;
      case frameTypes.pushPromise:
        throw outOfOrder();
      default:
      // Of other types nothing is known, and they are passed over.
    }
  }

  #takeData(frame: Frame): void {
    const { stream: id, payload, flags } = frame;
    const room = this.#received.add(0, payload.length);
    if (room !== undefined) this.#send(room);
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    const content = contentOf({ ...frame, flags: flags & ~frameFlags.priority });
    const isLast = (flags & frameFlags.endStream) !== 0;
    const more = isLast ? undefined : stream.received.add(id, payload.length);
    if (more !== undefined) this.#send(more);
    stream.takeData(content, isLast);
  }

  #takeBlock(frame: Frame, part: Buffer): void {
    this.#block ??= frame.type === frameTypes.headers ? { head: frame, parts: [], bytes: 0 } : undefined;
    const block = this.#block;
    if (block === undefined || block.head.stream !== frame.stream) throw outOfOrder();
    block.bytes += part.length;
    if (block.bytes > headerBytesMax) throw lostError('the server sends headers that are too long', true);
    if ((frame.flags & frameFlags.endHeaders) === 0) return void block.parts.push(Buffer.from(part));
    block.parts.push(part);
    this.#block = undefined;
    const [first = part] = block.parts;
    const fields = this.#headers.read(block.parts.length === 1 ? first : Buffer.concat(block.parts));
    this.#streams.get(frame.stream)?.takeHeaders(fields, (block.head.flags & frameFlags.endStream) !== 0);
  }

  #takeSettings({ flags, payload }: Frame): void {
    this.#isGreeted = true;
    if ((flags & frameFlags.ack) !== 0) return;
    const bytes = Buffer.from(payload);
    for (let at = 0; at + settingBytes <= bytes.length; at += settingBytes) {
      const id = bytes.readUInt16BE(at);
      const value = bytes.readUInt32BE(at + 2);
      if (id === settingIds.streamsMax) this.#streamsMax = value;
      if (id !== settingIds.windowBytes) continue;
      for (const stream of this.#streams.values()) stream.window.add(value - this.#streamWindow);
      this.#streamWindow = value;
    }
    this.#send(headOf({ type: frameTypes.settings, flags: frameFlags.ack, stream: 0 }, 0));
    this.#pumpAll();
  }

  #takePing({ flags, payload }: Frame): void {
    if ((flags & frameFlags.ack) !== 0) {
      this.#timer.cancel();
      this.#armPing();
      return;
    }
    const sign = { type: frameTypes.ping, flags: frameFlags.ack, stream: 0 };
    this.#signs.push(Buffer.concat([headOf(sign, payload.length), payload]));
    if (this.#signs.length > signsMax) this.#sendSigns();
    else this.#signTimer ??= this.#clock.setTimeout(() => this.#sendSigns(), signOfLifeDelayMs);
  }

  #sendSigns(): void {
    this.#signTimer?.cancel();
    this.#signTimer = undefined;
    this.#send(...this.#signs);
    this.#signs = [];
  }

  /** The server goes: what it has not looked at may be asked elsewhere, and what it has it answers. */
  #takeGoaway({ payload }: Frame): void {
    if (payload.length < 8) throw outOfOrder();
    const last = Buffer.from(payload).readUInt32BE(0) & lastStreamId;
    this.#isLeaving = true;
    const left = lostError('the server closed the connection', false);
    for (const stream of [...this.#parked]) stream.end(left);
    for (const [id, stream] of [...this.#streams]) if (id > last) stream.end(left);
    if (this.#streams.size === 0) this.end(left);
  }

  #takeRoom(frame: Frame): void {
    const room = numberOf(frame) & lastStreamId;
    if (frame.stream === 0) {
      this.#window.add(room);
      this.#pumpAll();
      return;
    }
    const stream = this.#streams.get(frame.stream);
    if (stream === undefined) return;
    stream.window.add(room);
    this.#pump(stream);
  }

  #armPing(): void {
    if (!this.#pings || this.#error !== undefined) return;
    this.#timer = this.#clock.setTimeout(() => {
      if (this.#streams.size > 0) this.#ping();
      else this.#armPing();
    }, pingPeriodMs);
  }

  #ping(): void {
    const silent = (): void => this.end(lostError('the server gives no sign of life', true));
    this.#timer = this.#clock.setTimeout(silent, pingTimeoutMs);
    this.#send(headOf({ type: frameTypes.ping, flags: 0, stream: 0 }, 8), Buffer.alloc(8));
  }
}

function numberOf({ payload }: Frame): number {
  if (payload.length < 4) throw outOfOrder();
  return Buffer.from(payload.buffer, payload.byteOffset, payload.length).readUInt32BE(0);
}

function outOfOrder(): GrpcError {
  return lostError('the server sends what HTTP/2 does not know', true);
}
