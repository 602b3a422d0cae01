/** What a thrown value has to say. */

/** The message of an `Error`, and of anything else its text. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
