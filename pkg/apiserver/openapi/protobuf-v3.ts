/**
 * OpenAPI v3 documents in protobuf. Only the writing of what `documents.ts` makes and of what schemas of custom resources may say: a field that is in
 * neither is not known here. A default that is a list or an object has no form in protobuf and is an empty message, as upstream's is.
 * Source: gnostic `openapiv3/OpenAPIv3.proto` for the field numbers.
 */
import { Buffer } from 'node:buffer';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { any, type Json, MessageWriter } from './gnostic-message.ts';

/** The media type of the result. Clients may ask for `…v3@v1.0+protobuf` too, which is no media type. */
export const openApiV3ProtobufType = 'application/com.github.proto-openapi.spec.v3.v1.0+protobuf';

function schema(value: Json): Buffer {
  const writer = new MessageWriter()
    .flag(1, value.nullable)
    .message(6, value.externalDocs, externalDocs)
    .message(7, value.example === undefined ? undefined : {}, () => any(value.example))
    .text(9, value.title)
    .double(10, value.multipleOf)
    .double(11, value.maximum)
    .flag(12, value.exclusiveMaximum)
    .double(13, value.minimum)
    .flag(14, value.exclusiveMinimum)
    .whole(15, value.maxLength)
    .whole(16, value.minLength)
    .text(17, value.pattern)
    .whole(18, value.maxItems)
    .whole(19, value.minItems)
    .flag(20, value.uniqueItems)
    .whole(21, value.maxProperties)
    .whole(22, value.minProperties)
    .texts(23, value.required);
  if (Array.isArray(value.enum)) for (const one of value.enum) writer.bytes(24, any(one));
  writer
    .text(25, value.type)
    .messages(26, value.allOf, schemaOrReference)
    .messages(27, value.oneOf, schemaOrReference)
    .messages(28, value.anyOf, schemaOrReference)
    .message(29, value.not, schema)
    .message(30, value.items, (items) => new MessageWriter().message(1, items, schemaOrReference).finish())
    .message(31, value.properties, schemas);
  if (value.additionalProperties !== undefined) writer.bytes(32, additionalProperties(value.additionalProperties));
  if (value.default !== undefined) writer.bytes(33, defaultValue(value.default));
  return writer.text(34, value.description).text(35, value.format).extensions(36, value).finish();
}

function externalDocs({ description, url }: Json): Buffer {
  return new MessageWriter().text(1, description).text(2, url).finish();
}

/** `SchemaOrReference`. */
function schemaOrReference(value: Json): Buffer {
  if (value.$ref === undefined) return new MessageWriter().bytes(1, schema(value)).finish();
  return new MessageWriter().bytes(2, new MessageWriter().text(1, value.$ref).finish()).finish();
}

/** `Properties`, `SchemasOrReferences`. */
function schemas(value: Json): Buffer {
  return new MessageWriter().entries(1, value, schemaOrReference).finish();
}

/** `AdditionalPropertiesItem`. */
function additionalProperties(value: unknown): Buffer {
  if (typeof value === 'boolean') return new MessageWriter().setFlag(2, value).finish();
  return new MessageWriter().message(1, value, schemaOrReference).finish();
}

/** `DefaultType`. */
function defaultValue(value: unknown): Buffer {
  const writer = new MessageWriter();
  if (typeof value === 'number') writer.setDouble(1, value);
  else if (typeof value === 'bigint') writer.setDouble(1, Number(value));
  else if (typeof value === 'boolean') writer.setFlag(2, value);
  else if (typeof value === 'string') writer.bytes(3, Buffer.from(value));
  return writer.finish();
}

/** `MediaTypes`. */
function mediaTypes(value: Json): Buffer {
  const mediaType = (one: Json): Buffer => new MessageWriter().message(1, one.schema, schemaOrReference).finish();
  return new MessageWriter().entries(1, value, mediaType).finish();
}

/** `ParameterOrReference`. */
function parameter(value: Json): Buffer {
  const inner = new MessageWriter()
    .text(1, value.name)
    .text(2, value.in)
    .text(3, value.description)
    .flag(4, value.required)
    .message(10, value.schema, schemaOrReference);
  return new MessageWriter().bytes(1, inner.finish()).finish();
}

/** `RequestBodyOrReference`. */
function requestBody(value: Json): Buffer {
  const inner = new MessageWriter().text(1, value.description).message(2, value.content, mediaTypes);
  return new MessageWriter().bytes(1, inner.flag(3, value.required).finish()).finish();
}

/** `ResponseOrReference`. */
function response(value: Json): Buffer {
  const inner = new MessageWriter().text(1, value.description).message(3, value.content, mediaTypes);
  return new MessageWriter().bytes(1, inner.finish()).finish();
}

function operation(value: Json): Buffer {
  return new MessageWriter()
    .texts(1, value.tags)
    .text(3, value.description)
    .text(5, value.operationId)
    .messages(6, value.parameters, parameter)
    .message(7, value.requestBody, requestBody)
    .message(8, value.responses, (codes) => new MessageWriter().entries(2, codes, response).finish())
    .extensions(13, value)
    .finish();
}

function pathItem(value: Json): Buffer {
  const writer = new MessageWriter();
  for (const [index, method] of methods.entries()) writer.message(firstMethod + index, value[method], operation);
  return writer.messages(13, value.parameters, parameter).finish();
}

/** In the order of their fields. */
const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];
const firstMethod = 4;

function securityScheme(value: Json): Buffer {
  const inner = new MessageWriter()
    .text(1, value.type)
    .text(2, value.description)
    .text(3, value.name)
    .text(4, value.in);
  return new MessageWriter().bytes(1, inner.finish()).finish();
}

function components(value: Json): Buffer {
  return new MessageWriter()
    .message(1, value.schemas, schemas)
    .message(7, value.securitySchemes, (all) => new MessageWriter().entries(1, all, securityScheme).finish())
    .finish();
}

/** Encodes an OpenAPI v3 document. */
export function encodeOpenApiV3(document: JsonObject): Uint8Array {
  return new MessageWriter()
    .text(1, document.openapi)
    .message(2, document.info, ({ title, version }) => new MessageWriter().text(1, title).text(6, version).finish())
    .message(4, document.paths, (paths) => new MessageWriter().entries(1, paths, pathItem).finish())
    .message(5, document.components, components)
    .finish();
}
