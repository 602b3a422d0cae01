/**
 * Brings an answer into the form that was negotiated: rows of a table, metadata only, YAML, indented.
 * Source: apiserver `endpoints/handlers/response.go`.
 */
import { Buffer } from 'node:buffer';
import type { ApiRequest, ApiResponse, WatchFrame } from '#pkg/apimachinery/http.ts';
import { goJson, isObject, parseJson } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeList, KubeObject } from '#pkg/apimachinery/object.ts';
import { badRequest, notAcceptable } from '#pkg/apimachinery/status-error.ts';
import { yamlText } from '#pkg/apimachinery/yaml-text.ts';
import { internalName } from './endpoints/body.ts';
import type { Scope } from './endpoints/scope.ts';
import { type Negotiated, negotiate } from './negotiation.ts';
import { protobufAnswer } from './protobuf-answer.ts';
import { objectResponse } from './responses.ts';
import { scaleTable } from './tables/scale-table.ts';
import { type IncludeObject, tableOf } from './tables/table.ts';
import { objectFrame } from './watch-frame.ts';

const includes: ReadonlySet<string> = new Set(['Metadata', 'None', 'Object']);

/** The answer to a resource request as a table or as metadata. Errors stay as they are. */
export function transformAnswer(scope: Scope, answer: ApiResponse, wanted: Negotiated): ApiResponse {
  if (wanted.as === '' || answer.status >= 300) return answer;
  const include = includeOf(scope.info.query);
  const { body } = answer;
  if (body.kind === 'watch')
    return { ...answer, body: { kind: 'watch', batches: frames(scope, body.batches, { wanted, include }) } };
  if (body.kind !== 'object' || isStatus(body.object)) return answer;
  const object = body.object as KubeObject | KubeList;
  if (wanted.as !== 'Table') checkListness(object, wanted);
  const made = wanted.as === 'Table' ? tableFor(scope, object, { wanted, include }) : metadataOnly(object, wanted);
  return objectResponse(answer.status, made, answer.headers);
}

/** What the rows of a table carry. Throws BadRequest. */
export function includeOf(query: URLSearchParams): IncludeObject {
  const text = query.get('includeObject') || 'Metadata';
  if (!includes.has(text)) {
    const why = `includeObject: Invalid value: ${JSON.stringify(text)}: must be 'Metadata', 'Object', 'None', or empty`;
    throw badRequest(`Unable to convert to Table as requested: ${why}`);
  }
  return text as IncludeObject;
}

function isStatus(object: unknown): boolean {
  return isObject(object) && object.kind === 'Status' && object.apiVersion === 'v1';
}

function isScale({ kind, apiVersion }: KubeObject | KubeList): boolean {
  return kind === 'Scale' && apiVersion === 'autoscaling/v1';
}

interface Form {
  readonly wanted: Negotiated;
  readonly include: IncludeObject;
  readonly noHeaders?: boolean;
}

function tableFor(scope: Scope, object: KubeObject | KubeList, { wanted, include, noHeaders }: Form): JsonObject {
  const isList = 'items' in object && Array.isArray(object.items);
  const objects = isList ? (object as KubeList).items : [object as KubeObject];
  const version = object.metadata?.resourceVersion;
  const table = tableOf({
    printer: isScale(object) ? scaleTable : scope.served.strategy.table,
    objects,
    metadata: isList ? object.metadata : version === undefined ? {} : { resourceVersion: version },
    nowMs: scope.core.clock.nowMs(),
    includeObject: include,
    version: wanted.version as 'v1' | 'v1beta1',
    noHeaders: noHeaders === true,
  });
  return table as unknown as JsonObject;
}

/** Throws NotAcceptable where one object was asked for and there is a list, or the other way. */
function checkListness(object: KubeObject | KubeList, { as }: Negotiated): void {
  const isList = 'items' in object && Array.isArray(object.items);
  if (isList === (as === 'PartialObjectMetadataList')) return;
  const type = internalName({ apiVersion: object.apiVersion ?? '', kind: object.kind ?? '' });
  const what = isList ? 'is a list' : 'is not a list';
  throw notAcceptable(`you requested ${as}, but the requested object ${what} (*${type})`);
}

function metadataOnly(object: KubeObject | KubeList, { version }: Negotiated): JsonObject {
  const apiVersion = `meta.k8s.io/${version}`;
  if ('items' in object && Array.isArray(object.items)) {
    const items = object.items.map(({ metadata }) => ({ kind: 'PartialObjectMetadata', apiVersion, metadata }));
    return { kind: 'PartialObjectMetadataList', apiVersion, metadata: object.metadata, items };
  }
  return { kind: 'PartialObjectMetadata', apiVersion, metadata: object.metadata };
}

/** Only the first frame of a watch carries the columns of its table. */
async function* frames(
  scope: Scope,
  batches: AsyncIterable<readonly WatchFrame[]>,
  form: Form,
): AsyncGenerator<readonly WatchFrame[]> {
  let isFirst = true;
  for await (const batch of batches) {
    yield batch.map((frame) => {
      if (frame.type === 'ERROR') return frame;
      if (form.wanted.as !== 'Table') return objectFrame(frame.type, metadataOnly(frame.object, form.wanted));
      const table = tableFor(scope, frame.object, { ...form, noHeaders: !isFirst });
      if (frame.type === 'BOOKMARK') table.rows = [];
      isFirst = false;
      return objectFrame(frame.type, table);
    });
  }
}

/** Encodes an object body as YAML, as protobuf, or indented. */
export function formatAnswer(answer: ApiResponse, { format, pretty }: Negotiated): ApiResponse {
  const { body } = answer;
  if (format === 'protobuf') return protobufAnswer(answer);
  if (body.kind !== 'object' || (format === 'json' && !pretty)) return answer;
  const bytes = (): Uint8Array => {
    const value = parseJson(Buffer.from(body.bytes()).toString());
    return Buffer.from(format === 'yaml' ? yamlText(value) : goJson(value, 2));
  };
  const headers = format === 'yaml' ? { ...answer.headers, 'content-type': 'application/yaml' } : answer.headers;
  return { status: answer.status, headers, body: { kind: 'object', object: body.object, bytes } };
}

/** A refusal in the form that the client asked for, as JSON where it asked for none that there is. */
export function formatRefusal(answer: ApiResponse, request: ApiRequest): ApiResponse {
  if (request.headers.accept === undefined && request.headers['user-agent'] === undefined) return answer;
  try {
    const query = new URLSearchParams(request.query);
    return formatAnswer(answer, negotiate(request, { query, isWatch: false, hasTable: false }));
  } catch {
    return answer;
  }
}
