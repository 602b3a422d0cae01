/**
 * The values that this process is writing to etcd, so that the watch which brings them back holds the very bytes that were written: they are in memory once,
 * and what was decoded of them stays with them. Values of others get memory of their own, so that none holds a whole message of the watch.
 *
 * Matched by key and bytes, as the event may come before the answer to the write. Bounded: what nobody takes falls out by age.
 */

/** Writes whose event has not come: far more than are under way at any time. Beyond it the oldest is forgotten, which costs a copy. */
const writesMax = 10_000;

/** The newest write to each key that is under way, or whose event is not here yet. */
export class OwnWrites {
  readonly #values = new Map<string, Uint8Array>();

  add(key: string, value: Uint8Array): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size > writesMax)
      for (const oldest of this.#values.keys()) return void this.#values.delete(oldest);
  }

  /** A write that came to nothing. */
  drop(key: string, value: Uint8Array): void {
    if (this.#values.get(key) === value) this.#values.delete(key);
  }

  /** The bytes to keep of a value that etcd tells of. */
  take(key: string, value: Uint8Array): Uint8Array {
    const own = this.#values.get(key);
    if (own !== undefined && own.length === value.length && Buffer.compare(own, value) === 0) {
      this.#values.delete(key);
      return own;
    }
    const copy = Buffer.allocUnsafeSlow(value.length);
    copy.set(value);
    return copy;
  }
}
