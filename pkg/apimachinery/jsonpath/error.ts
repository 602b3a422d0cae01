/** What a path has that is none, or asks for that cannot be had. */

/** The message is upstream's, as kubectl prints it. */
export class JsonPathError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'JsonPathError';
  }
}
