/**
 * The values that keys had before, until they are compacted away, so that a range at a past revision can be answered.
 * `V` is the value itself, or what a driver finds it by.
 *
 * Invariant: the versions of a key are in revision order and do not overlap.
 */
import { compareKeys, SortedMap } from './sorted-map.ts';

/** What a key held from revision `from` up to, but not at, revision `until`. */
export interface PastVersion<V> {
  readonly key: string;
  readonly from: number;
  readonly until: number;
  readonly value: V;
  /** Of what it held. */
  readonly bytes: number;
}

/** How much of the past a store keeps before it compacts the oldest part of it by itself. */
export interface PastLimits {
  readonly maxVersions: number;
  /** Bytes of values. */
  readonly maxBytes: number;
}

/**
 * Some 15 MB of memory, and what a start reads in a quarter of a second. Up to 160 changes a second leave the five minutes that upstream keeps;
 * at a thousand a second a list can be continued for half a minute, and is then answered "expired", as after any compaction.
 */
export const pastLimitsDefault: PastLimits = { maxVersions: 50_000, maxBytes: 64 * 1024 * 1024 };

/**
 * What a store forgets at a time of a past that is full: little, so that it takes no longer than the writes that filled it, and enough that the work
 * around it does not count.
 */
export const forgottenShare = 1 / 64;

/** The versions of one key in revision order; those before `head` are forgotten, and let go. */
interface VersionQueue<V> {
  readonly versions: (PastVersion<V> | undefined)[];
  head: number;
}

/** The versions that have ended, by key and by revision. */
export class KeyHistory<V> {
  readonly #queues = new SortedMap<VersionQueue<V>>();
  /** All versions in the order they ended. */
  readonly #ended: PastVersion<V>[] = [];
  #bytes = 0;

  /** Whether it holds more than `limits`. */
  isFull({ maxVersions, maxBytes }: PastLimits): boolean {
    return this.#ended.length > maxVersions || this.#bytes > maxBytes;
  }

  /** Where that share of the versions, the oldest, have ended; there has to be one. */
  revisionAfter(share: number): number {
    const count = this.#ended.length;
    return this.#ended[Math.min(count - 1, Math.ceil(count * share))]!.until;
  }

  /** Adds a version; `until` must not be less than that of the version added before. */
  add(version: PastVersion<V>): void {
    this.#ended.push(version);
    this.#bytes += version.bytes;
    const queue = this.#queues.get(version.key);
    if (queue === undefined) this.#queues.set(version.key, { versions: [version], head: 0 });
    else queue.versions.push(version);
  }

  /** The versions, in key order, that keys with this prefix, from `startKey` on when given, had at `revision` and have no longer. */
  at(revision: number, prefix: string, startKey?: string): PastVersion<V>[] {
    const found: PastVersion<V>[] = [];
    for (const queue of this.#queues.values(prefix, startKey === undefined ? {} : { startKey })) {
      const version = versionAt(queue, revision);
      if (version !== undefined) found.push(version);
    }
    return found;
  }

  /** Forgets the versions that ended at or before `revision`, and returns them in the order they ended. */
  compact(revision: number): PastVersion<V>[] {
    let count = 0;
    while (count < this.#ended.length && this.#ended[count]!.until <= revision) {
      const { key, bytes } = this.#ended[count++]!;
      this.#bytes -= bytes;
      const queue = this.#queues.get(key)!;
      queue.versions[queue.head++] = undefined;
      if (queue.head === queue.versions.length) this.#queues.delete(key);
      else if (queue.head * 2 > queue.versions.length) {
        queue.versions.splice(0, queue.head);
        queue.head = 0;
      }
    }
    return this.#ended.splice(0, count);
  }
}

function versionAt<V>({ versions, head }: VersionQueue<V>, revision: number): PastVersion<V> | undefined {
  let low = head;
  let high = versions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (versions[middle]!.until <= revision) low = middle + 1;
    else high = middle;
  }
  const version = versions[low];
  return version !== undefined && version.from <= revision ? version : undefined;
}

/** Joins two lists in key order that have no key in common. */
export function mergeByKey<A extends { readonly key: string }, B extends { readonly key: string }>(
  a: readonly A[],
  b: readonly B[],
): (A | B)[] {
  if (a.length === 0) return [...b];
  const merged: (A | B)[] = [];
  let i = 0;
  for (const kv of b) {
    while (i < a.length && compareKeys(a[i]!.key, kv.key) < 0) merged.push(a[i++]!);
    merged.push(kv);
  }
  while (i < a.length) merged.push(a[i++]!);
  return merged;
}
