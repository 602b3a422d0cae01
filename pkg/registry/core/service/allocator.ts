/**
 * Hands out numbers from a range: cluster IPs and node ports. What is asked for by name tends to be low, so numbers that nobody asked
 * for come from the upper band first and the lower one stays free for those who name theirs.
 *
 * Invariant: a number is in `#used` from its reservation until it is released. Holds one bit of state per number given out; the range is
 * its limit. Source: KEP-3070, KEP-3668 (reserved bands).
 */
import { type Random, randomInt } from '#pkg/base/random.ts';

/** The range that is handed out. */
export interface AllocatorOptions {
  readonly first: number;
  /** How many numbers there are from `first` on. */
  readonly size: number;
  /** How many of the lowest are kept for those who name theirs. */
  readonly reserved: number;
}

/** One range with what is taken of it. */
export class NumberAllocator {
  readonly #options: AllocatorOptions;
  readonly #used = new Set<number>();

  constructor(options: AllocatorOptions) {
    this.#options = options;
  }

  has(number: number): boolean {
    return number >= this.#options.first && number < this.#options.first + this.#options.size;
  }

  /** Takes a number by name; false when it is taken. */
  take(number: number): boolean {
    if (this.#used.has(number)) return false;
    this.#used.add(number);
    return true;
  }

  /** Takes any free number, undefined when there is none. */
  takeAny(random: Random): number | undefined {
    const { first, size, reserved } = this.#options;
    return this.#scan(first + reserved, size - reserved, random) ?? this.#scan(first, reserved, random);
  }

  release(number: number): void {
    this.#used.delete(number);
  }

  /** Starts over with what is taken. */
  reset(numbers: Iterable<number>): void {
    this.#used.clear();
    for (const number of numbers) this.#used.add(number);
  }

  /** Looks at each number of a band once, from a random one on. */
  #scan(first: number, size: number, random: Random): number | undefined {
    if (size <= 0) return undefined;
    const start = randomInt(random, size);
    for (let i = 0; i < size; i++) {
      const number = first + ((start + i) % size);
      if (this.take(number)) return number;
    }
    return undefined;
  }
}

/**
 * Size of the lower band of a range of `size` numbers: a part of it, within limits. Cluster IPs: a sixteenth, 16 to 256; node ports: a
 * thirty-second, 16 to 128.
 */
export function reservedBand(size: number, rule: { readonly part: number; readonly max: number }): number {
  const min = 16;
  if (size < min) return 0;
  return Math.min(Math.max(min, Math.floor(size / rule.part)), rule.max);
}
