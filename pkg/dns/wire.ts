/**
 * What can be told of a DNS message by its bytes alone. The library reads names as text, in which a label with a dot in it looks like two, and writes
 * them as something else; so what others wrote is passed on as it came. Pure. Source: RFC 1035, 4.1; RFC 2181, 11.
 */

/** Bytes of the head of a message. */
export const headerBytes = 12;

/** Most bytes of a name as it is written. Source: RFC 1035, 2.3.4. */
const nameBytesMax = 255;
const labelBytesMax = 63;
/** What a byte begins that is two of a pointer. */
const pointerBits = 0xc0;
/** Type and class of a question. */
const questionTailBytes = 4;
/** Of a record, from its name to the time to live, and to the length of its data. */
const ttlAt = 4;
const lengthAt = 8;
/** Type of the record of EDNS, whose time to live is none. Source: RFC 6891. */
const optType = 41;

/** The first question of a message. */
export interface QuestionPart {
  /** Where it ends. */
  readonly end: number;
  /** Whether its name is the same once it was read and written as text. */
  readonly isPlain: boolean;
}

/** The first question; undefined where there is none that is whole, or its name is not written out. Nobody has a reason to point to what is before it. */
export function questionPart(message: Buffer): QuestionPart | undefined {
  let isPlain = true;
  let at = headerBytes;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > labelBytesMax) return undefined;
    at++;
    if (length === 0) break;
    if (at + length - headerBytes >= nameBytesMax) return undefined;
    isPlain &&= isPlainLabel(message.subarray(at, at + length));
    at += length;
  }
  const end = at + questionTailBytes;
  return end > message.length ? undefined : { end, isPlain };
}

function isPlainLabel(label: Buffer): boolean {
  let isAscii = true;
  for (const byte of label) {
    if (byte <= 0x20 || byte === 0x2e || byte === 0x7f) return false;
    if (byte > 0x7f) isAscii = false;
  }
  return isAscii || Buffer.from(label.toString('utf8')).equals(label);
}

/** Whether a name that was read as text can be written: what is no host's name, or had odd labels, cannot. */
export function isPlainName(name: string): boolean {
  return name.length < nameBytesMax - 1 && name.split('.').every((label) => /^[\x21-\x7e]{1,63}$/.test(label));
}

/** Where the times to live of its records stand. Throws a `RangeError` for a message whose lengths do not fit. */
export function ttlOffsets(message: Buffer): readonly number[] {
  const questions = message.readUInt16BE(4);
  const records = message.readUInt16BE(6) + message.readUInt16BE(8) + message.readUInt16BE(10);
  const offsets: number[] = [];
  let at = headerBytes;
  for (let i = 0; i < questions; i++) at = endOfAnyName(message, at) + questionTailBytes;
  for (let i = 0; i < records; i++) {
    const fixed = endOfAnyName(message, at);
    if (message.readUInt16BE(fixed) !== optType) offsets.push(fixed + ttlAt);
    at = fixed + lengthAt + 2 + message.readUInt16BE(fixed + lengthAt);
    if (at > message.length) throw new RangeError('record is cut off');
  }
  return offsets;
}

function endOfAnyName(message: Buffer, start: number): number {
  for (let at = start; ; ) {
    const length = message.readUInt8(at);
    if (length >= pointerBits) return at + 2;
    if (length === 0) return at + 1;
    at += length + 1;
  }
}
