/**
 * Messages on a stream of bytes: a length of 4 bytes, a kind of one, then the payload. The reader holds at most one frame, which is
 * never longer than its limit, and believes nothing: what is malformed throws, and the stream is of no more use then.
 * Knows nothing of what the payloads mean.
 */

/** What a frame holds: a message as JSON, output of a container as bytes, or a piece of a process's stream. */
export type FrameKind = 'json' | 'output' | 'stream';

/** One message. */
export interface Frame {
  readonly kind: FrameKind;
  readonly payload: Buffer;
}

const headerBytes = 5;
const kinds: readonly FrameKind[] = ['json', 'output', 'stream'];

/** The frame of a payload, as bytes to send. */
export function encodeFrame(kind: FrameKind, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + payload.byteLength);
  frame.writeUInt32BE(payload.byteLength, 0);
  frame[4] = kinds.indexOf(kind);
  frame.set(payload, headerBytes);
  return frame;
}

/** The frame of a message. */
export function encodeMessage(message: unknown): Buffer {
  return encodeFrame('json', Buffer.from(JSON.stringify(message)));
}

/** What came is no frame: too long, or of no kind there is. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** Cuts a stream into frames. */
export class FrameReader {
  readonly #payloadBytesMax: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Bytes that the frame at the front needs; undefined until its header is there. */
  #wanted: number | undefined;

  /** `payloadBytesMax`: a longer frame is refused at its header. */
  constructor(options: { readonly payloadBytesMax: number }) {
    this.#payloadBytesMax = options.payloadBytesMax;
  }

  /** The frames that `chunk` completes, in order. Throws `FrameError`; the reader is of no use then. */
  *push(chunk: Buffer): Generator<Frame> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes >= (this.#wanted ?? headerBytes)) {
      // Joined only when a header or a whole frame is there, so that many small chunks cost no more than few large ones.
      if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
      const all = this.#chunks[0]!;
      this.#wanted = headerBytes + this.#lengthOf(all);
      if (this.#bytes < this.#wanted) return;
      const frame = { kind: kinds[all[4]!]!, payload: all.subarray(headerBytes, this.#wanted) };
      this.#chunks = [all.subarray(this.#wanted)];
      this.#bytes -= this.#wanted;
      this.#wanted = undefined;
      yield frame;
    }
  }

  #lengthOf(bytes: Buffer): number {
    const length = bytes.readUInt32BE(0);
    if (length > this.#payloadBytesMax) {
      throw new FrameError(`Cannot read a frame of ${length} bytes: ${this.#payloadBytesMax} are allowed`);
    }
    if (bytes[4]! >= kinds.length) throw new FrameError(`Cannot read a frame of kind ${bytes[4]}`);
    return length;
  }
}
