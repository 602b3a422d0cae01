/**
 * Whether two statuses say the same, of which one comes from the API and the other is about to go there. The API writes a null where a time
 * is not set, and leaves out texts that are empty: neither is a difference, or the same status would be written again and again.
 * Upstream counterpart: kubelet `status` `normalizeStatus` and `isPodStatusByKubeletEqual`, which compare typed objects.
 */
import { isObject } from '#pkg/apimachinery/json.ts';

/** Deep equality in which a field that is absent, null or an empty text is the same. */
export function sameStatus(a: unknown, b: unknown): boolean {
  if (a === b || (isUnset(a) && isUnset(b))) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => sameStatus(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  return hasSame(a, b) && Object.keys(b).every((name) => Object.hasOwn(a, name) || isUnset(b[name]));
}

function hasSame(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(a).every((name) => sameStatus(a[name], Object.hasOwn(b, name) ? b[name] : undefined));
}

function isUnset(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}
