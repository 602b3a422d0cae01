/** Waiting that somebody may cut short. */
import type { Clock } from './clock.ts';

/** One who waits over and over. A wake between two waits ends the next one at once, so that none is missed. */
export class WakeUp {
  #isDue = false;
  #end: (() => void) | undefined;

  /** Ends the wait, or the next one. */
  wake(): void {
    this.#isDue = true;
    this.#end?.();
  }

  /** Resolves after `durationMs`, or as soon as it is woken or `signal` is aborted. Never rejects. */
  async wait(clock: Clock, durationMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#isDue && !signal.aborted) await this.#sleep(clock, durationMs, signal);
    this.#isDue = false;
  }

  #sleep(clock: Clock, durationMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', end);
        this.#end = undefined;
        resolve();
      };
      const timer = clock.setTimeout(end, durationMs);
      signal.addEventListener('abort', end, { once: true });
      this.#end = end;
    });
  }
}
