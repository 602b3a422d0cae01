/**
 * A map with its keys in ascending byte order (of their UTF-8 form), for prefix scans: what the memory driver, the lmdb
 * driver's index and the watch cache keep their entries in. A B+-tree of two levels: sorted leaves of at most `leafMax` keys
 * in one sorted list of leaves. With 100,000 keys that list has a few hundred items, so an insert moves some hundreds
 * of pointers at most, and a scan copies whole leaves. Beside it a table of all by their keys: a search compares some twenty keys, most of them where the
 * processor has not been lately, and whoever reads or writes one key looks for it several times. It costs some 30 bytes a key.
 *
 * Invariants: no leaf is empty; all keys of a leaf come before those of the next; the table has what the leaves have.
 */

/** Most keys of one leaf; a fuller one is split in half. Moving this many pointers costs less than a further level would. */
const leafMax = 256;

/** A leaf below this many keys is joined with its successor when both fit well into one. */
const leafSparse = 64;

interface Leaf<V> {
  readonly keys: string[];
  readonly values: V[];
}

/** Which part of a prefix `SortedMap.values` returns. */
export interface ScanOptions {
  /** Leaves out keys that come before this one. */
  readonly startKey?: string;
  /** Most values returned; 0 or absent for no limit. */
  readonly limit?: number;
}

interface Position {
  readonly leaf: number;
  readonly index: number;
}

/** Values by key: finding, adding and deleting cost O(log n), counting a prefix too. */
export class SortedMap<V> {
  readonly #leaves: Leaf<V>[] = [];
  readonly #byKey = new Map<string, V>();
  /** Where a key was looked for last. What is read is often written next. */
  #last: Position = { leaf: 0, index: 0 };

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): V | undefined {
    return this.#byKey.get(key);
  }

  /** Returns what the key held before. */
  set(key: string, value: V): V | undefined {
    this.#byKey.set(key, value);
    let at = this.#lowerBound(key);
    let leaf = this.#leaves[at.leaf];
    if (leaf === undefined) {
      leaf = this.#leaves[this.#leaves.length - 1];
      if (leaf === undefined) {
        leaf = { keys: [], values: [] };
        this.#leaves.push(leaf);
      }
      at = { leaf: this.#leaves.length - 1, index: leaf.keys.length };
    } else if (leaf.keys[at.index] === key) {
      const previous = leaf.values[at.index];
      leaf.values[at.index] = value;
      return previous;
    }
    leaf.keys.splice(at.index, 0, key);
    leaf.values.splice(at.index, 0, value);
    if (leaf.keys.length > leafMax) this.#split(at.leaf, leaf);
    return undefined;
  }

  /** Returns what the key held. */
  delete(key: string): V | undefined {
    const previous = this.#byKey.get(key);
    if (!this.#byKey.delete(key)) return undefined;
    const at = this.#lowerBound(key);
    const leaf = this.#leaves[at.leaf];
    if (leaf === undefined) return previous;
    leaf.keys.splice(at.index, 1);
    leaf.values.splice(at.index, 1);
    if (leaf.keys.length < leafSparse) this.#join(at.leaf, leaf);
    return previous;
  }

  clear(): void {
    this.#leaves.length = 0;
    this.#byKey.clear();
  }

  /** Values of the keys that start with `prefix`, in key order. */
  values(prefix: string, options: ScanOptions = {}): V[] {
    if (this.#byKey.size === 0) return [];
    const { startKey } = options;
    const limit = options.limit || Number.POSITIVE_INFINITY;
    const from = this.#lowerBound(startKey !== undefined && precedes(prefix, startKey) ? startKey : prefix);
    const end = this.#prefixEnd(prefix);
    const found: V[] = [];
    for (let i = from.leaf; i <= end.leaf && i < this.#leaves.length && found.length < limit; i++) {
      const { values } = this.#leaves[i]!;
      const first = i === from.leaf ? from.index : 0;
      const last = Math.min(i === end.leaf ? end.index : values.length, first + limit - found.length);
      for (let j = first; j < last; j++) found.push(values[j]!);
    }
    return found;
  }

  /** How many keys start with `prefix`, from `startKey` on when given. */
  count(prefix: string, startKey?: string): number {
    const from = this.#lowerBound(startKey !== undefined && precedes(prefix, startKey) ? startKey : prefix);
    const end = this.#prefixEnd(prefix);
    if (end.leaf < from.leaf) return 0;
    if (end.leaf === from.leaf) return Math.max(0, end.index - from.index);
    let count = this.#leaves[from.leaf]!.keys.length - from.index + end.index;
    for (let i = from.leaf + 1; i < end.leaf; i++) count += this.#leaves[i]!.keys.length;
    return count;
  }

  /** Where the first key that does not come before `key` is; one past the last leaf when there is none. */
  #lowerBound(key: string): Position {
    const { leaf, index } = this.#last;
    if (this.#leaves[leaf]?.keys[index] === key) return this.#last;
    this.#last = isPlain(key) ? this.#plainBound(key) : this.#partition((other) => compareKeys(other, key) < 0);
    return this.#last;
  }

  /** The same for a plain key, which is looked for by every read and write: as `#partition`, without calls. */
  #plainBound(key: string): Position {
    const leaves = this.#leaves;
    let low = 0;
    let high = leaves.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const { keys } = leaves[middle]!;
      if (keys[keys.length - 1]! < key) low = middle + 1;
      else high = middle;
    }
    const leaf = low;
    if (leaf === leaves.length) return { leaf, index: 0 };
    const { keys } = leaves[leaf]!;
    low = 0;
    high = keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (keys[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return { leaf, index: low };
  }

  /** Where the first key is that comes after all that start with `prefix`. */
  #prefixEnd(prefix: string): Position {
    if (prefix === '') return { leaf: this.#leaves.length, index: 0 };
    const plain = isPlain(prefix);
    return this.#partition((key) => (plain ? key < prefix : compareKeys(key, prefix) < 0) || key.startsWith(prefix));
  }

  /** Where the first key is for which `before` is false; it is true for all keys up to there. */
  #partition(before: (key: string) => boolean): Position {
    const leaves = this.#leaves;
    let low = 0;
    let high = leaves.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const { keys } = leaves[middle]!;
      if (before(keys[keys.length - 1]!)) low = middle + 1;
      else high = middle;
    }
    const leaf = low;
    if (leaf === leaves.length) return { leaf, index: 0 };
    const { keys } = leaves[leaf]!;
    low = 0;
    high = keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (before(keys[middle]!)) low = middle + 1;
      else high = middle;
    }
    return { leaf, index: low };
  }

  #split(index: number, leaf: Leaf<V>): void {
    const half = leaf.keys.length >> 1;
    this.#leaves.splice(index + 1, 0, { keys: leaf.keys.splice(half), values: leaf.values.splice(half) });
  }

  #join(index: number, leaf: Leaf<V>): void {
    if (leaf.keys.length === 0) {
      this.#leaves.splice(index, 1);
      return;
    }
    const next = this.#leaves[index + 1];
    if (next === undefined || leaf.keys.length + next.keys.length > leafMax >> 1) return;
    leaf.keys.push(...next.keys);
    leaf.values.push(...next.values);
    this.#leaves.splice(index + 1, 1);
  }
}

const beyondPlain = /[\ud800-\uffff]/;

/** The plain key that was asked about last: a write looks for one key in several maps, one after the other. */
let lastPlain = '';

/** Whether the order of UTF-16 code units, which is what `<` compares, is the byte order for this key against any other. */
function isPlain(key: string): boolean {
  if (key === lastPlain) return true;
  if (beyondPlain.test(key)) return false;
  lastPlain = key;
  return true;
}

function precedes(a: string, b: string): boolean {
  return compareKeys(a, b) < 0;
}

/** Compares two keys by the bytes of their UTF-8 form: negative when `a` comes first, 0 when they are the same. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  if (isPlain(a) || isPlain(b)) return a < b ? -1 : 1;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const unitA = a.charCodeAt(i);
    const unitB = b.charCodeAt(i);
    if (unitA !== unitB) return byteRank(unitA) - byteRank(unitB);
  }
  return a.length - b.length;
}

/** Code units in the order of the code points they belong to: surrogates, which stand for U+10000 and above, come last. */
function byteRank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}
