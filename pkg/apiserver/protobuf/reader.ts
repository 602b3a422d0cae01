/** Reads the fields of one protobuf message. Source: protobuf encoding, "message structure". */

/** The bytes are no protobuf, or not that of the type they are read as. */
export class ProtobufError extends Error {}

/** One field: its number, and its value as a number (varint, fixed) or as the bytes it spans. */
export interface WireField {
  readonly number: number;
  readonly value: Uint8Array | bigint;
}

/** The fields of a message in order. Throws ProtobufError where the bytes end too early or make no sense. */
export function* readFields(bytes: Uint8Array): Generator<WireField> {
  const reader = new Reader(bytes);
  while (!reader.atEnd) {
    const tag = Number(reader.varint() & 0xffffffffn);
    const number = tag >>> 3;
    if (number === 0) throw new ProtobufError('proto: illegal tag 0');
    yield { number, value: reader.value(tag & 7) };
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  value(wireType: number): Uint8Array | bigint {
    switch (wireType) {
      case 0:
        return this.varint();
      case 1:
        return this.#fixed(8);
      case 2: {
        const length = this.varint();
        if (length > BigInt(this.#bytes.length - this.#at)) throw new ProtobufError('unexpected EOF');
        return this.#take(Number(length));
      }
      case 5:
        return this.#fixed(4);
      default:
        throw new ProtobufError(`proto: illegal wireType ${wireType}`);
    }
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new ProtobufError('unexpected EOF');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtobufError('proto: integer overflow');
  }

  #fixed(length: 4 | 8): bigint {
    const bytes = this.#take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    return value;
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new ProtobufError('unexpected EOF');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
