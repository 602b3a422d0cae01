/**
 * The body of a request as a JSON object of a known kind. Bodies from the same process come decoded and are shared: they are
 * copied on the way to a draft, and never changed.
 * Source: apiserver `endpoints/handlers/negotiation`, `endpoints/handlers/create.go`, `rest.go` `transformDecodeError`.
 */

import { kindFact } from '#pkg/api/facts.ts';
import { decodeProtobuf } from '#pkg/api/protobuf/codec.ts';
import { duplicateFieldError } from '#pkg/api/validation/decode-errors.ts';
import { type Decoded, decodeJson, decodeYaml, type NumberTexts } from '#pkg/apimachinery/decode.ts';
import { goValueName } from '#pkg/apimachinery/go-text.ts';
import type { ApiRequest, ReadBody, UnreadBody } from '#pkg/apimachinery/http.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { type JsonObject, parseApiVersion } from '#pkg/apimachinery/object.ts';
import { badRequest, tooLarge, unsupportedMediaType } from '#pkg/apimachinery/status-error.ts';
import { cannotBeHandled, unreadableBody, unrecognizedBody } from './refused-bodies.ts';

/** Largest body. Source: `--max-resource-write-bytes`, 3 MiB. */
const bodyBytesMax = 3 * 1024 * 1024;

const protobufType = 'application/vnd.kubernetes.protobuf';
const noBytes = new Uint8Array(0);

/** A body whose syntax was right, before anybody asked what kind it is of. */
export interface RawBody {
  readonly value: unknown;
  /** The value was made for this request, so it may be changed. */
  readonly owned: boolean;
  /** `duplicate field "…"` of keys that came twice. */
  readonly duplicates: readonly string[];
  /** The text, where it has duplicates and is JSON: faults are told in its order. */
  readonly json?: string;
  /** Of JSON that has others than plain integers. */
  readonly numbers?: NumberTexts;
  readonly bytes: Uint8Array;
}

/** The media type of a body without parameters, JSON when it has none; the empty text where parameters are all there is. */
export function mediaTypeOf(request: ApiRequest): string {
  const type = request.headers['content-type'];
  if (!type) return 'application/json';
  const semicolon = type.indexOf(';');
  return (semicolon < 0 ? type : type.slice(0, semicolon)).trim().toLowerCase();
}

const bodyLimit = { limitBytes: bodyBytesMax };

/** The bytes of a body that is still with its client, for a handler that reads it as a whole. Rejects as `UnreadBody` says. */
export function readBytes(body: UnreadBody): Promise<Uint8Array> {
  return body.read(bodyLimit);
}

/** The bytes of a body that is not decoded yet. Throws RequestEntityTooLarge. */
export function bytesOf(body: Extract<ReadBody, { kind: 'bytes' }> | undefined): Uint8Array {
  const bytes = body?.bytes ?? noBytes;
  if (bytes.length > bodyBytesMax) throw bodyTooLarge();
  return bytes;
}

/** Decodes the body as its media type says. `expectedKind` is for errors. Throws BadRequest and UnsupportedMediaType. */
export function readBody(
  { request, body }: { readonly request: ApiRequest; readonly body: ReadBody | undefined },
  expectedKind: string,
  findDuplicates: boolean,
): RawBody {
  if (body?.kind === 'object') return { value: body.object, owned: false, duplicates: [], bytes: noBytes };
  const bytes = bytesOf(body);
  const media = mediaTypeOf(request);
  if (media === protobufType) return readProtobuf(bytes, expectedKind);
  if (media !== 'application/json' && media !== 'application/yaml') throw unknownFormat();
  const decode = media === 'application/json' ? decodeJson : decodeYaml;
  const decoded = decode(bytes, { findDuplicates, wholeIntegers: true });
  if (!decoded.ok) throw unreadableBody(expectedKind, decoded.error, bytes);
  return rawBody(decoded, bytes);
}

/** A body that was decoded. */
export function rawBody(decoded: Extract<Decoded, { readonly ok: true }>, bytes: Uint8Array): RawBody {
  const { yamlDuplicates, numbers } = decoded;
  const duplicates = yamlDuplicates === undefined ? decoded.duplicates.map(duplicateFieldError) : [yamlDuplicates];
  const json = decoded.duplicates.length === 0 ? {} : { json: Buffer.from(bytes).toString() };
  // Go decodes null into an empty object.
  const value = decoded.value ?? {};
  return { value, owned: true, duplicates, ...json, ...(numbers === undefined ? {} : { numbers }), bytes };
}

function readProtobuf(bytes: Uint8Array, expectedKind: string): RawBody {
  const decoded = decodeProtobuf(bytes);
  if (!decoded.ok) throw unrecognizedBody(expectedKind, decoded.error, bytes);
  return { value: decoded.object, owned: true, duplicates: [], bytes };
}

function bodyTooLarge(): Error {
  return tooLarge(`Request entity too large: limit is ${bodyBytesMax}`);
}

function unknownFormat(): Error {
  const accepted = 'application/json, application/yaml, application/vnd.kubernetes.protobuf';
  return unsupportedMediaType(
    `the body of the request was in an unknown format - accepted media types include: ${accepted}`,
  );
}

/** What kind of object is expected. */
export interface ExpectedKind {
  readonly kind: string;
  readonly apiVersion: string;
}

const noType = "couldn't get version/kind; json parse error: json: ";
const typeKeys: ReadonlySet<string> = new Set(['apiVersion', 'kind']);

/** Why what is no object has no kind either, in the words of Go's decoder. */
export function noObject(value: unknown): string {
  return `${noType}cannot unmarshal ${goValueName(value)} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`;
}

/** The object of a body whose type is the expected one, or is not named. Throws BadRequest. */
export function checkKind({ value, bytes }: RawBody, expected: ExpectedKind): JsonObject {
  if (!isObject(value)) throw unrecognizedBody(expected.kind, noObject(value), bytes);
  const kind = value.kind ?? expected.kind;
  const apiVersion = value.apiVersion ?? expected.apiVersion;
  if (kind === expected.kind && apiVersion === expected.apiVersion) return value;
  if (typeof kind !== 'string' || typeof apiVersion !== 'string') {
    const field = Object.keys(value).find((key) => typeKeys.has(key) && typeof (value[key] ?? '') !== 'string')!;
    const why = `${noType}cannot unmarshal ${goValueName(value[field])} into Go struct field .${field} of type string`;
    throw unrecognizedBody(expected.kind, why, bytes);
  }
  if ((kind === '' || kind === expected.kind) && (apiVersion === '' || apiVersion === expected.apiVersion))
    return value;
  throw wrongKind(kind || expected.kind, apiVersion || expected.apiVersion, expected);
}

function wrongKind(kind: string, apiVersion: string, expected: ExpectedKind): Error {
  const gv = parseApiVersion(apiVersion);
  if (gv === undefined) return badRequest(`couldn't get version/kind; unexpected GroupVersion string: ${apiVersion}`);
  const gvk = { ...gv, kind };
  if (kindFact(gvk) === undefined) {
    const scheme = 'pkg/api/legacyscheme/scheme.go:30';
    const why = `no kind "${kind}" is registered for version "${apiVersion}" in scheme "${scheme}"`;
    return cannotBeHandled(gvk, expected.kind, why);
  }
  if (apiVersion !== expected.apiVersion && kind === expected.kind) {
    return badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${expected.apiVersion})`,
    );
  }
  const why = `converting (${gv.version}.${kind}) to (${internalName(expected)}): unknown conversion`;
  return cannotBeHandled(gvk, expected.kind, why);
}

/** A kind as Go names the type that all versions of it are converted to: `core.Pod`. */
export function internalName({ apiVersion, kind }: ExpectedKind): string {
  const group = parseApiVersion(apiVersion)?.group ?? '';
  const name = group === '' || group === 'events.k8s.io' ? 'core' : group.split('.')[0];
  return `${name}.${kind}`;
}
