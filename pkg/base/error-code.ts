/** The codes by which Node's errors say what happened, such as `ENOENT`. */

/** The code of whatever was thrown; undefined where it has none. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
