/**
 * What the protobuf forms of both versions of OpenAPI have in common: messages written field by field, maps as lists of names and values, and values of
 * whatever type as YAML. Source: gnostic `openapiv2/OpenAPIv2.proto`, `openapiv3/OpenAPIv3.proto`.
 */
import { Buffer } from 'node:buffer';
import { isObject, jsonText } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { varintBytes, wireBytes, wireFixed64, wireVarint } from '#pkg/apimachinery/protobuf/wire.ts';

/** JSON that is only read. */
export type Json = Readonly<JsonObject>;

/** Collects fields; a message is the concatenation of its fields. What is the zero of its type is left out. */
export class MessageWriter {
  readonly #chunks: Buffer[] = [];

  bytes(field: number, value: Uint8Array): this {
    this.#chunks.push(varintBytes(field * 8 + wireBytes), varintBytes(value.length), value as Buffer);
    return this;
  }

  text(field: number, value: unknown): this {
    return typeof value === 'string' && value !== '' ? this.bytes(field, Buffer.from(value)) : this;
  }

  texts(field: number, values: unknown): this {
    if (Array.isArray(values)) for (const value of values) this.bytes(field, Buffer.from(String(value)));
    return this;
  }

  flag(field: number, value: unknown): this {
    return value === true ? this.setFlag(field, true) : this;
  }

  /** One of several fields of which one is set: zero counts. */
  setFlag(field: number, value: boolean): this {
    this.#chunks.push(varintBytes(field * 8 + wireVarint), varintBytes(value ? 1 : 0));
    return this;
  }

  whole(field: number, value: unknown): this {
    if (typeof value !== 'number' || value === 0) return this;
    this.#chunks.push(varintBytes(field * 8 + wireVarint), int64Bytes(value));
    return this;
  }

  double(field: number, value: unknown): this {
    return typeof value === 'number' && value !== 0 ? this.setDouble(field, value) : this;
  }

  /** One of several fields of which one is set: zero counts. */
  setDouble(field: number, value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    this.#chunks.push(varintBytes(field * 8 + wireFixed64), bytes);
    return this;
  }

  /** A message of what is there. */
  message(field: number, value: unknown, encode: (value: Json) => Buffer): this {
    return value === undefined ? this : this.bytes(field, encode(jsonOf(value)));
  }

  /** A message of each. */
  messages(field: number, values: unknown, encode: (value: Json) => Buffer): this {
    for (const value of itemsOf(values)) this.bytes(field, encode(value));
    return this;
  }

  /** A name and a message for each entry. */
  entries(field: number, value: unknown, encode: (value: Json) => Buffer): this {
    for (const [name, one] of entriesOf(value)) this.bytes(field, named(name, encode(one)));
    return this;
  }

  /** Fields beside those of OpenAPI. */
  extensions(field: number, from: Json): this {
    for (const [name, value] of Object.entries(from)) {
      if (name.startsWith('x-')) this.bytes(field, named(name, any(value)));
    }
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

/** An integer with a sign: a negative one has the ten bytes of its complement. */
function int64Bytes(value: number): Buffer {
  if (value >= 0) return varintBytes(value);
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(Math.trunc(value)));
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

function entriesOf(value: unknown): readonly (readonly [string, Json])[] {
  return isObject(value) ? Object.entries(value).map(([name, one]) => [name, jsonOf(one)]) : [];
}

function itemsOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(jsonOf) : [];
}

function jsonOf(value: unknown): Json {
  return isObject(value) ? value : {};
}

/** `NamedAny`, `NamedSchema`, …: a name and a message. */
function named(name: string, value: Buffer): Buffer {
  return new MessageWriter().text(1, name).bytes(2, value).finish();
}

/** `Any`: a value as YAML, of which JSON is a part. */
export function any(value: unknown): Buffer {
  return new MessageWriter().text(2, jsonText(value)).finish();
}
