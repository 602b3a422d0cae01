/**
 * Writes a watch to a connection. What the watch cache tells of waits for the next round of the server's watches (`watch-rounds.ts`), in which it
 * goes to the socket in one call, without a promise for each watcher.
 *
 * Budget, measured with 100 watchers of 3.8 KB events on one core (see `npm run bench`): a round costs each further watcher one array
 * reference, one `write` of bytes that all watchers share, one TLS record and one system call, and nothing is allocated that lives
 * longer than the write. A reader that does not keep up holds at most `ownBytesMax` of its own on its socket, or a
 * slice of what is shared; the rest waits where the frames come from, which has a limit.
 */
import { Buffer } from 'node:buffer';
import type { ReadyFrames, WatchFrame } from '#pkg/apimachinery/http.ts';
import { chunksOf, type JoinFrames, linesOf } from './chunked.ts';
import { sliceBytes } from './limits.ts';
import type { Outgoing } from './message.ts';
import type { WatchRounds } from './watch-rounds.ts';

/** Frames that are put together for one write at most; with initial lists there may be a hundred thousand. */
const sliceFramesMax = 64;

/** Bytes of one write of what this watcher alone is told. It is held twice until a slow reader takes it, and there may be thousands of them. */
const ownBytesMax = 64 * 1024;

/** What frames are written to: a connection, or a stream of one. */
interface FrameTarget {
  write(bytes: Uint8Array): boolean;
  on(event: 'drain', listener: () => void): unknown;
  removeListener(event: 'drain', listener: () => void): unknown;
}

/** Where frames go, and in what form. */
export interface FrameSink {
  readonly to: FrameTarget;
  readonly join: JoinFrames;
}

/** Where the frames of an answer can go as they are; undefined where they cannot. */
export function frameSink({ stream, socket, chunkedEncoding }: Outgoing): FrameSink | undefined {
  if (stream !== undefined) return { to: stream, join: linesOf };
  // A connection may still be another answer's, and a client of HTTP/1.0 knows no chunks.
  const isFree = socket !== null && socket !== undefined && chunkedEncoding;
  return isFree ? { to: socket, join: chunksOf } : undefined;
}

/** A watch that is to be sent. */
export interface FrameSending extends FrameSink {
  readonly response: Outgoing;
  readonly frames: ReadyFrames;
  readonly rounds: Pick<WatchRounds, 'add'>;
}

/** Sends frames as they come, after the head has been written; resolves once the watch has ended or its reader has gone. */
export function sendFrames(sending: FrameSending): Promise<void> {
  return new Promise((resolve) => new WatchSender({ ...sending, resolve }).begin());
}

interface WatchSending extends FrameSending {
  resolve(): void;
}

class WatchSender {
  readonly #response: Outgoing;
  readonly #socket: FrameTarget;
  readonly #join: JoinFrames;
  readonly #frames: ReadyFrames;
  readonly #rounds: Pick<WatchRounds, 'add'>;
  readonly #resolve: () => void;
  /** What is being written, and how far it is. */
  #batch: readonly WatchFrame[] = [];
  #at = 0;
  /** The frame at `#at` while it is written in pieces, and how much of it has been. */
  #chunk: Uint8Array | undefined;
  #offset = 0;
  /** The socket has enough for now and will say when it wants more. */
  #isBlocked = false;
  /** It is one of the next round. */
  #isAdded = false;
  #isDone = false;

  constructor({ response, to, join, frames, rounds, resolve }: WatchSending) {
    this.#response = response;
    // The frames are chunks already: they go to the connection as they are, which is what `response.write` would make of them.
    this.#socket = to;
    this.#join = join;
    this.#frames = frames;
    this.#rounds = rounds;
    this.#resolve = resolve;
  }

  begin(): void {
    this.#socket.on('drain', this.#onDrain);
    this.#response.on('close', this.#onClose);
    this.#frames.onReady((atOnce) => (atOnce ? this.#flush() : this.#addToRound()));
    this.#flush();
  }

  #addToRound(): void {
    if (this.#isAdded || this.#isBlocked || this.#isDone) return;
    this.#isAdded = true;
    this.#rounds.add(this.#inRound);
  }

  readonly #inRound = (): void => {
    this.#isAdded = false;
    this.#flush();
  };

  readonly #onDrain = (): void => {
    this.#isBlocked = false;
    this.#flush();
  };

  readonly #onClose = (): void => this.#finish();

  #flush(): void {
    while (!this.#isBlocked && !this.#isDone && this.#hasMore()) this.#isBlocked = !this.#socket.write(this.#slice());
    if (this.#isBlocked || this.#isDone || !this.#frames.isEnded) return;
    this.#finish();
    this.#response.end();
  }

  #hasMore(): boolean {
    if (this.#at < this.#batch.length) return true;
    this.#batch = this.#frames.take();
    this.#at = 0;
    return this.#batch.length > 0;
  }

  /** The next bytes to write: all of a short batch, which other watchers are mostly given too, or as much of a long one as is one slice. */
  #slice(): Uint8Array {
    const { length } = this.#batch;
    if (this.#at === 0 && this.#offset === 0 && isShort(this.#batch)) {
      this.#at = length;
      return this.#join(this.#batch);
    }
    const pieces: Uint8Array[] = [];
    for (let bytes = 0; this.#at < length && bytes < ownBytesMax; ) {
      const piece = this.#piece(ownBytesMax - bytes);
      pieces.push(piece);
      bytes += piece.length;
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  /** As much of the next frame as is allowed. It is held until all of it is written, so that others who are told of it can have the same. */
  #piece(bytesMax: number): Uint8Array {
    this.#chunk ??= this.#join([this.#batch[this.#at]!]);
    const piece = this.#chunk.subarray(this.#offset, this.#offset + bytesMax);
    this.#offset += piece.length;
    if (this.#offset < this.#chunk.length) return piece;
    this.#at++;
    this.#offset = 0;
    this.#chunk = undefined;
    return piece;
  }

  #finish(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#batch = [];
    this.#chunk = undefined;
    this.#socket.removeListener('drain', this.#onDrain);
    this.#response.removeListener('close', this.#onClose);
    this.#frames.close();
    this.#resolve();
  }
}

/** Whether a batch is one write: its frames are encoded anyway, for all who are told of them, and together are no more than a slice. */
function isShort(batch: readonly WatchFrame[]): boolean {
  if (batch.length > sliceFramesMax) return false;
  let bytes = 0;
  for (const { chunk } of batch) {
    if (chunk === undefined) return false;
    bytes += chunk.length;
    if (bytes > sliceBytes) return false;
  }
  return true;
}
