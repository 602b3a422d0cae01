/** What a store rejects with: whatever the system said is told as an `ImageStoreError`, in one sentence, with what it was as its cause. */
import { errorText } from '#pkg/base/error-text.ts';
import { ImageStoreError } from '../image-store.ts';

/** Does something. What the caller's signal says is thrown as it is. */
export async function asStoreErrors<T>(what: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ImageStoreError || (signal?.aborted && error === signal.reason)) throw error;
    signal?.throwIfAborted();
    throw new ImageStoreError('failed', `cannot ${what}: ${errorText(error)}`, error);
  }
}
