/** A heap of pods whose entries a later move of a pod makes stale: what is stale is passed over. */
import { Heap } from '#pkg/base/heap.ts';
import type { PodInfo } from '../model/pod-info.ts';

/** A pod of a queue as it was when it was put there. */
export interface Ticketed<Entry> {
  readonly entry: Entry;
  /** That of `entry` as long as it has not been moved. */
  readonly ticket: number;
  readonly pod: PodInfo;
  readonly enqueuedMs: number;
  /** When its back-off ends. */
  readonly dueMs: number;
}

/** Entries by an order, of which only those count that have not been moved since. */
export class LiveHeap<Entry extends { readonly ticket: number }> {
  readonly #heap: Heap<Ticketed<Entry>>;

  constructor(compare: (a: Ticketed<Entry>, b: Ticketed<Entry>) => number) {
    this.#heap = new Heap(compare);
  }

  push(ticketed: Ticketed<Entry>): void {
    this.#heap.push(ticketed);
  }

  /** Takes the first pod that is still where the heap has it. */
  pop(): Entry | undefined {
    for (let first = this.#heap.pop(); first !== undefined; first = this.#heap.pop()) {
      if (first.ticket === first.entry.ticket) return first.entry;
    }
    return undefined;
  }

  /** When the first back-off ends; infinite when there is none. For a heap that is ordered by that. */
  firstDueMs(): number {
    for (let first = this.#heap.peek(); first !== undefined; first = this.#heap.peek()) {
      if (first.ticket === first.entry.ticket) return first.dueMs;
      this.#heap.pop();
    }
    return Number.POSITIVE_INFINITY;
  }
}
