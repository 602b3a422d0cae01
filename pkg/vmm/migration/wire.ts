/**
 * Frames of a migration: four bytes of length, one of type, a payload; little-endian. Invariant: a reader holds at most one frame that is not whole, and no frame is longer
 * than its type may be, so that the other end decides about no memory of this one. Fields are read by `Fields`, which never reads beyond its payload.
 */

/** Raised with any change that an older end would misread. */
export const wireVersion = 2;

const KIB = 1024;
const headerBytes = 5;

/** Each type of frame: its number, and how long its payload may be. */
const kinds = {
  hello: { number: 1, bytesMax: 1024 * KIB },
  kernel: { number: 2, bytesMax: 264 * KIB },
  accept: { number: 3, bytesMax: 0 },
  refuse: { number: 4, bytesMax: 4 * KIB },
  pages: { number: 5, bytesMax: 320 * KIB },
  round: { number: 6, bytesMax: 4 },
  acknowledge: { number: 7, bytesMax: 4 },
  state: { number: 8, bytesMax: 8 * 1024 * KIB },
  active: { number: 9, bytesMax: 0 },
  complete: { number: 10, bytesMax: 0 },
  bye: { number: 11, bytesMax: 0 },
  abort: { number: 12, bytesMax: 4 * KIB },
  request: { number: 13, bytesMax: 4 },
  missing: { number: 14, bytesMax: 64 * KIB },
  blocks: { number: 15, bytesMax: 80 * KIB },
  root: { number: 16, bytesMax: 32 },
  want: { number: 17, bytesMax: 64 * KIB },
  piece: { number: 18, bytesMax: 320 * KIB },
  hot: { number: 19, bytesMax: 16 * KIB },
  checkpoint: { number: 20, bytesMax: 8 * 1024 * KIB },
  heartbeat: { number: 21, bytesMax: 4 },
} as const;

/** Types of frames. */
export type FrameType = keyof typeof kinds;

const byNumber = new Map<number, { readonly type: FrameType; readonly bytesMax: number }>();
for (const type of Object.keys(kinds)) {
  if (isFrameType(type)) byNumber.set(kinds[type].number, { type, bytesMax: kinds[type].bytesMax });
}

function isFrameType(name: string): name is FrameType {
  return name in kinds;
}

/** What the other end sent is not what it may send; the message is one line. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** A whole frame that came. */
export interface Frame {
  readonly type: FrameType;
  readonly payload: Uint8Array;
}

/** The bytes of a frame. */
export function frameBytes(type: FrameType, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const { number, bytesMax } = kinds[type];
  if (payload.length > bytesMax)
    throw new WireError(`Cannot send ${payload.length} bytes as ${type}: it has ${bytesMax} at most`);
  const bytes = new Uint8Array(headerBytes + payload.length);
  new DataView(bytes.buffer).setUint32(0, payload.length, true);
  bytes[4] = number;
  bytes.set(payload, headerBytes);
  return bytes;
}

/** Puts frames together of bytes however they are cut. */
export class FrameReader {
  private readonly header = new Uint8Array(headerBytes);
  private headerLength = 0;
  private type: FrameType = 'hello';
  private payload: Uint8Array | undefined;
  private filled = 0;

  /** Frames that are whole now; throws a WireError at the first that may not be. */
  push(bytes: Uint8Array): readonly Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (at < bytes.length || this.payload?.length === this.filled) {
      if (this.payload === undefined) {
        const part = bytes.subarray(at, at + headerBytes - this.headerLength);
        this.header.set(part, this.headerLength);
        this.headerLength += part.length;
        at += part.length;
        if (this.headerLength === headerBytes) this.begin();
        continue;
      }
      const part = bytes.subarray(at, at + this.payload.length - this.filled);
      this.payload.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      if (this.filled < this.payload.length) continue;
      frames.push({ type: this.type, payload: this.payload });
      this.payload = undefined;
      this.headerLength = 0;
    }
    return frames;
  }

  /** Forgets a part of a frame: the connection is another one. */
  reset(): void {
    this.payload = undefined;
    this.headerLength = 0;
  }

  private begin(): void {
    const length = new DataView(this.header.buffer).getUint32(0, true);
    const kind = byNumber.get(this.header[4] ?? 0);
    if (kind === undefined) throw new WireError(`Cannot read a frame of type ${this.header[4]}: there is none`);
    if (length > kind.bytesMax) {
      throw new WireError(`Cannot read ${kind.type} of ${length} bytes: it has ${kind.bytesMax} at most`);
    }
    this.type = kind.type;
    this.payload = new Uint8Array(length);
    this.filled = 0;
  }
}

/** Reads a payload from its beginning; what is beyond its end throws a WireError. */
export class Fields {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.view.getUint8(this.advance(1));
  }

  u16(): number {
    return this.view.getUint16(this.advance(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.advance(4), true);
  }

  take(length: number): Uint8Array {
    const at = this.advance(length);
    return this.bytes.subarray(at, at + length);
  }

  rest(): Uint8Array {
    return this.take(this.bytes.length - this.at);
  }

  /** Nothing may be left. */
  end(): void {
    if (this.at !== this.bytes.length)
      throw new WireError(`Cannot read a frame with ${this.bytes.length - this.at} bytes too many`);
  }

  private advance(length: number): number {
    const at = this.at;
    if (at + length > this.bytes.length) throw new WireError('Cannot read a frame that ends too early');
    this.at += length;
    return at;
  }
}

/** A payload that is one number. */
export function u32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** A payload of so many numbers as fit. */
export function u32sBytes(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setUint32(index * 4, value, true);
  return bytes;
}

/** The numbers of such a payload. */
export function readU32s(payload: Uint8Array): readonly number[] {
  const fields = new Fields(payload);
  const values = Array.from({ length: Math.floor(payload.length / 4) }, () => fields.u32());
  fields.end();
  return values;
}

/** A reason as a payload: what is too long is cut. */
export function reasonBytes(reason: string): Uint8Array {
  return new TextEncoder().encode(reason.slice(0, KIB));
}

/** A reason of the other end, as one line of text. */
export function reasonOf(payload: Uint8Array): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is shown to people, whose terminals it is not to steer.
  return new TextDecoder().decode(payload).replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}
