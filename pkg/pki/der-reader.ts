/** Reading ASN.1 in its distinguished encoding (DER), as far as certificate requests have it. Never reads beyond what it was given. Source: ITU-T X.690. */

/** One value. */
export interface DerValue {
  /** Class, form and number as they are encoded: 0x30 is a sequence. */
  readonly tag: number;
  readonly content: Buffer;
  /** With tag and length. */
  readonly whole: Buffer;
}

/** Bytes that are no such encoding. */
class DerError extends Error {
  override readonly name = 'DerError';
}

/** The one value that the bytes are. Throws `DerError`. */
export function readDer(bytes: Uint8Array): DerValue {
  const [value, ...more] = readItems(bytes);
  if (value === undefined || more.length > 0) throw new DerError('the data is not one value');
  return value;
}

/** The values that stand one after the other, such as those in a sequence. Throws `DerError`. */
export function readItems(bytes: Uint8Array): readonly DerValue[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const values: DerValue[] = [];
  for (let at = 0; at < buffer.length; ) {
    const value = readOne(buffer, at);
    values.push(value);
    at += value.whole.length;
  }
  return values;
}

function readOne(buffer: Buffer, at: number): DerValue {
  const [tag, first] = [buffer[at], buffer[at + 1]];
  // Numbers of tags over 30 take further bytes; nothing that is read here has them.
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) throw new DerError('a value is cut off');
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || lengthBytes > 4 || at + 2 + lengthBytes > buffer.length)
    throw new DerError('a length is wrong');
  const length = lengthBytes === 0 ? first : buffer.readUIntBE(at + 2, lengthBytes);
  const start = at + 2 + lengthBytes;
  if (start + length > buffer.length) throw new DerError('a value is cut off');
  return { tag, content: buffer.subarray(start, start + length), whole: buffer.subarray(at, start + length) };
}

/** The value with its tag checked. Throws `DerError`. */
export function expectTag(value: DerValue | undefined, tag: number): DerValue {
  if (value?.tag !== tag) throw new DerError(`a value has tag ${value?.tag ?? 'none'} where ${tag} belongs`);
  return value;
}

/** An object identifier in its dotted form. Throws `DerError`. */
export function readOid(value: DerValue | undefined): string {
  const { content } = expectTag(value, 0x06);
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    if (arcs.length === 0) {
      const first = Math.min(2, Math.floor(arc / 40));
      arcs.push(first, arc - first * 40);
    } else arcs.push(arc);
    arc = 0;
  }
  return arcs.join('.');
}

/** A text of any of the types that names have. */
export function readText({ tag, content }: DerValue): string {
  // Two bytes a character, the higher first.
  if (tag === 0x1e) return Buffer.from(content).swap16().toString('utf16le');
  return content.toString(tag === 0x0c ? 'utf8' : 'latin1');
}
