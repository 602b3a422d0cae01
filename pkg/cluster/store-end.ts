/** What a server does whose store ends by itself. */
import { Deferred } from '#pkg/base/async.ts';
import type { Component } from '#pkg/component/component.ts';
import type { Store } from '#pkg/storage/store.ts';

/** Ends the server with a store that has ended by itself, and says why. */
export function untilStoreEnds({ ended }: Store): Component {
  return {
    async run(signal) {
      const stopped = new Deferred();
      const stop = (): void => stopped.resolve();
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
      const error = await Promise.race([stopped.promise, ended ?? stopped.promise]);
      signal.removeEventListener('abort', stop);
      if (error !== undefined) throw error;
    },
  };
}
