/** What is found in a body beside what its kind has, in the words of Go's strict decoder. Source: `sigs.k8s.io/json`, apimachinery `runtime/error.go`. */
import { scanKeys } from '#pkg/apimachinery/json-duplicates.ts';

/** Why a strict decode failed: unknown and duplicate fields, each as it would stand in a warning. */
export function strictDecodingError(strictErrors: readonly string[]): string {
  return `strict decoding error: ${strictErrors.join(', ')}`;
}

/** A duplicate as strict errors and warnings name it. */
export function duplicateFieldError(path: string): string {
  return `duplicate field ${JSON.stringify(path)}`;
}

/** An unknown field as strict errors and warnings name it. */
export function unknownFieldError(path: string): string {
  return `unknown field ${JSON.stringify(path)}`;
}

/**
 * Strict errors of a JSON text in its order, as a decoder comes upon them in one pass. What is inside of an unknown field it does not look at.
 * Source: `sigs.k8s.io/json` `UnmarshalStrict`.
 */
export function inTextOrder(text: string, strictErrors: readonly string[]): readonly string[] {
  const wanted = new Set(strictErrors);
  const ordered = new Set<string>();
  const unknown: string[] = [];
  scanKeys(text, (path, isRepeated) => {
    const isUnknown = wanted.has(unknownFieldError(path));
    if (isUnknown && !isRepeated) unknown.push(path);
    if (isUnknown) ordered.add(unknownFieldError(path));
    if (!isRepeated || isUnknown) return;
    const isInside = unknown.some((outer) => path.startsWith(`${outer}.`) || path.startsWith(`${outer}[`));
    if (!isInside) ordered.add(duplicateFieldError(path));
  });
  return [...ordered].slice(0, strictErrorsMax);
}

/** Most strict errors reported, as upstream's decoder has it. */
const strictErrorsMax = 100;
