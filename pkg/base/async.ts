/** Waiting, with a clock and a signal. Whatever here waits ends promptly when its signal is aborted. */
import type { Clock, Timer } from './clock.ts';

/** A value that is there already, or will be: to await it is always right, and costs a turn of the queue that `onceThere` does without. */
export type Awaitable<T> = Promise<T> | T;

/** Goes on with a value, at once where it is there: then what `next` throws is thrown, and otherwise rejects. */
export function onceThere<T, Result>(value: Awaitable<T>, next: (value: T) => Awaitable<Result>): Awaitable<Result> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** A promise with its resolver outside. */
export class Deferred<T = void> {
  readonly promise: Promise<T>;
  resolve!: (value: T | PromiseLike<T>) => void;
  reject!: (reason: unknown) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/**
 * The signal of calls that nobody can call back: one for all of them, as making one for each costs more than much of what is called. What
 * would listen to it need not, and should not: it is never aborted, and its listeners would be those of everybody.
 */
export const neverAborted: AbortSignal = new AbortController().signal;

/** Resolves with true after `durationMs`, or with false as soon as `signal` is aborted. Never rejects. */
export function sleep(clock: Clock, durationMs: number, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve(false);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      resolve(false);
    };
    const timer = clock.setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve(true);
    }, durationMs);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Resolves once `signal` is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/**
 * What `work` comes to; undefined once `signal` is aborted before. Then `work` goes on, and how it ends is its owner's to look at. Nothing stays with the signal,
 * which may last for much longer.
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const stopped = new Deferred<undefined>();
  const stop = (): void => stopped.resolve(undefined);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([work, stopped.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/**
 * Calls `step` at once and then again `periodMs()` after each end of it, until `signal` is aborted. Resolves after the last
 * call has ended. A throw of `step` ends the loop and rejects: catch what is expected inside it.
 */
export async function repeat(
  clock: Clock,
  options: { readonly periodMs: () => number; readonly signal: AbortSignal },
  step: () => Promise<void> | void,
): Promise<void> {
  const { signal, periodMs } = options;
  let timer: Timer | undefined;
  let wake = (): void => {};
  const onAbort = (): void => {
    timer?.cancel();
    wake();
  };
  // Heard once for all periods: what listens to a signal costs as much as it has listeners.
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    while (!signal.aborted) {
      await step();
      if (signal.aborted) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
        timer = clock.setTimeout(resolve, periodMs());
      });
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** A signal that is aborted with `parent` or by its own controller, and leaves no listener behind once `dispose` is called. */
export function childSignal(parent: AbortSignal): { readonly controller: AbortController; dispose(): void } {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(parent.reason);
  if (parent.aborted) onAbort();
  else parent.addEventListener('abort', onAbort, { once: true });
  return { controller, dispose: () => parent.removeEventListener('abort', onAbort) };
}

/** What `Queue.push` does when the queue holds its limit of items. */
export interface QueueOptions {
  /** Most items that may wait. A push beyond it fails: returns false and leaves the queue as it was. */
  readonly limit: number;
}

/** A bounded queue between one or more producers and consumers, in order. */
export class Queue<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  readonly #waiting: ((result: IteratorResult<T>) => void)[] = [];
  readonly #limit: number;
  #closed = false;

  constructor(options: QueueOptions) {
    this.#limit = options.limit;
  }

  /** Adds an item; false when the queue is full or closed. */
  push(item: T): boolean {
    if (this.#closed) return false;
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) {
      waiter({ value: item, done: false });
      return true;
    }
    if (this.#items.length >= this.#limit) return false;
    this.#items.push(item);
    return true;
  }

  /** No more items: consumers get what is left and then the end. */
  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiting.splice(0)) waiter({ value: undefined, done: true });
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#items.length > 0) return Promise.resolve({ value: this.#items.shift()!, done: false });
    if (this.#closed) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return {
      next: () => this.next(),
      return: () => {
        this.close();
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }
}
