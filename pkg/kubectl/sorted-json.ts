/** JSON with the bytes that kubectl prints. Source: Go `encoding/json`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';

const unsafe: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/** JSON as Go writes it: keys in order, and escapes for what HTML would take for its own. */
export function sortedJson(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, (_, inner: unknown) => written(inner), indent);
  return text.replaceAll(/[<>&\u2028\u2029]/g, (letter) => unsafe[letter] ?? letter);
}

function written(value: unknown): unknown {
  if (typeof value === 'bigint') return JSON.rawJSON(String(value));
  return isMapping(value) ? withSortedKeys(value) : value;
}

function isMapping(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !JSON.isRawJSON(value);
}

function withSortedKeys(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}
