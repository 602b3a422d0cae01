/** What a patch makes of a value. Source: apiserver `endpoints/handlers/patch.go`. */
import { decodeJson } from '#pkg/apimachinery/decode.ts';
import type { ApiRequest } from '#pkg/apimachinery/http.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { applyJsonPatch } from '#pkg/apimachinery/patch/json-patch.ts';
import { applyMergePatch } from '#pkg/apimachinery/patch/merge-patch.ts';
import type { PatchResult } from '#pkg/apimachinery/patch/patch-result.ts';
import { applyStrategicMergePatch } from '#pkg/apimachinery/patch/strategic-merge-patch.ts';
import type { ObjectSchema } from '#pkg/apimachinery/schema.ts';
import { badRequest, unsupportedMediaType } from '#pkg/apimachinery/status-error.ts';
import { bodyBytesMax, bodyTooLarge, mediaTypeOf } from './body.ts';

export type PatchType = 'apply' | 'json' | 'merge' | 'strategic';

const typesByMedia: Readonly<Record<string, PatchType>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};

/** Throws UnsupportedMediaType. */
export function patchTypeOf(request: ApiRequest): PatchType {
  const media = mediaTypeOf(request);
  const type = Object.hasOwn(typesByMedia, media) ? typesByMedia[media] : undefined;
  if (type !== undefined) return type;
  const accepted = Object.keys(typesByMedia).join(', ');
  throw unsupportedMediaType(
    `the body of the request was in an unknown format - accepted media types include: ${accepted}`,
  );
}

/** The decoded patch, shared with the caller. Throws BadRequest. */
export function readPatch(request: ApiRequest): unknown {
  const { body } = request;
  if (body?.kind === 'object') return body.object;
  const bytes = body?.bytes ?? new Uint8Array(0);
  if (bytes.length > bodyBytesMax) throw bodyTooLarge();
  const decoded = decodeJson(bytes);
  if (!decoded.ok) throw badRequest(`error decoding patch: ${decoded.error}`);
  return decoded.value;
}

/** The patched value. It shares parts with `old`: to be copied before it is changed. Throws StatusError. */
export function patchedValue(
  type: Exclude<PatchType, 'apply'>,
  { patch, old, schema }: { patch: unknown; old: Readonly<JsonObject>; schema: ObjectSchema },
): JsonObject {
  const result = applyPatch(type, patch, { old, schema });
  if (!result.ok) throw result.error;
  if (!isObject(result.value)) throw badRequest('the patched value is not an object');
  return result.value;
}

function applyPatch(
  type: Exclude<PatchType, 'apply'>,
  patch: unknown,
  { old, schema }: { old: Readonly<JsonObject>; schema: ObjectSchema },
): PatchResult {
  switch (type) {
    case 'json':
      return applyJsonPatch(old, patch);
    case 'merge':
      return applyMergePatch(old, patch);
    case 'strategic':
      return applyStrategicMergePatch(old, patch, schema);
  }
}
