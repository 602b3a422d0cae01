/** Throws when `condition` does not hold. For bugs only: what input or the world can cause is a value or a StatusError. */

/** Throws an `Error` that begins with `Bug:` unless the condition holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Bug: ${message}`);
}
