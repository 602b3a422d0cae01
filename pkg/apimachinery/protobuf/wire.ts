/**
 * The wire format of protocol buffers: varints, fixed words and length-delimited bytes.
 * The writer fills its buffer from the end to the front, so that the length of a message is known when it is written.
 * Source: protobuf.dev, "Encoding".
 */

import { jsonInteger } from '../json.ts';

/** Wire type of integers and booleans. */
export const wireVarint = 0;
/** Wire type of doubles. */
export const wireFixed64 = 1;
/** Wire type of what has its length before it: text, bytes, messages. */
export const wireBytes = 2;
const wireFixed32 = 5;

/** The bytes are no protocol buffer; caught where messages are decoded. */
export class WireError extends Error {}

/** A whole number from 0 to 2^53 - 1 as a varint. */
export function varintBytes(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

/** Writes backwards: what is written last comes first. */
export class BackwardWriter {
  #buffer: Buffer;
  #start: number;

  /** With room for so many bytes; where that is not enough more is made. */
  constructor(bytes = 1024) {
    this.#buffer = Buffer.allocUnsafe(bytes);
    this.#start = bytes;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#buffer.length - this.#start;
  }

  #reserve(count: number): void {
    if (this.#start >= count) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.length + count));
    const start = grown.length - this.length;
    this.#buffer.copy(grown, start, this.#start);
    this.#buffer = grown;
    this.#start = start;
  }

  varint(value: bigint | number): void {
    if (typeof value === 'bigint' || value < 0 || value > Number.MAX_SAFE_INTEGER) {
      this.#bigVarint(BigInt.asUintN(64, BigInt(value)));
      return;
    }
    let size = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
    this.#reserve(size);
    this.#start -= size;
    let rest = value;
    for (let i = 0; i < size; i++) {
      this.#buffer[this.#start + i] = i < size - 1 ? (rest % 128) | 128 : rest;
      rest = Math.floor(rest / 128);
    }
  }

  #bigVarint(value: bigint): void {
    const bytes: number[] = [];
    for (let rest = value; ; rest >>= 7n) {
      if (rest < 128n) {
        bytes.push(Number(rest));
        break;
      }
      bytes.push(Number(rest & 127n) | 128);
    }
    this.raw(Uint8Array.from(bytes));
  }

  double(value: number): void {
    this.#reserve(8);
    this.#start -= 8;
    this.#buffer.writeDoubleLE(value, this.#start);
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#start -= bytes.length;
    this.#buffer.set(bytes, this.#start);
  }

  text(text: string): void {
    const size = Buffer.byteLength(text);
    this.#reserve(size);
    this.#start -= size;
    this.#buffer.write(text, this.#start, 'utf8');
  }

  tag(field: number, wireType: number): void {
    this.varint(field * 8 + wireType);
  }

  /** Makes what was written since `length` was `before` a length-delimited field. */
  delimit(field: number, before: number): void {
    this.varint(this.length - before);
    this.tag(field, wireBytes);
  }

  finish(): Uint8Array {
    return this.#buffer.subarray(this.#start);
  }
}

/** Reads the fields of one message. */
export class Reader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#position >= this.#bytes.length;
  }

  /** A signed 64-bit number. Throws WireError for one that no double holds exactly. */
  varint(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.#bytes[this.#position++];
      if (byte === undefined) throw new WireError('unexpected EOF');
      if (i === 9) return this.#bigVarintOf(10);
      value += (byte & 127) * factor;
      if (byte < 128) return value > Number.MAX_SAFE_INTEGER ? this.#bigVarintOf(i + 1) : value;
      factor *= 128;
    }
    throw new WireError('integer overflow');
  }

  /** The same for one that may be any: a `bigint` where no double holds it. */
  integer(): bigint | number {
    const start = this.#position;
    this.#skipVarint();
    const size = this.#position - start;
    this.#position = start;
    // Seven bits a byte: seven of them are less than a double holds.
    return size <= 7 ? this.varint() : jsonInteger(this.bigVarint());
  }

  /** A signed 64-bit number, whatever it is. */
  bigVarint(): bigint {
    const start = this.#position;
    this.#skipVarint();
    const size = this.#position - start;
    if (this.#position > this.#bytes.length) throw new WireError('unexpected EOF');
    if (size > 10) throw new WireError('integer overflow');
    return this.#exactly(size);
  }

  /** Reads the last `size` bytes again. */
  #exactly(size: number): bigint {
    let bits = 0n;
    for (let i = 1; i <= size; i++) bits = (bits << 7n) | BigInt(this.#bytes[this.#position - i]! & 127);
    return BigInt.asIntN(64, bits);
  }

  #bigVarintOf(size: number): number {
    const value = this.#exactly(size);
    if (BigInt(Number(value)) !== value) throw new WireError(`cannot hold the integer ${value} exactly`);
    return Number(value);
  }

  double(): number {
    if (this.#position + 8 > this.#bytes.length) throw new WireError('unexpected EOF');
    const value = this.#bytes.readDoubleLE(this.#position);
    this.#position += 8;
    return value;
  }

  /** The bytes of a length-delimited field, not copied. */
  delimited(): Buffer {
    const length = this.varint();
    const end = this.#position + length;
    if (length < 0 || end > this.#bytes.length) throw new WireError('unexpected EOF');
    const bytes = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return bytes;
  }

  #skipVarint(): void {
    let byte: number | undefined;
    do byte = this.#bytes[this.#position++];
    while (byte !== undefined && byte >= 128);
  }

  /** Passes over the value of a field that is not known. */
  skip(wireType: number): void {
    switch (wireType) {
      case wireVarint:
        this.#skipVarint();
        break;
      case wireFixed64:
        this.double();
        break;
      case wireBytes:
        this.delimited();
        break;
      case wireFixed32:
        this.#position += 4;
        break;
      default:
        throw new WireError(`illegal wireType ${wireType}`);
    }
    if (this.#position > this.#bytes.length) throw new WireError('unexpected EOF');
  }
}
