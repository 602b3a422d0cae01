/**
 * Encoding of JSON objects as protocol buffers, to the byte as Go's generated code does: a field that is no pointer is written whatever its
 * value, zero values of absent ones included; a pointer, a list, a map and bytes when they are there.
 */
import { isObject, jsonText } from '../json.ts';
import type { JsonObject } from '../object.ts';
import { parseDuration, parseTime } from '../time.ts';
import type { DelimitedType, Message, MessageField, PlainType } from './message.ts';
import { BackwardWriter, wireFixed64, wireVarint } from './wire.ts';

/** The message for an object that has the shape of `message`. */
export function encodeMessage(object: unknown, message: Message): Uint8Array {
  const writer = new BackwardWriter();
  writeMessage(writer, object, message);
  return writer.finish();
}

const noFields: JsonObject = {};

function writeMessage(writer: BackwardWriter, value: unknown, message: Message): void {
  if (message.isUnion) {
    writeUnion(writer, value, message);
    return;
  }
  const object = isObject(value) ? value : noFields;
  for (let i = message.fields.length - 1; i >= 0; i--) {
    const field = message.fields[i]!;
    if (field.isInline) {
      writeField(writer, object, field);
      continue;
    }
    const found = Object.hasOwn(object, field.name) ? object[field.name] : undefined;
    if (found === undefined || found === null) {
      if (field.repeats === 'no' && !field.isPointer) writeZero(writer, field);
    } else if (field.repeats === 'no') writeField(writer, found, field);
    else if (field.repeats === 'map') writeMap(writer, found as JsonObject, field);
    else writeList(writer, found as readonly unknown[], field);
  }
}

/** The value of a field that nobody has set. Most fields of most objects are such, and the bytes are always the same. */
function writeZero(writer: BackwardWriter, field: MessageField): void {
  switch (field.type) {
    case 'bytes':
      // Can be nil.
      return;
    case 'boolean':
    case 'integer':
      writer.varint(0);
      writer.tag(field.number, wireVarint);
      return;
    case 'string':
      writer.delimit(field.number, writer.length);
      return;
    case 'message': {
      const before = writer.length;
      writer.raw(zeroMessage(field.message!));
      writer.delimit(field.number, before);
      return;
    }
    default:
      field.type satisfies 'double' | Exclude<DelimitedType, 'bytes' | 'message' | 'string'>;
      writeField(writer, zeros[field.type] ?? null, field);
  }
}

/** Zero values of other types that have one besides null. */
const zeros: Readonly<Partial<Record<MessageField['type'], unknown>>> = { double: 0, intOrString: 0, quantity: '0' };

const zeroMessages = new WeakMap<Message, Uint8Array>();

/** The message of an object in which nothing is set. */
function zeroMessage(message: Message): Uint8Array {
  let bytes = zeroMessages.get(message);
  if (bytes === undefined) {
    bytes = Uint8Array.from(encodeMessage(null, message));
    zeroMessages.set(message, bytes);
  }
  return bytes;
}

/** Members of unions: an object and a list of them, strings or a boolean; the boolean says whether the object counts. */
function writeUnion(writer: BackwardWriter, value: unknown, message: Message): void {
  for (let i = message.fields.length - 1; i >= 0; i--) {
    const field = message.fields[i]!;
    if (field.repeats === 'list') {
      if (Array.isArray(value)) writeList(writer, value, field);
    } else if (field.type === 'boolean') {
      writeField(writer, isObject(value) || value === true, field);
    } else if (isObject(value)) {
      writeField(writer, value, field);
    }
  }
}

function writeList(writer: BackwardWriter, list: readonly unknown[], field: MessageField): void {
  for (let i = list.length - 1; i >= 0; i--) writeField(writer, list[i], field);
}

function writeMap(writer: BackwardWriter, map: Readonly<JsonObject>, field: MessageField): void {
  const keys = Object.keys(map).sort();
  for (let i = keys.length - 1; i >= 0; i--) {
    const before = writer.length;
    const value = map[keys[i]!];
    const entry = { ...field, number: 2, repeats: 'no' } as const;
    if (value === undefined || value === null) writeZero(writer, entry);
    else writeField(writer, value, entry);
    writeText(writer, keys[i]!, 1);
    writer.delimit(field.number, before);
  }
}

function writeText(writer: BackwardWriter, text: string, number: number): void {
  const before = writer.length;
  writer.text(text);
  writer.delimit(number, before);
}

function writeInteger(writer: BackwardWriter, value: bigint | number, number: number): void {
  writer.varint(value);
  writer.tag(number, wireVarint);
}

function writeField(writer: BackwardWriter, value: unknown, field: MessageField): void {
  switch (field.type) {
    case 'integer':
      writeInteger(writer, value as bigint | number, field.number);
      return;
    case 'boolean':
      writeInteger(writer, value === true ? 1 : 0, field.number);
      return;
    case 'double':
      writer.double(value as number);
      writer.tag(field.number, wireFixed64);
      return;
    default: {
      field.type satisfies DelimitedType;
      const before = writer.length;
      writeContent(writer, value, field);
      writer.delimit(field.number, before);
    }
  }
}

/** The bytes of a length-delimited value. */
function writeContent(writer: BackwardWriter, value: unknown, field: MessageField): void {
  switch (field.type) {
    case 'string':
      writer.text(value as string);
      break;
    case 'bytes':
      writer.raw(Buffer.from(value as string, 'base64'));
      break;
    case 'message':
      writeMessage(writer, value, field.message!);
      break;
    case 'quantity':
      writeText(writer, String(value), 1);
      break;
    case 'raw':
      if (value !== null) writeText(writer, jsonText(value), 1);
      break;
    case 'stringList':
      for (const item of ((value ?? []) as readonly string[]).toReversed()) writeText(writer, item, 1);
      break;
    case 'time':
    case 'microTime':
      if (value !== null) writeTime(writer, value as string);
      break;
    case 'duration':
      writeInteger(writer, value === null ? 0 : (parseDuration(value as string) ?? 0), 1);
      break;
    case 'intOrString':
      if (typeof value === 'string') {
        writeText(writer, value, 3);
        writeInteger(writer, 0, 2);
        writeInteger(writer, 1, 1);
      } else {
        writeText(writer, '', 3);
        writeInteger(writer, value as number, 2);
        writeInteger(writer, 0, 1);
      }
      break;
    default:
      // Has a wire type of its own: whoever writes one does not come here.
      field.type satisfies PlainType;
  }
}

function writeTime(writer: BackwardWriter, text: string): void {
  const timeMs = parseTime(text) ?? 0;
  const fraction = /\.(\d{1,9})/.exec(text)?.[1] ?? '';
  writeInteger(writer, Number(fraction.padEnd(9, '0')), 2);
  writeInteger(writer, Math.floor(timeMs / 1000), 1);
}
