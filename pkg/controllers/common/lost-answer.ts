/** What a controller does of which it does not know whether it was done: it looks, before it does it again. */
import { StatusError } from '#pkg/apimachinery/status-error.ts';

/** Looks before what was asked for counts as not done: whoever lost the answer may lose these too. */
const looksMax = 4;

/** Whether a request may have been carried out although it failed: the connection broke, or a server on the way gave up. */
export function isAnswerLost(error: unknown): boolean {
  return !(error instanceof StatusError) || error.code >= 500;
}

/** What `look` finds, tried again while answers get lost; undefined when it is refused, or when all of them got lost. */
export async function lookFor<T>(look: () => Promise<T | undefined>): Promise<T | undefined> {
  for (let looks = 1; looks <= looksMax; looks++) {
    try {
      return await look();
    } catch (error) {
      if (!isAnswerLost(error)) return undefined;
    }
  }
  return undefined;
}
