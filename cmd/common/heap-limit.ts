/**
 * How much garbage the heap may hold before V8 collects it, set once a server serves and again as it grows and shrinks.
 *
 * Invariant: whoever has chosen a growth by a flag of Node gets that. It is not a flag that a server is started with, as that would make code
 * useless that was compiled without it (`node-flags.js`). It knows V8 alone; when a process counts as large is up to `memory.ts`.
 */
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';

/**
 * The heap is collected when it has grown by this part of what lived, in percent. V8's own choice lets it grow to some 400 MB before it first
 * looks at it, of which 80 MB live; this makes for some 80 MB less at the end of a burst, and a request costs no more that can be measured.
 */
const growingPercent = 60;

/** The same once the process is large: 20 MB less of 300 under load. V8 reads it after each collection, so that it may change at any time. */
const growingPercentLarge = 30;

const flag = '--heap-growing-percent';

/** What `heapLimit` works with: V8 and the flags that this process was started with, unless a test says otherwise. */
export interface HeapLimitParts {
  readonly setFlag: (text: string) => void;
  readonly given: readonly string[];
}

/** Limits how the heap grows. */
export interface HeapLimit {
  /** From now on. To be called once everything of a start is loaded and its compiled code stored. */
  set(): void;
  /** Lets it grow by less than usual, or as usual again; nothing before `set`. */
  tighten(isTight: boolean): void;
}

/** A limit that was not set yet. */
export function createHeapLimit({ setFlag, given }: HeapLimitParts): HeapLimit {
  let current: number | undefined;
  const grow = (percent: number): void => {
    if (percent === current) return;
    current = percent;
    setFlag(`${flag}=${percent}`);
  };
  return {
    set() {
      if (!given.some((one) => one.startsWith(flag))) grow(growingPercent);
    },
    tighten(isTight) {
      if (current !== undefined) grow(isTight ? growingPercentLarge : growingPercent);
    },
  };
}

/** That of this process. */
export const heapLimit: HeapLimit = createHeapLimit({ setFlag: setFlagsFromString, given: process.execArgv });
