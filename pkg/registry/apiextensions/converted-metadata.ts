/** What a conversion may do to metadata. Source: apiextensions-apiserver `webhook_converter.go` `validateConvertedObject`, `restoreObjectMeta`. */
import { type FieldError, untyped } from '#pkg/apimachinery/field-error.ts';
import { goType } from '#pkg/apimachinery/go-text.ts';
import { deepEqual, isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { validateAnnotations, validateLabels } from '#pkg/apimachinery/object-meta-validation.ts';

/** The metadata of the converted object, or why it has none: because it `isOther` than the object that was sent, or by itself. */
export type ConvertedMetadata =
  | { readonly ok: true; readonly metadata: JsonObject }
  | { readonly ok: false; readonly isOther: boolean; readonly why: string };

const identity = { name: 'name', namespace: 'namespace', uid: 'UID' };

/** The metadata that was sent, with the labels and annotations of the answer. */
export function convertedMetadata(sent: unknown, answered: unknown): ConvertedMetadata {
  const original = isObject(sent) ? sent : {};
  const shown = isObject(answered) ? answered : {};
  for (const [field, title] of Object.entries(identity)) {
    const [before, after] = [textOf(original[field]), textOf(shown[field])];
    if (before !== after)
      return { ok: false, isOther: true, why: `must have the same ${title}: ${before} != ${after}` };
  }
  if (answered === undefined) return invalid('missing metadata in converted object');
  if (!isObject(answered)) return invalid(`invalid metadata of type ${goType(answered)} in converted object`);
  const metadata: JsonObject = { ...original };
  for (const field of ['labels', 'annotations']) {
    const value = answered[field] ?? undefined;
    if (value === undefined) {
      delete metadata[field];
      continue;
    }
    const why = problemOf(field, value, original[field]);
    if (why !== undefined) return invalid(why);
    metadata[field] = value;
  }
  return { ok: true, metadata };
}

function invalid(why: string): ConvertedMetadata {
  return { ok: false, isOther: false, why };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** What was there before is not looked at again. */
function problemOf(field: string, value: unknown, before: unknown): string | undefined {
  if (!isObject(value)) return `invalid metadata.${field} of type ${goType(value)} in converted object`;
  const texts: [string, string][] = [];
  for (const [key, one] of Object.entries(value)) {
    if (typeof one !== 'string') {
      return `metadata.${field}[${key}] must be a string, but is ${goType(one)} in converted object`;
    }
    texts.push([key, one]);
  }
  if (deepEqual(value, before ?? {})) return undefined;
  const errors: FieldError[] = [];
  if (field === 'labels') validateLabels(Object.fromEntries(texts), untyped('metadata.labels'), errors);
  else validateAnnotations(Object.fromEntries(texts), untyped('metadata.annotation'), errors);
  return aggregate(errors);
}

function aggregate(errors: readonly FieldError[]): string | undefined {
  const texts = [...new Set(errors.map(({ field, message }) => `${field}: ${message}`))];
  return texts.length > 1 ? `[${texts.join(', ')}]` : texts[0];
}
