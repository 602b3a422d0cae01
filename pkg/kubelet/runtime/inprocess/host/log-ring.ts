/**
 * A program's output on its way from its thread to the main one: a ring of bytes in shared memory. A write waits, as one to a full pipe
 * does, while there is no room; so a program that floods its output costs 64 KiB and goes as fast as it is read, and what it wrote
 * before it ended is not lost. One thread writes, one reads. The reader believes no number that it finds there.
 */
import type { Output } from './protocol.ts';

/** Bytes that are on their way. As a pipe of Linux. A power of two. */
const ringBytes = 64 * 1024;
/** Longest piece; longer writes are several. */
const pieceBytesMax = 16 * 1024;
/** Before each piece: its stream and its length. */
const headBytes = 4;

/** Places in the words before the bytes. */
const written = 0;
const read = 1;
/** 1 while the reader was told of bytes and has not looked yet. */
const told = 2;
const words = 3;

/** A piece of output. */
export type Piece = Pick<Output, 'bytes' | 'stream'>;

/** Memory for a ring, to be shared by its two ends. */
export function makeLogRing(): SharedArrayBuffer {
  return new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT + ringBytes);
}

/** The program's end. */
export class LogRingWriter {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #wake: () => void;

  /** `wake` is called when there is something to read for a reader that knows of nothing yet. */
  constructor(ring: SharedArrayBuffer, wake: () => void) {
    [this.#words, this.#bytes] = viewsOf(ring);
    this.#wake = wake;
  }

  /** Writes all of `bytes`; waits for room, which blocks the thread. */
  write(stream: Output['stream'], bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += pieceBytesMax) {
      const piece = bytes.subarray(at, at + pieceBytesMax);
      const start = this.#waitForRoom(headBytes + piece.length);
      const head = ((stream === 'stdout' ? 1 : 2) << 24) | piece.length;
      for (let index = 0; index < headBytes; index++) {
        this.#bytes[(start + index) & (ringBytes - 1)] = head >>> (24 - 8 * index);
      }
      put(this.#bytes, start + headBytes, piece);
      Atomics.store(this.#words, written, (start + headBytes + piece.length) | 0);
      if (Atomics.exchange(this.#words, told, 1) === 0) this.#wake();
    }
  }

  /** Position at which `count` bytes have room. */
  #waitForRoom(count: number): number {
    const start = this.#words[written]!;
    for (;;) {
      const done = Atomics.load(this.#words, read);
      if (ringBytes - ((start - done) >>> 0) >= count) return start;
      Atomics.wait(this.#words, read, done);
    }
  }
}

/** The reading end. */
export class LogRingReader {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(ring: SharedArrayBuffer) {
    [this.#words, this.#bytes] = viewsOf(ring);
  }

  /** Pieces that are there, until they have more than `bytesMax`. Undefined for a ring whose contents make no sense. */
  take(bytesMax: number): readonly Piece[] | undefined {
    // First, so that what is written from here on is told of again.
    Atomics.store(this.#words, told, 0);
    const pieces: Piece[] = [];
    let taken = 0;
    let there = (Atomics.load(this.#words, written) - this.#at) >>> 0;
    if (there > ringBytes) return undefined;
    while (there > 0 && taken < bytesMax) {
      const head = this.#head();
      const length = head & 0xffffff;
      if (length === 0 || length > pieceBytesMax || headBytes + length > there) return undefined;
      pieces.push({ stream: head >>> 24 === 1 ? 'stdout' : 'stderr', bytes: this.#copy(length) });
      there -= headBytes + length;
      taken += length;
    }
    Atomics.store(this.#words, read, this.#at | 0);
    Atomics.notify(this.#words, read);
    return pieces;
  }

  #head(): number {
    let head = 0;
    for (let index = 0; index < headBytes; index++) head = (head << 8) | this.#bytes[this.#at++ & (ringBytes - 1)]!;
    return head >>> 0;
  }

  #copy(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    const start = this.#at & (ringBytes - 1);
    const first = Math.min(length, ringBytes - start);
    bytes.set(this.#bytes.subarray(start, start + first));
    bytes.set(this.#bytes.subarray(0, length - first), first);
    this.#at += length;
    return bytes;
  }
}

function viewsOf(ring: SharedArrayBuffer): [Int32Array, Uint8Array] {
  return [new Int32Array(ring, 0, words), new Uint8Array(ring, words * Int32Array.BYTES_PER_ELEMENT, ringBytes)];
}

function put(ring: Uint8Array, at: number, piece: Uint8Array): void {
  const start = at & (ringBytes - 1);
  const first = Math.min(piece.length, ringBytes - start);
  ring.set(piece.subarray(0, first), start);
  ring.set(piece.subarray(first), 0);
}
