/** The answers to bodies that cannot be decoded, in upstream's wording. Source: apiserver `handlers/rest.go`. */
import { invalid, invalidObject, untyped } from '#pkg/apimachinery/field-error.ts';
import { goText } from '#pkg/apimachinery/go-text.ts';
import type { GroupVersionKind } from '#pkg/apimachinery/object.ts';
import { badRequest, type StatusError } from '#pkg/apimachinery/status-error.ts';

/** A body that names its kind but does not fit it: `why` is a type error or the text of `strictDecodingError`. */
export function cannotBeHandled(gvk: GroupVersionKind, expectedKind: string, why: string): StatusError {
  return badRequest(`${gvk.kind} in version "${gvk.version}" cannot be handled as a ${expectedKind}: ${why}`);
}

/** A body that is no object of any kind: not JSON, or without a kind. */
export function unrecognizedBody(expectedKind: string, why: string, body: Uint8Array): StatusError {
  return badRequest(
    `the object provided is unrecognized (must be of type ${expectedKind}): ${why} (${summarize(body)})`,
  );
}

/** A body whose syntax is wrong: `why` is the error of `decodeJson` or `decodeYaml`. */
export function unreadableBody(expectedKind: string, why: string, body: Uint8Array): StatusError {
  return unrecognizedBody(expectedKind, `couldn't get version/kind; json parse error: ${why}`, body);
}

/**
 * A patch whose result, the JSON text `patched`, is no object of the kind: `why` is a type error or the text of
 * `strictDecodingError`. Answered with 422.
 */
export function unusablePatch(patched: string, why: string): StatusError {
  return invalidObject({ group: '', kind: '' }, '', [invalid(untyped('patch'), patched, why)]);
}

/** As `unusablePatch` for a strategic merge patch, of which upstream shows the patch itself, as Go prints it. */
export function unusableStrategicPatch(patch: unknown, why: string): StatusError {
  return unusablePatch(goText(patch), converterError(why));
}

/** Strategic merge patches make objects without a JSON decoder, and its errors are others. */
function converterError(why: string): string {
  const match = /cannot unmarshal (\S+)(?: \S+)? into Go .* of type (\S+)$/.exec(why);
  if (match === null) return why;
  const [, found = '', type = ''] = match;
  const kind = goKinds[found] ?? found;
  if (type.startsWith('map[')) return `cannot restore map from ${kind}`;
  if (type.startsWith('[]')) return `cannot restore slice from ${kind}`;
  if (type.includes('.')) return `cannot restore struct from: ${kind}`;
  return type === 'string' && kind === 'int64' ? 'cannot convert int64 to string' : `unrecognized type: ${type}`;
}

const goKinds: Readonly<Record<string, string>> = { array: 'slice', object: 'map', number: 'int64' };

/** Bytes of a body that an error shows. */
const summaryBytesMax = 30;

function summarize(body: Uint8Array): string {
  if (body.length === 0) return '<empty>';
  const isObject = body[0] === 0x7b;
  const shown = Buffer.from(body.subarray(0, summaryBytesMax)).toString(isObject ? 'utf8' : 'hex');
  return body.length > summaryBytesMax ? `${shown} ...` : shown;
}
