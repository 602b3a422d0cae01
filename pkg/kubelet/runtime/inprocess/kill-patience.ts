/** How long a program that was told to end at once is waited for before its place is ended, and all programs in it. Pure. */

/** Without the end of any program there: the thread waits in a call of the system that nothing interrupts. */
const quietMsMax = 10_000;
/** However many others end: a place that is busy with hundreds of them comes to each. */
const killMsMax = 120_000;

/** Milliseconds until a program is given up that was told to end at `killedMs`; 0: now. `lastEndMs` is when one in the same place last ended. */
export function killPatienceMs(
  nowMs: number,
  { killedMs, lastEndMs }: { readonly killedMs: number; readonly lastEndMs: number },
): number {
  const untilMs = Math.min(Math.max(killedMs, lastEndMs) + quietMsMax, killedMs + killMsMax);
  return Math.max(0, untilMs - nowMs);
}
