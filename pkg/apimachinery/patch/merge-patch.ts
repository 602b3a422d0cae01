/** JSON Merge Patch (RFC 7396). Pure: what the patch does not touch is shared with the original. */
import { getOwn, isObject, setOwn } from '../json.ts';
import { malformed, type PatchResult } from './patch-result.ts';

/** Applies `patch`, a decoded merge patch, to a shared object that is not changed. */
export function applyMergePatch(original: unknown, patch: unknown): PatchResult {
  if (!isObject(patch)) return malformed('Invalid JSON Patch');
  return { ok: true, value: mergeValue(original, patch) };
}

/** The value that `patch` makes of `original`: objects are merged, null removes, everything else replaces. */
function mergeValue(original: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const base = isObject(original) ? original : {};
  const merged: Record<string, unknown> = {};
  for (const key in base) {
    const change = getOwn(patch, key);
    if (change === undefined) setOwn(merged, key, base[key]);
    else if (change !== null) setOwn(merged, key, mergeValue(base[key], change));
  }
  for (const key in patch) {
    if (patch[key] !== null && !Object.hasOwn(base, key)) setOwn(merged, key, mergeValue(undefined, patch[key]));
  }
  return merged;
}
