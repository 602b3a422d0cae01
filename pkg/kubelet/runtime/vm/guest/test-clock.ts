/** A clock for tests of what goes by how long work takes: virtual time stands still while something is computed, and so does not say that. */
import type { Clock } from '#pkg/base/clock.ts';
import type { VirtualClock } from '#pkg/base/virtual-clock.ts';

/** The time of `virtual`, later by all work that was said; `sliced` is told of each turn that is given to others. */
export function workingClock(
  virtual: VirtualClock,
  sliced: () => void = () => undefined,
): { readonly clock: Clock; readonly workedMs: number; work(ms: number): void } {
  let workedMs = 0;
  return {
    clock: {
      nowMs: () => virtual.nowMs() + workedMs,
      monotonicMs: () => virtual.monotonicMs() + workedMs,
      setTimeout: (callback, delayMs) => virtual.setTimeout(callback, delayMs),
      yield: () => {
        sliced();
        return virtual.yield();
      },
    },
    get workedMs() {
      return workedMs;
    },
    work: (ms) => {
      workedMs += ms;
    },
  };
}
