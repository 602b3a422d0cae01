/**
 * After how many seconds those who were turned away are told to come back: the more were turned away in the last while, the later, so that a crowd does
 * not come back at once.
 * Upstream counterpart: apiserver `util/flowcontrol/dropped_requests_tracker.go`.
 */

/** The longest that anybody is told to wait, in seconds. */
const secondsMax = 32;

/** How many were turned away within one second. */
interface Second {
  readonly second: number;
  readonly count: number;
}

/** Of one priority level. Keeps at most `secondsMax` seconds of the past. */
export class RetryAfter {
  #seconds = 1;
  #raisedAt = 0;
  #current = 0;
  #count = 0;
  #past: Second[] = [];

  /** One more was turned away at `nowMs`; what it is told, in seconds. */
  turnedAway(nowMs: number): number {
    const second = Math.floor(nowMs / 1_000);
    if (second !== this.#current) {
      this.#remember();
      this.#current = second;
      this.#count = 0;
      this.#adjust(second);
    }
    this.#count++;
    return this.#seconds;
  }

  #remember(): void {
    const oldest = this.#current - Math.min(2 * this.#seconds, secondsMax);
    this.#past.push({ second: this.#current, count: this.#count });
    this.#past = this.#past.filter(({ second }) => second >= oldest);
  }

  /** Doubles when three a second were turned away, and counts down when fewer than one a second were. */
  #adjust(second: number): void {
    const seconds = this.#seconds;
    const turnedAway = this.#past
      .filter((one) => second - one.second <= seconds)
      .reduce((sum, { count }) => sum + count, 0);
    if (second - this.#raisedAt >= seconds && turnedAway >= 3 * seconds) {
      this.#seconds = Math.min(2 * seconds, secondsMax);
      this.#raisedAt = second;
    } else if (turnedAway < seconds && seconds > 1) {
      this.#seconds--;
    }
  }
}
