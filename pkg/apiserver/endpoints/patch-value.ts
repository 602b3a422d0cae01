/** What a patch makes of a value. Source: apiserver `endpoints/handlers/patch.go`. */
import { duplicateFieldError, unknownFieldError } from '#pkg/api/validation/decode-errors.ts';
import { decodeJson } from '#pkg/apimachinery/decode.ts';
import { goValueName } from '#pkg/apimachinery/go-text.ts';
import type { ApiRequest, ReadBody } from '#pkg/apimachinery/http.ts';
import { isObject, jsonText } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { applyJsonPatch, unknownOperationFields } from '#pkg/apimachinery/patch/json-patch.ts';
import { applyMergePatch } from '#pkg/apimachinery/patch/merge-patch.ts';
import type { PatchResult } from '#pkg/apimachinery/patch/patch-result.ts';
import { applyStrategicMergePatch } from '#pkg/apimachinery/patch/strategic-merge-patch.ts';
import type { ObjectSchema } from '#pkg/apimachinery/schema.ts';
import { badRequest, type StatusError, unsupportedMediaType } from '#pkg/apimachinery/status-error.ts';
import { bytesOf, mediaTypeOf, noObject } from './body.ts';
import { unusablePatch, unusableStrategicPatch } from './refused-bodies.ts';
import type { FieldValidation } from './write-options.ts';

/** The four sorts of patches, by a word of their media types. */
export type PatchType = 'apply' | 'json' | 'merge' | 'strategic';

const typesByMedia: Readonly<Record<string, PatchType>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};

/** Whether a PATCH is a server-side apply. */
export function isApply(request: ApiRequest): boolean {
  return typesByMedia[mediaTypeOf(request)] === 'apply';
}

/** Throws UnsupportedMediaType, for `refused` as for what is unknown. */
export function patchTypeOf(request: ApiRequest, refused?: PatchType): PatchType {
  const media = mediaTypeOf(request);
  const type = Object.hasOwn(typesByMedia, media) ? typesByMedia[media] : undefined;
  if (type !== undefined && type !== refused) return type;
  const accepted = Object.keys(typesByMedia)
    .filter((name) => typesByMedia[name] !== refused)
    .join(', ');
  throw unsupportedMediaType(
    `the body of the request was in an unknown format - accepted media types include: ${accepted}`,
  );
}

/** A patch whose syntax was right. */
export interface ReadPatch {
  /** Shared with the caller. */
  readonly patch: unknown;
  /** `duplicate field "…"` of keys that came twice, `unknown field "…"` of those an operation does not have. */
  readonly faults: readonly string[];
}

/** The decoded patch. Throws BadRequest. */
export function readPatch(
  body: ReadBody | undefined,
  { type, validation }: { readonly type: Exclude<PatchType, 'apply'>; readonly validation: FieldValidation },
): ReadPatch {
  if (body?.kind === 'object') return { patch: body.object, faults: [] };
  const bytes = bytesOf(body);
  const decoded = decodeJson(bytes, { findDuplicates: validation !== 'Ignore', wholeIntegers: true });
  if (!decoded.ok) throw unreadablePatch(type, decoded.error);
  const { value } = decoded;
  if (type !== 'json' && value !== null && !isObject(value)) {
    throw unreadablePatch(
      type,
      `json: cannot unmarshal ${goValueName(value)} into Go value of type map[string]interface {}`,
    );
  }
  const duplicates = decoded.duplicates.map(duplicateFieldError);
  if (type !== 'json') return { patch: value, faults: duplicates };
  const unknown = validation === 'Ignore' ? [] : unknownOperationFields(value).map(unknownFieldError);
  return { patch: value, faults: [...duplicates, ...unknown].map((fault) => `json patch ${fault}`) };
}

/** Strategic patches are read by another function upstream, which adds nothing to what is wrong. */
function unreadablePatch(type: PatchType, why: string): Error {
  return badRequest(type === 'strategic' ? why : `error decoding patch: ${why}`);
}

/** The refusal of a patch because of what it makes of the object. */
export function refusedPatch(
  type: PatchType,
  { patch, value, why }: { readonly patch: unknown; readonly value: unknown; readonly why: string },
): StatusError {
  return type === 'strategic' ? unusableStrategicPatch(patch, why) : unusablePatch(jsonText(value), why);
}

/** The patched value. It shares parts with `old`: to be copied before it is changed. Throws StatusError. */
export function patchedValue(
  type: Exclude<PatchType, 'apply'>,
  { patch, old, schema }: { patch: unknown; old: Readonly<JsonObject>; schema: ObjectSchema },
): JsonObject {
  const result = applyPatch(type, patch, { old, schema });
  if (!result.ok) throw result.error;
  if (isObject(result.value)) return result.value;
  throw refusedPatch(type, { patch, value: result.value, why: noObject(result.value) });
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
      return applyStrategicMergePatch(old, patch ?? {}, schema);
  }
}
