/** A resource of things that are somewhere each, such as processors or devices, as one pod wants so many of them. Pure. */
import { type NumaHint, type NumaMask, type NumaSupply, numaHints } from './numa-hints.ts';
import type { NumaResource } from './topology-manager.ts';

/** How many of a resource a container wants. */
export interface NumaWish {
  readonly container: string;
  readonly count: number;
  /** It has ended before those that come after it begin, which then may have what it had. */
  readonly isInit: boolean;
}

/** What there is, and who wants how many of it, in the order in which they run. */
export interface CountedSupply extends Pick<NumaSupply, 'all' | 'free'> {
  readonly wishes: readonly NumaWish[];
}

/** What containers have at one time at most: those that have ended leave theirs. */
export function atOnce(wishes: readonly { readonly count: number; readonly isInit: boolean }[]): number {
  let lasting = 0;
  let most = 0;
  for (const { count, isInit } of wishes) {
    most = Math.max(most, lasting + count);
    if (!isInit) lasting += count;
  }
  return most;
}

/** It. */
export class CountedResource implements NumaResource {
  readonly #wishes: readonly NumaWish[];
  readonly #all: readonly NumaMask[];
  #free: readonly NumaMask[];
  /** What init containers leave. */
  #again: readonly NumaMask[] = [];

  constructor({ all, free, wishes }: CountedSupply) {
    this.#wishes = wishes;
    this.#all = all;
    this.#free = free;
  }

  get containers(): readonly string[] {
    return this.#wishes.filter(({ count }) => count > 0).map(({ container }) => container);
  }

  hintsFor(container: string, nodes: readonly number[]): readonly NumaHint[] {
    return this.#hints(this.#wishes.find((wish) => wish.container === container)?.count ?? 0, nodes);
  }

  hintsForPod(nodes: readonly number[]): readonly NumaHint[] {
    return this.#hints(atOnce(this.#wishes), nodes);
  }

  /** What init containers leave first, then what is near. */
  take(container: string, near: NumaMask | undefined): void {
    const wish = this.#wishes.find((one) => one.container === container);
    if (wish === undefined) return;
    const isNear = (one: NumaMask): boolean => near === undefined || (one & near) !== 0;
    const order = [...this.#again, ...this.#free.filter(isNear), ...this.#free.filter((one) => !isNear(one))];
    const left = Math.max(0, this.#again.length - wish.count);
    const taken = order.slice(0, wish.count);
    const rest = order.slice(wish.count);
    this.#again = [...rest.slice(0, left), ...(wish.isInit ? taken : [])];
    this.#free = rest.slice(left);
  }

  #hints(count: number, nodes: readonly number[]): readonly NumaHint[] {
    return numaHints({ count, all: this.#all, again: this.#again.slice(0, count), free: this.#free }, nodes);
  }
}
