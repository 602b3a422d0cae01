/** What applying a patch gives. */
import { badRequest, StatusError } from '../status-error.ts';

/** The value after the patch, or why it cannot be applied. */
export type PatchResult =
  | {
      readonly ok: true;
      /** Shares what did not change with the original: copy before changing it. */
      readonly value: unknown;
    }
  | { readonly ok: false; readonly error: StatusError };

/** A patch that makes no sense in itself: `400 BadRequest`. */
export function malformed(message: string): PatchResult {
  return { ok: false, error: badRequest(message) };
}

/**
 * A patch that does not fit the object: `422`, with the sentence upstream has for all of these; `why` is kept as the cause for
 * those who ask. Source: apiserver `handlers/patch.go`, apimachinery `NewGenericServerResponse`.
 */
export function doesNotApply(why: string): PatchResult {
  const error = new StatusError({
    code: 422,
    reason: 'Invalid',
    message: 'the server rejected our request due to an error in our request',
    details: {},
    cause: why,
  });
  return { ok: false, error };
}
