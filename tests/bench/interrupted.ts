/** What ends a measurement before it is over. */
import process from 'node:process';
import { stopSignals } from '#pkg/component/signals.ts';

/** Rejects with the first signal that asks this process to stop, and says which; a second one ends the process at once. Whoever races it has to end what it began. */
export function interrupted(): Promise<never> {
  const stopped = Promise.withResolvers<never>();
  stopped.promise.catch(() => {});
  for (const name of stopSignals) process.once(name, () => stopped.reject(new Error(`stopped by ${name}`)));
  return stopped.promise;
}
