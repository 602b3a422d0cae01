/**
 * Frames of SPDY 3.1. Invariants: of a control frame at most `controlBytesMax` are kept, and data is passed on in the pieces in which it comes;
 * whatever is sent is a frame or an error, after which the connection is of no use. Knows nothing of streams.
 * Source: SPDY protocol draft 3.1, section 2.
 */
import { Buffer } from 'node:buffer';

const headBytes = 8;
/** Largest control frame. Source: section 2.2.1 asks for 8 KiB at least. */
const controlBytesMax = 64 * 1024;
const version = 3;

/** The numbers of control frames. Source: SPDY 3.1, section 2.6. */
export const frameType = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** Flag of the last frame of a direction of a stream. */
export const finFlag = 1;
/** Flag of a stream that its opener alone writes. */
export const unidirectionalFlag = 2;

/** A control frame, whole. */
export interface ControlFrame {
  readonly type: number;
  readonly flags: number;
  readonly payload: Buffer;
}

/** Told of what has come, in order. */
export interface SpdyListener {
  onControl(frame: ControlFrame): void;
  /** A piece of a frame of data; `isLast` with the last piece of the stream's last. */
  onData(streamId: number, bytes: Uint8Array, isLast: boolean): void;
}

/** Puts together what the other end sends. */
export class SpdyFrameReader {
  readonly #listener: SpdyListener;
  readonly #head = Buffer.alloc(headBytes);
  #headLength = 0;
  /** Bytes of the payload that are still to come; undefined between frames. */
  #left: number | undefined;
  #control: Buffer[] = [];

  constructor(listener: SpdyListener) {
    this.#listener = listener;
  }

  /** Takes bytes as they come; pieces of data keep them. Throws for what is no frame. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#left === undefined) {
        at += this.#readHead(bytes.subarray(at));
        if (this.#left !== 0) continue;
      }
      const piece = bytes.subarray(at, at + this.#left!);
      at += piece.length;
      this.#left! -= piece.length;
      this.#payload(piece);
    }
  }

  get #isControl(): boolean {
    return this.#head[0]! >= 0x80;
  }

  #readHead(bytes: Uint8Array): number {
    const count = Math.min(headBytes - this.#headLength, bytes.length);
    this.#head.set(bytes.subarray(0, count), this.#headLength);
    this.#headLength += count;
    if (this.#headLength < headBytes) return count;
    this.#headLength = 0;
    this.#left = this.#head.readUIntBE(5, 3);
    if (!this.#isControl) return count;
    const found = this.#head.readUInt16BE(0) & 0x7fff;
    if (found !== version) throw new Error(`Cannot read a frame of SPDY ${found}: this is ${version}`);
    if (this.#left > controlBytesMax) {
      throw new Error(`Cannot read a control frame of ${this.#left} bytes: ${controlBytesMax} are allowed`);
    }
    return count;
  }

  #payload(piece: Uint8Array): void {
    const isWhole = this.#left === 0;
    const flags = this.#head[4]!;
    if (!this.#isControl) {
      if (isWhole) this.#left = undefined;
      this.#listener.onData(this.#head.readUInt32BE(0), piece, isWhole && (flags & finFlag) !== 0);
      return;
    }
    this.#control.push(Buffer.from(piece));
    if (!isWhole) return;
    const payload = this.#control.length === 1 ? this.#control[0]! : Buffer.concat(this.#control);
    this.#control = [];
    this.#left = undefined;
    this.#listener.onControl({ type: this.#head.readUInt16BE(2), flags, payload });
  }
}

/** A control frame, as bytes to send. */
export function encodeControl({ type, flags, payload }: ControlFrame): Buffer {
  const frame = Buffer.allocUnsafe(headBytes + payload.length);
  frame.writeUInt16BE(0x8000 | version, 0);
  frame.writeUInt16BE(type, 2);
  frame[4] = flags;
  frame.writeUIntBE(payload.length, 5, 3);
  frame.set(payload, headBytes);
  return frame;
}

/** A control frame of numbers of 32 bits. */
export function encodeNumbers(type: number, ...numbers: readonly number[]): Buffer {
  const payload = Buffer.alloc(4 * numbers.length);
  for (const [index, number] of numbers.entries()) payload.writeUInt32BE(number >>> 0, 4 * index);
  return encodeControl({ type, flags: 0, payload });
}

/** Data that is copied, to be one write with the head before it. More than that costs more to copy than a write does. */
const copiedBytesMax = 8 * 1024;

/** A frame of data, in one piece or two; the second is `bytes` themselves. */
export function encodeData(streamId: number, bytes: Uint8Array, isLast: boolean): readonly Uint8Array[] {
  const isCopied = bytes.length <= copiedBytesMax;
  const frame = Buffer.allocUnsafe(isCopied ? headBytes + bytes.length : headBytes);
  frame.writeUInt32BE(streamId, 0);
  frame[4] = isLast ? finFlag : 0;
  frame.writeUIntBE(bytes.length, 5, 3);
  if (!isCopied) return [frame, bytes];
  frame.set(bytes, headBytes);
  return [frame];
}
