/**
 * What the source of a post-copy has still to send, and in which order: what the guest waits for, with its neighbours if there is pre-paging; else, with push, the rest, upwards from the last fault.
 * Invariant: a page is given once. Source: Hines and Gopalan, "Post-Copy Based Live Virtual Machine Migration Using Adaptive Pre-Paging and Dynamic Self-Ballooning", VEE 2009.
 */
import type { PageOrigin } from './page-format.ts';

/** Neighbours on each side of a fault that come along. */
const neighbours = 8;
/** Without push, the rest is sent when nobody has asked for so long: the source does not wait for ever. */
const quietMs = 1000;

/** How pages are fetched besides on demand. */
export interface SupplyOptions {
  readonly push: boolean;
  readonly prePaging: boolean;
}

/** Pages to be sent as one batch. */
export interface Supply {
  readonly pages: readonly number[];
  readonly origin: PageOrigin;
}

/** Pages of one machine that its target lacks. */
export class PageSupply {
  private readonly options: SupplyOptions;
  private left: Uint8Array;
  private wanted: number[] = [];
  private pivot = 0;
  private askedMs: number;
  /** How many are left. */
  count: number;

  constructor(left: Uint8Array, { nowMs, ...options }: SupplyOptions & { readonly nowMs: number }) {
    this.left = left;
    this.count = countOf(left);
    this.options = options;
    this.askedMs = nowMs;
  }

  /** The guest waits for a page. */
  demand(page: number, nowMs: number): void {
    this.askedMs = nowMs;
    this.pivot = page;
    if (this.left[page] === 1) this.wanted.push(page);
  }

  /** What the target lacks after the connection was made again. */
  reset(left: Uint8Array): void {
    this.left = left;
    this.count = countOf(left);
    this.wanted = [];
  }

  /** What the guest waits for. */
  takeWanted(): Supply | undefined {
    for (let page = this.wanted.shift(); page !== undefined; page = this.wanted.shift()) {
      if (this.left[page] !== 1) continue;
      const pages = [page];
      this.give(page);
      for (let away = 1; this.options.prePaging && away <= neighbours; away++) {
        for (const near of [page + away, page - away]) if (this.give(near)) pages.push(near);
      }
      return { pages, origin: 'demand' };
    }
    return undefined;
  }

  /** Some of the rest. */
  takeRest(pagesMax: number, nowMs: number): Supply | undefined {
    if (this.count === 0 || (!this.options.push && nowMs - this.askedMs < quietMs)) return undefined;
    const pages: number[] = [];
    while (pages.length < pagesMax && this.count > 0) {
      const next = this.left.indexOf(1, this.pivot);
      const page = next < 0 ? this.left.indexOf(1) : next;
      this.give(page);
      pages.push(page);
      this.pivot = page + 1;
    }
    return { pages, origin: 'push' };
  }

  private give(page: number): boolean {
    if (this.left[page] !== 1) return false;
    this.left[page] = 0;
    this.count--;
    return true;
  }
}

function countOf(left: Uint8Array): number {
  let count = 0;
  for (let page = left.indexOf(1); page >= 0; page = left.indexOf(1, page + 1)) count++;
  return count;
}
