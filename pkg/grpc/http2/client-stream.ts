/**
 * One request on an HTTP/2 connection: what it has still to say, and what is told of the answer. It begins when the server has room for it, and ends once,
 * whoever ends it.
 */
import { type GrpcError, lostError } from '../grpc-error.ts';
import { frameBytesMax } from './frames.ts';
import type { HeaderFields } from './header-block.ts';
import { FlowWindow, ReceivedBytes } from './windows.ts';

/** Codes of HTTP/2: a stream that is no longer wanted, and one that was not looked at. */
const cancelled = 8;
const refused = 7;

/** What comes of a stream. */
export interface StreamSink {
  /** Headers, and those behind the body. */
  onHeaders(fields: HeaderFields): void;
  /** Part of what was read, which is there until this returns. */
  onData(bytes: Buffer): void;
  /** Called once, and nothing after it: undefined when the server has said all that it had to say. */
  onEnd(error: GrpcError | undefined): void;
}

/** What a stream asks of its connection. */
export interface StreamPart {
  readonly sink: StreamSink;
  pump(stream: ClientStream): void;
  reset(stream: ClientStream, code: number): void;
  forget(stream: ClientStream): void;
}

/** A piece of a body that fits into a frame. */
export interface BodyPiece {
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

/** One stream. */
export class ClientStream {
  readonly block: Uint8Array;
  readonly received = new ReceivedBytes();
  readonly #part: StreamPart;
  /** 0 until it has begun. */
  id = 0;
  window = new FlowWindow();
  #waiting: Uint8Array[] = [];
  /** Whether nothing is written after what waits, and whether the server knows. */
  #isWritten = false;
  #isSent = false;
  #isOver = false;

  constructor(block: Uint8Array, part: StreamPart) {
    this.block = block;
    this.#part = part;
  }

  /** It is the connection's from now on. */
  begin(id: number, window: FlowWindow): void {
    this.id = id;
    this.window = window;
  }

  /** Adds to the body. */
  write(bytes: Uint8Array): void {
    if (this.#isOver || this.#isWritten) return;
    this.#waiting.push(bytes);
    this.#part.pump(this);
  }

  /** Adds to the body for the last time. */
  writeLast(bytes: Uint8Array): void {
    if (this.#isOver || this.#isWritten) return;
    this.#waiting.push(bytes);
    this.#isWritten = true;
    this.#part.pump(this);
  }

  /** The next piece of what waits to be sent, as large as there is room for; undefined for none. */
  take(connection: FlowWindow): BodyPiece | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    const room = Math.min(connection.bytes, this.window.bytes, frameBytesMax);
    const isWhole = first.length === 0 || first.length <= room;
    if (!isWhole && room <= 0) return undefined;
    const bytes = isWhole ? first : first.subarray(0, room);
    if (isWhole) this.#waiting.shift();
    else this.#waiting[0] = first.subarray(room);
    connection.add(-bytes.length);
    this.window.add(-bytes.length);
    this.#isSent = this.#isWritten && this.#waiting.length === 0;
    return { bytes, isLast: this.#isSent };
  }

  /** Gives it up: its sink is not called again. */
  close(): void {
    if (this.#isOver) return;
    this.#part.reset(this, cancelled);
    this.#over();
  }

  /** Says that it is over. */
  end(error: GrpcError | undefined): void {
    if (this.#isOver) return;
    this.#over();
    this.#part.sink.onEnd(error);
  }

  takeHeaders(fields: HeaderFields, isLast: boolean): void {
    this.#part.sink.onHeaders(fields);
    if (isLast) this.#finish();
  }

  takeData(bytes: Buffer, isLast: boolean): void {
    this.#part.sink.onData(bytes);
    if (isLast) this.#finish();
  }

  /** The server has given it up. */
  wasReset(code: number): void {
    this.end(lostError('the answer was cut off', code !== refused));
  }

  #finish(): void {
    if (this.#isOver) return;
    // The server wants to hear no more of it.
    if (!this.#isSent) this.#part.reset(this, cancelled);
    this.end(undefined);
  }

  #over(): void {
    this.#isOver = true;
    this.#waiting = [];
    this.#part.forget(this);
  }
}
