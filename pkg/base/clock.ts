/**
 * Time as an argument. Everything that reads the time or waits takes a `Clock`; in production it is the machine's
 * (`SystemClock`), in a test one `VirtualClock` drives every component together.
 *
 * This module is the only place that calls `Date.now`, `performance.now`, `setTimeout` and `setImmediate`; a tidy test
 * holds that.
 */

/** A pending call made by `Clock.setTimeout`. */
export interface Timer {
  /** Prevents the call; does nothing once it was made or cancelled. */
  cancel(): void;
}

/**
 * Laws: `monotonicMs` never decreases. A callback is never called synchronously from `setTimeout`, runs at most once, and
 * never before its delay has passed on this clock, to the millisecond in which the system counts. Callbacks due at the same instant run in the order they were set.
 */
export interface Clock {
  /** Wall-clock time, milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Time for measuring durations, milliseconds since an arbitrary start, with a fraction. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs` (negative counts as 0). */
  setTimeout(callback: () => void, delayMs: number): Timer;
  /** Resolves after what is already queued has run: lets I/O and other work in between two slices of long work. */
  yield(): Promise<void>;
}

/** Longest delay that the machine's timers take in one step; longer ones are made of several. */
const systemDelayMsMax = 2 ** 31 - 1;

/** The machine's clock. */
export class SystemClock implements Clock {
  nowMs(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    let handle: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, systemDelayMsMax);
      handle = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : callback()), Math.max(0, stepMs));
    };
    arm(delayMs);
    return { cancel: () => clearTimeout(handle) };
  }

  yield(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}

/** The time of `clock` as RFC 3339 with whole seconds, the form of API timestamps (`2026-01-02T03:04:05Z`). */
export function timestamp(clock: Clock): string {
  return formatTimestamp(clock.nowMs());
}

/** Milliseconds since the epoch as RFC 3339 with whole seconds, rounded down. */
export function formatTimestamp(epochMs: number): string {
  const second = Math.floor(epochMs / 1_000);
  // Asked for on every write, mostly for the second that was asked for last, or one of the same minute; `Date` costs a microsecond.
  if (second !== lastSecond) {
    const minute = Math.floor(second / 60);
    if (minute !== lastMinute) {
      minuteText = new Date(epochMs).toISOString().slice(0, 17);
      lastMinute = minute;
    }
    lastText = `${minuteText}${String(second - minute * 60).padStart(2, '0')}Z`;
    lastSecond = second;
  }
  return lastText;
}

let lastMinute = Number.NaN;
let minuteText = '';
let lastSecond = Number.NaN;
let lastText = '';

/** Milliseconds since the epoch as RFC 3339 with microseconds, the form of `MicroTime` (`…:05.123000Z`). */
export function formatMicroTime(epochMs: number): string {
  const whole = Math.floor(epochMs);
  // As with seconds: on virtual time many ask at one instant.
  if (whole !== lastMs) {
    const ms = whole - Math.floor(epochMs / 1_000) * 1_000;
    lastMicroText = `${formatTimestamp(epochMs).slice(0, 19)}.${String(ms).padStart(3, '0')}000Z`;
    lastMs = whole;
  }
  return lastMicroText;
}

let lastMs = Number.NaN;
let lastMicroText = '';
