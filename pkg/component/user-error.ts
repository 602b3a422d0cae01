/** Errors that a person is told in one line, by whatever command or library met them. */

/** What cannot be done and what to do about it; printed as it is, without a stack, and the process ends with 1. */
export class UserError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'UserError';
  }
}
