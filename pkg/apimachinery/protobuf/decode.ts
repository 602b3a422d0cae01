/**
 * Decoding of protocol buffers into JSON objects. Zero values that Go's JSON leaves out are dropped. What Go's JSON writes of fields that are
 * not on the wire is not filled in here: the same is missing in JSON bodies (`../write-unset.ts`).
 */
import { formatMicroTime, formatTimestamp } from '#pkg/base/clock.ts';
import { decodeJson } from '../decode.ts';
import { isObject, setOwn } from '../json.ts';
import type { JsonObject } from '../object.ts';
import { formatDuration } from '../time.ts';
import type { DelimitedType, Message, MessageField, PlainType } from './message.ts';
import { Reader, WireError, wireBytes, wireFixed64, wireVarint } from './wire.ts';

/** Deepest nesting of messages taken from a client. */
const nestingMax = 1000;

/** The object of a message, or why there is none, in the words of Go's decoder. */
export type DecodedMessage =
  | { readonly ok: true; readonly object: JsonObject }
  | { readonly ok: false; readonly error: string };

/** The object that a message of the shape `message` holds. Never throws for what a client sends. */
export function decodeMessage(bytes: Uint8Array, message: Message): DecodedMessage {
  try {
    const value = readMessage(bytes, message, 0);
    return { ok: true, object: isObject(value) ? value : {} };
  } catch (error) {
    if (error instanceof WireError) return { ok: false, error: `proto: ${error.message}` };
    throw error;
  }
}

function readMessage(bytes: Uint8Array, message: Message, depth: number): unknown {
  const object: JsonObject = {};
  readFields(bytes, message, { object, depth });
  if (!message.isUnion) return object;
  const { '1': first, '2': second } = object;
  const unset = message.byNumber.get(1)?.type === 'boolean' ? false : null;
  return second ?? first ?? unset;
}

interface Target {
  readonly object: JsonObject;
  readonly depth: number;
}

function readFields(bytes: Uint8Array, message: Message, { object, depth }: Target): void {
  if (depth > nestingMax) throw new WireError('exceeded max depth');
  const reader = new Reader(bytes);
  while (!reader.atEnd) {
    const tag = reader.varint();
    const field = message.byNumber.get(Math.floor(tag / 8));
    const wireType = tag % 8;
    if (field === undefined) {
      reader.skip(wireType);
    } else if (field.isInline) {
      readFields(reader.delimited(), field.message!, { object, depth: depth + 1 });
    } else {
      const name = message.isUnion ? String(field.number) : field.name;
      readInto(object, name, { field, reader, wireType, depth });
    }
  }
}

interface Source {
  readonly field: MessageField;
  readonly reader: Reader;
  readonly wireType: number;
  readonly depth: number;
}

function readInto(object: JsonObject, name: string, { field, reader, wireType, depth }: Source): void {
  if (field.repeats === 'map') {
    const map = (Object.hasOwn(object, name) ? object[name] : {}) as JsonObject;
    readEntry(map, reader.delimited(), { field, depth });
    setOwn(object, name, map);
    return;
  }
  if (field.repeats === 'list') {
    const list = (Object.hasOwn(object, name) ? object[name] : []) as unknown[];
    if (wireType === wireBytes && (field.type === 'integer' || field.type === 'boolean')) {
      const packed = new Reader(reader.delimited());
      while (!packed.atEnd) list.push(readValue(packed, wireVarint, field, depth));
    } else {
      list.push(readValue(reader, wireType, field, depth) ?? null);
    }
    object[name] = list;
    return;
  }
  const value = readValue(reader, wireType, field, depth);
  const isZero = value === '' || value === 0 || value === false;
  // The last one counts: a zero takes back what came before it.
  if (value === undefined || (isZero && field.dropsZero)) delete object[name];
  else object[name] = value;
}

/** What stands for the value of an entry that has none; null where it is not named. */
const absentValues: Readonly<Partial<Record<MessageField['type'], unknown>>> = {
  boolean: false,
  bytes: '',
  double: 0,
  duration: '0s',
  integer: 0,
  intOrString: 0,
  message: {},
  quantity: '0',
  string: '',
  stringList: [],
};

function readEntry(map: JsonObject, bytes: Uint8Array, { field, depth }: { field: MessageField; depth: number }): void {
  const reader = new Reader(bytes);
  let key = '';
  let value: unknown;
  while (!reader.atEnd) {
    const tag = reader.varint();
    if (tag >> 3 === 1) key = reader.delimited().toString('utf8');
    else if (tag >> 3 === 2) value = readValue(reader, tag % 8, field, depth);
    else reader.skip(tag % 8);
  }
  setOwn(map, key, value ?? absentValues[field.type] ?? null);
}

function readValue(reader: Reader, wireType: number, field: MessageField, depth: number): unknown {
  switch (field.type) {
    case 'integer':
    case 'boolean': {
      if (wireType !== wireVarint) throw new WireError(`wrong wireType = ${wireType} for field ${field.name}`);
      return field.type === 'boolean' ? reader.varint() !== 0 : reader.integer();
    }
    case 'double':
      if (wireType !== wireFixed64) throw new WireError(`wrong wireType = ${wireType} for field ${field.name}`);
      return reader.double();
    default:
      field.type satisfies DelimitedType;
      if (wireType !== wireBytes) throw new WireError(`wrong wireType = ${wireType} for field ${field.name}`);
      return readContent(reader.delimited(), field, depth);
  }
}

function readContent(bytes: Buffer, field: MessageField, depth: number): unknown {
  switch (field.type) {
    case 'string':
      return bytes.toString('utf8');
    case 'bytes':
      return bytes.toString('base64');
    case 'message':
      return readMessage(bytes, field.message!, depth + 1);
    case 'quantity':
      return readWrapped(bytes)[0] || '0';
    case 'raw': {
      const text = readWrapped(bytes)[0];
      return text === undefined || text === '' ? undefined : readJson(text);
    }
    case 'stringList':
      return readWrapped(bytes);
    case 'duration':
      return formatDuration(readNumbers(bytes).get(1) ?? 0);
    case 'intOrString': {
      const numbers = readNumbers(bytes);
      return numbers.get(1) === 1 ? (readWrapped(bytes, 3)[0] ?? '') : (numbers.get(2) ?? 0);
    }
    case 'time':
    case 'microTime':
      return readTime(bytes, field.type === 'microTime');
    default:
      // Has a wire type of its own: whoever reads one does not come here.
      field.type satisfies PlainType;
      return undefined;
  }
}

/** JSON within a message, to which the limits of JSON apply. */
function readJson(text: string): unknown {
  const decoded = decodeJson(Buffer.from(text), { wholeIntegers: true });
  if (!decoded.ok) throw new WireError(decoded.error);
  return decoded.value;
}

/** Texts of one field of a small message. */
function readWrapped(bytes: Uint8Array, number = 1): string[] {
  const reader = new Reader(bytes);
  const texts: string[] = [];
  while (!reader.atEnd) {
    const tag = reader.varint();
    if (tag === number * 8 + wireBytes) texts.push(reader.delimited().toString('utf8'));
    else reader.skip(tag % 8);
  }
  return texts;
}

/** Integers of a small message, by field number. */
function readNumbers(bytes: Uint8Array): ReadonlyMap<number, number> {
  const reader = new Reader(bytes);
  const numbers = new Map<number, number>();
  while (!reader.atEnd) {
    const tag = reader.varint();
    if (tag % 8 === wireVarint) numbers.set(Math.floor(tag / 8), reader.varint());
    else reader.skip(tag % 8);
  }
  return numbers;
}

/** An empty message is the zero time, which JSON leaves out. */
function readTime(bytes: Uint8Array, isMicro: boolean): string | undefined {
  if (bytes.length === 0) return undefined;
  const numbers = readNumbers(bytes);
  const seconds = numbers.get(1) ?? 0;
  const micros = Math.floor((numbers.get(2) ?? 0) / 1000);
  if (!(Math.abs(seconds) < 8.64e12)) throw new WireError('time out of range');
  if (!isMicro) return formatTimestamp(seconds * 1000);
  return formatMicroTime(seconds * 1000).replace('.000000', `.${String(micros).padStart(6, '0')}`);
}
