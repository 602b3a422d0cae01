/** A clock for tests that wait for files and retries but for no time: every delay is over at once, after what is under way has had its turn. */
import { type Clock, SystemClock, type Timer } from '#pkg/base/clock.ts';

/** The machine's clock without its delays. */
export class HastyClock extends SystemClock implements Clock {
  override setTimeout(callback: () => void, _delayMs: number): Timer {
    return super.setTimeout(callback, 0);
  }
}
