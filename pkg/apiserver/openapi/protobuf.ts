/**
 * The OpenAPI v2 document in protobuf, which is what `kubectl` and Helm ask for. Only the writing of what `documents.ts` makes: a field it
 * never sets is not known here. Source: gnostic `openapiv2/OpenAPIv2.proto` for the field numbers.
 */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { any, type Json, MessageWriter } from './gnostic-message.ts';

/** The media type of the result. Clients ask for `…v2@v1.0+protobuf`, which is no media type, and do not parse it as an answer. */
export const openApiV2ProtobufType = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/** A message whose only field is another. */
function wrap(field: number, inner: Buffer): Buffer {
  return new MessageWriter().bytes(field, inner).finish();
}

function schema(value: Json): Buffer {
  const writer = new MessageWriter().text(1, value.$ref).text(2, value.format).text(4, value.description);
  writer.texts(19, value.required);
  if (Array.isArray(value.enum)) for (const one of value.enum) writer.bytes(20, any(one));
  writer.message(21, value.additionalProperties, (one) => wrap(1, schema(one)));
  if (typeof value.type === 'string') writer.bytes(22, new MessageWriter().text(1, value.type).finish());
  writer.message(23, value.items, (one) => wrap(1, schema(one)));
  return writer.message(25, value.properties, schemas).extensions(31, value).finish();
}

/** `Properties`, `Definitions`. */
function schemas(value: Json): Buffer {
  return new MessageWriter().entries(1, value, schema).finish();
}

/** `ParametersItem`: in the body, the query or the path. */
function parameter(value: Json): Buffer {
  if (value.in === 'body') {
    const body = new MessageWriter().text(2, value.name).text(3, value.in).flag(4, value.required);
    return wrap(1, wrap(1, body.message(5, value.schema ?? {}, schema).finish()));
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
  return wrap(1, item.message(2, value.schema, (one) => wrap(1, schema(one))).finish());
}

function operation(value: Json): Buffer {
  return new MessageWriter()
    .texts(1, value.tags)
    .text(3, value.description)
    .text(5, value.operationId)
    .texts(6, value.produces)
    .texts(7, value.consumes)
    .messages(8, value.parameters, parameter)
    .message(9, value.responses ?? {}, (codes) => new MessageWriter().entries(1, codes, response).finish())
    .extensions(13, value)
    .finish();
}

function pathItem(value: Json): Buffer {
  const writer = new MessageWriter();
  for (const [method, field] of methodFields) writer.message(field, value[method], operation);
  return writer.messages(9, value.parameters, parameter).finish();
}

const methodFields: readonly (readonly [string, number])[] = [
  ['get', 2],
  ['put', 3],
  ['post', 4],
  ['delete', 5],
  ['patch', 8],
];

/** Encodes an OpenAPI v2 document. */
export function encodeOpenApiV2(document: JsonObject): Uint8Array {
  return new MessageWriter()
    .text(1, document.swagger)
    .message(2, document.info ?? {}, (info) => new MessageWriter().text(1, info.title).text(2, info.version).finish())
    .message(8, document.paths ?? {}, (paths) => new MessageWriter().entries(2, paths, pathItem).finish())
    .message(9, document.definitions ?? {}, schemas)
    .finish();
}
