/** `--overrides`: JSON that is merged into what a generator made. Source: kubectl `cmd/util/override_options.go`. */

import { isObject, parseJson } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { applyJsonPatch } from '#pkg/apimachinery/patch/json-patch.ts';
import { applyMergePatch } from '#pkg/apimachinery/patch/merge-patch.ts';
import { UserError } from '#pkg/component/user-error.ts';

/** The object with what the flag says. Throws `UserError` for what is no JSON or does not fit. */
export function overridden(
  object: JsonObject,
  { overrides, 'override-type': type }: { readonly overrides: string; readonly 'override-type': string },
): JsonObject {
  if (overrides === '') return object;
  const patch = parse(overrides);
  const result = type === 'json' ? applyJsonPatch(object, patch) : applyMergePatch(object, patch);
  if (result.ok && isObject(result.value)) return result.value;
  throw new UserError(
    `error: cannot apply the overrides: ${result.ok ? 'they leave no object' : JSON.stringify(result)}`,
  );
}

function parse(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    throw new UserError(`error: invalid JSON in --overrides: ${text}`, error);
  }
}
