/**
 * Results that are mostly there and sometimes have to be waited for. Whoever has one goes on within the same call where it is there: a turn of the
 * event loop, the promises and the closures of an `async` function cost more than much of what is worked out in between.
 */

/** A value, or a promise of it. */
export type Later<T> = Promise<T> | T;

/** Goes on with `value` at once where it is there. What `next` throws is then thrown, and otherwise rejects. */
export function afterwards<T, Result>(value: Later<T>, next: (value: T) => Later<Result>): Later<Result> {
  return value instanceof Promise ? value.then(next) : next(value);
}
