/** What is wrong with the values of a configuration file, in one line. */
import type { FieldError } from '#pkg/apimachinery/field-error.ts';

/** Throws an `Error` that says all of it, with the path of each field; nothing where there is nothing wrong. */
export function refuseConfig(errors: readonly FieldError[]): void {
  if (errors.length === 0) return;
  const shown = errors.map(({ field, message }) => `${field}: ${message}`);
  throw new Error(shown.length === 1 ? shown[0] : `[${shown.join(', ')}]`);
}
