/** Frames of HTTP/2: nine bytes that say what follows and of which stream, then at most 16 KiB. Source: RFC 9113, sections 4 and 6. */
import { lostError } from '../grpc-error.ts';

/** What a frame is about. */
export const frameTypes = {
  data: 0,
  headers: 1,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** Bits that say more of a frame; `ack` is of settings and pings, the others of data and headers. */
export const frameFlags = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

/** Largest payload that each side takes unless it says otherwise, which is not done here. */
export const frameBytesMax = 16_384;

const headBytes = 9;

/** One frame. `stream` is 0 for what concerns the whole connection. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

/** The bytes before a payload of that length. */
export function headOf({ type, flags, stream }: Omit<Frame, 'payload'>, length: number): Buffer {
  const head = Buffer.allocUnsafe(headBytes);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return head;
}

/** A frame whose payload is a number of four bytes: a change of a window, the reason of a reset. */
export function numberFrame(
  { type, stream }: { readonly type: number; readonly stream: number },
  value: number,
): Buffer {
  const frame = Buffer.allocUnsafe(headBytes + 4);
  frame.set(headOf({ type, flags: 0, stream }, 4));
  frame.writeUInt32BE(value, headBytes);
  return frame;
}

/** A frame of settings, by their numbers. */
export function settingsFrame(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.allocUnsafe(settings.length * 6);
  for (const [i, [id, value]] of settings.entries()) {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  }
  return Buffer.concat([headOf({ type: frameTypes.settings, flags: 0, stream: 0 }, payload.length), payload]);
}

/** The payload of data and headers without what only fills it up or says how urgent it is. Throws `GrpcError` for what is too short. */
export function contentOf({ flags, payload }: Frame): Buffer {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  const isPadded = (flags & frameFlags.padded) !== 0;
  const start = (isPadded ? 1 : 0) + ((flags & frameFlags.priority) === 0 ? 0 : 5);
  const end = bytes.length - (isPadded ? (bytes[0] ?? 0) : 0);
  if (end < start) throw lostError('the server sends a frame that is too short', true);
  return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
}

const noBytes = Buffer.alloc(0);

/** Divides what comes from a server into frames. Their payloads are parts of the chunks, or of memory that the next frame is put together in. */
export class FrameSplitter {
  readonly #take: (frame: Frame) => void;
  /** Room for a frame that is not whole yet, and how many bytes of it are there. */
  #held = noBytes;
  #heldBytes = 0;

  constructor(take: (frame: Frame) => void) {
    this.#take = take;
  }

  /** Hands on the frames that are whole with this chunk, each of which has its payload until `take` returns. Throws `GrpcError` for one that is too long. */
  push(chunk: Buffer): void {
    let at = this.#heldBytes === 0 ? 0 : this.#complete(chunk);
    while (chunk.length - at >= headBytes) {
      const end = at + headBytes + lengthAt(chunk, at);
      if (end > chunk.length) break;
      this.#take(frameAt(chunk, at, end));
      at = end;
    }
    if (at < chunk.length) this.#hold(chunk, at, chunk.length);
  }

  /** Adds to the frame that is held what it lacks, and hands it on once it is whole; returns up to where the chunk is used up. */
  #complete(chunk: Buffer): number {
    const held = this.#held;
    for (let at = 0; ; ) {
      const wanted = this.#heldBytes < headBytes ? headBytes : headBytes + lengthAt(held, 0);
      const end = Math.min(chunk.length, at + wanted - this.#heldBytes);
      this.#hold(chunk, at, end);
      at = end;
      if (this.#heldBytes < wanted) return at;
      // With its head it is known how long it is.
      if (wanted < headBytes + lengthAt(held, 0)) continue;
      this.#heldBytes = 0;
      this.#take(frameAt(held, 0, wanted));
      return at;
    }
  }

  #hold(chunk: Buffer, start: number, end: number): void {
    if (this.#held.length === 0) this.#held = Buffer.allocUnsafeSlow(headBytes + frameBytesMax);
    chunk.copy(this.#held, this.#heldBytes, start, end);
    this.#heldBytes += end - start;
  }
}

/** The length that the head of a frame tells. */
function lengthAt(bytes: Buffer, at: number): number {
  const length = bytes.readUIntBE(at, 3);
  if (length > frameBytesMax) throw lostError('the server does not speak HTTP/2', true);
  return length;
}

function frameAt(bytes: Buffer, at: number, end: number): Frame {
  return {
    type: bytes[at + 3] ?? 0,
    flags: bytes[at + 4] ?? 0,
    // The uppermost bit means nothing.
    stream: bytes.readUInt32BE(at + 5) & 0x7fff_ffff,
    payload: bytes.subarray(at + headBytes, end),
  };
}
