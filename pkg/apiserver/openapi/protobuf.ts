/**
 * The OpenAPI v2 document in protobuf, which is what `kubectl` and Helm ask for. Only the writing of what `documents.ts` makes: a field it
 * never sets is not known here. Source: gnostic `openapiv2/OpenAPIv2.proto` for the field numbers.
 */

import { Buffer } from 'node:buffer';
import { isObject, jsonText } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { varintBytes } from '#pkg/apimachinery/protobuf/wire.ts';

/** The media type of the result. Clients ask for `…v2@v1.0+protobuf`, which is no media type, and do not parse it as an answer. */
export const openApiV2ProtobufType = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

type Json = Readonly<JsonObject>;

const varintType = 0;
const bytesType = 2;

/** Collects fields; a message is the concatenation of its fields. */
class MessageWriter {
  readonly #chunks: Buffer[] = [];

  bytes(field: number, value: Uint8Array): this {
    this.#chunks.push(varintBytes(field * 8 + bytesType), varintBytes(value.length), value as Buffer);
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
    if (value === true) this.#chunks.push(varintBytes(field * 8 + varintType), varintBytes(1));
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#chunks);
  }
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
function any(value: unknown): Buffer {
  return new MessageWriter().text(2, jsonText(value)).finish();
}

function addExtensions(writer: MessageWriter, field: number, from: Json): void {
  for (const [name, value] of Object.entries(from)) {
    if (name.startsWith('x-')) writer.bytes(field, named(name, any(value)));
  }
}

function schema(value: Json): Buffer {
  const writer = new MessageWriter().text(1, value.$ref).text(2, value.format).text(4, value.description);
  writer.texts(19, value.required);
  if (Array.isArray(value.enum)) for (const one of value.enum) writer.bytes(20, any(one));
  const additional = value.additionalProperties;
  if (additional !== undefined) writer.bytes(21, new MessageWriter().bytes(1, schema(jsonOf(additional))).finish());
  if (typeof value.type === 'string') writer.bytes(22, new MessageWriter().text(1, value.type).finish());
  if (value.items !== undefined) writer.bytes(23, new MessageWriter().bytes(1, schema(jsonOf(value.items))).finish());
  if (value.properties !== undefined) writer.bytes(25, namedSchemas(value.properties));
  addExtensions(writer, 31, value);
  return writer.finish();
}

/** `Properties`, `Definitions`. */
function namedSchemas(schemas: unknown): Buffer {
  const writer = new MessageWriter();
  for (const [name, value] of entriesOf(schemas)) writer.bytes(1, named(name, schema(value)));
  return writer.finish();
}

/** `ParametersItem`: in the body, the query or the path. */
function parameter(value: Json): Buffer {
  const wrap = (field: number, inner: Buffer): Buffer => new MessageWriter().bytes(field, inner).finish();
  if (value.in === 'body') {
    const body = new MessageWriter()
      .text(2, value.name)
      .text(3, value.in)
      .flag(4, value.required)
      .bytes(5, schema(jsonOf(value.schema)))
      .finish();
    return wrap(1, wrap(1, body));
  }
  const isQuery = value.in === 'query';
  const inner = new MessageWriter()
    .flag(1, value.required)
    .text(2, value.in)
    .text(3, value.description)
    .text(4, value.name)
    .text(isQuery ? 6 : 5, value.type)
    .finish();
  return wrap(1, wrap(2, wrap(isQuery ? 3 : 4, inner)));
}

function response(value: Json): Buffer {
  const item = new MessageWriter().text(1, value.description);
  if (value.schema !== undefined) item.bytes(2, new MessageWriter().bytes(1, schema(jsonOf(value.schema))).finish());
  return new MessageWriter().bytes(1, item.finish()).finish();
}

function operation(value: Json): Buffer {
  const writer = new MessageWriter()
    .texts(1, value.tags)
    .text(3, value.description)
    .text(5, value.operationId)
    .texts(6, value.produces)
    .texts(7, value.consumes);
  for (const item of itemsOf(value.parameters)) writer.bytes(8, parameter(item));
  const responses = new MessageWriter();
  for (const [code, item] of entriesOf(value.responses)) responses.bytes(1, named(code, response(item)));
  writer.bytes(9, responses.finish());
  addExtensions(writer, 13, value);
  return writer.finish();
}

const methodFields: readonly (readonly [string, number])[] = [
  ['get', 2],
  ['put', 3],
  ['post', 4],
  ['delete', 5],
  ['patch', 8],
];

function pathItem(value: Json): Buffer {
  const writer = new MessageWriter();
  for (const [method, field] of methodFields) {
    if (value[method] !== undefined) writer.bytes(field, operation(jsonOf(value[method])));
  }
  for (const item of itemsOf(value.parameters)) writer.bytes(9, parameter(item));
  return writer.finish();
}

/** Encodes an OpenAPI v2 document. */
export function encodeOpenApiV2(document: JsonObject): Uint8Array {
  const info = jsonOf(document.info);
  const paths = new MessageWriter();
  for (const [path, item] of entriesOf(document.paths)) paths.bytes(2, named(path, pathItem(item)));
  return new MessageWriter()
    .text(1, document.swagger)
    .bytes(2, new MessageWriter().text(1, info.title).text(2, info.version).finish())
    .bytes(8, paths.finish())
    .bytes(9, namedSchemas(document.definitions))
    .finish();
}
