/**
 * Gives back what booting a machine took of its thread and nothing needs any more: some MiB of JavaScript objects for a machine that may have but 8 MiB itself, which the engine would collect only once
 * there are as many again. By the inspector, as that is the one way of a thread to ask for a collection that needs no flag.
 *
 * What a machine's pages take is `pkg/vmm/frames/`'s to keep small. What is shared besides is code: modules of hot code with the same bytes are compiled once for all threads of the process, by the engine.
 */
import type { Clock } from '#pkg/base/clock.ts';

/** A machine has booted by then, and is asked its first questions. */
const settledMs = 1000;

/** Has the thread's garbage collected once the machine has settled; does nothing where this Node has no inspector. */
export function settle(clock: Clock): void {
  clock.setTimeout(() => void collect(clock).catch(() => undefined), settledMs);
}

/** Has the thread's garbage collected now. Rejects where this Node has no inspector. */
export async function collect(clock: Clock): Promise<void> {
  const { Session } = await import('node:inspector/promises');
  const session = new Session();
  session.connect();
  await session.post('HeapProfiler.collectGarbage');
  // Not from within its own answer.
  clock.setTimeout(() => session.disconnect(), 0);
}
