/** Throws when `condition` does not hold. For bugs only: what input or the world can cause is a value or a StatusError. */

/** A condition that the program relies on does not hold. */
class BugError extends Error {
  override readonly name = 'BugError';
}

/** Throws an error that begins with `Bug:` unless the condition holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new BugError(`Bug: ${message}`);
}

/** Whether a throw is a fault of the program, as a panic is in Go, rather than something that the world answered. */
export function isBug(error: unknown): boolean {
  const kinds = [BugError, TypeError, ReferenceError, RangeError, SyntaxError];
  return kinds.some((kind) => error instanceof kind);
}
