/**
 * Rows in an order, kept up to date by changes. Each change costs a binary search and a shift; many at once are sorted and merged in one go. The order is total: what is
 * equal goes by key.
 */
import type { Sort } from '../model/protocol.ts';
import type { KeptRow } from './row-of.ts';
import type { Change } from './table-mirror.ts';

type Compare = (a: KeptRow, b: KeptRow) => number;

/** From so many changes on, going through all costs less than placing each. */
const manyChanges = 48;

/** The rows that `matches` lets through. */
export class SortedRows {
  readonly #matches: (row: KeptRow) => boolean;
  readonly #compare: Compare;
  #rows: KeptRow[];

  constructor(rows: Iterable<KeptRow>, matches: (row: KeptRow) => boolean, sort: Sort | undefined) {
    this.#matches = matches;
    this.#compare = compareBy(sort);
    this.#rows = [...rows].filter(matches).sort(this.#compare);
  }

  get length(): number {
    return this.#rows.length;
  }

  slice(from: number, count: number): readonly KeptRow[] {
    return this.#rows.slice(from, from + count);
  }

  /** Takes the changes in; whether any of them is about these rows. */
  apply(changes: readonly Change[]): boolean {
    const removed = changes.flatMap(({ before }) => (before !== undefined && this.#matches(before) ? [before] : []));
    const added = changes.flatMap(({ after }) => (after !== undefined && this.#matches(after) ? [after] : []));
    if (removed.length + added.length > manyChanges) this.#applyMany(removed, added);
    else {
      for (const row of removed) this.#rows.splice(this.#placeOf(row), 1);
      for (const row of added) this.#rows.splice(this.#placeOf(row), 0, row);
    }
    return removed.length + added.length > 0;
  }

  #applyMany(removed: readonly KeptRow[], added: readonly KeptRow[]): void {
    if (removed.length > 0) {
      const gone = new Set(removed);
      this.#rows = this.#rows.filter((row) => !gone.has(row));
    }
    this.#rows = merged(this.#rows, added.toSorted(this.#compare), this.#compare);
  }

  #placeOf(row: KeptRow): number {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#rows[middle];
      if (other !== undefined && this.#compare(other, row) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Two sorted lists as one: a list that is read page by page is not sorted anew with each. The first may be changed. */
function merged(rows: KeptRow[], added: readonly KeptRow[], compare: Compare): KeptRow[] {
  const [first] = added;
  const last = rows.at(-1);
  if (first === undefined || last === undefined || compare(last, first) < 0) {
    for (const row of added) rows.push(row);
    return rows;
  }
  const all: KeptRow[] = [];
  let next = 0;
  for (const row of rows) {
    for (let other = added[next]; other !== undefined && compare(other, row) < 0; other = added[++next])
      all.push(other);
    all.push(row);
  }
  for (const row of added.slice(next)) all.push(row);
  return all;
}

function compareBy(sort: Sort | undefined): Compare {
  if (sort === undefined) return byKey;
  const { by, descending } = sort;
  const first: Compare =
    by === 'name'
      ? (a, b) => compareValues(a.name, b.name)
      : by === 'time'
        ? (a, b) => a.time - b.time
        : (a, b) => compareValues(a.cells[by], b.cells[by]);
  return descending ? (a, b) => first(b, a) || byKey(a, b) : (a, b) => first(a, b) || byKey(a, b);
}

function byKey(a: KeptRow, b: KeptRow): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

/** Numbers before texts, which go by what they begin with where that is a number, such as `2/3`; what is not there comes first. */
function compareValues(a: unknown, b: unknown): number {
  const [left, right] = [numberIn(a), numberIn(b)];
  if (left !== right && !(Number.isNaN(left) && Number.isNaN(right))) {
    if (Number.isNaN(left)) return 1;
    return Number.isNaN(right) ? -1 : left - right;
  }
  const [one, other] = [String(a), String(b)];
  return one < other ? -1 : one > other ? 1 : 0;
}

function numberIn(value: unknown): number {
  if (typeof value === 'number') return value;
  if (value === null || value === undefined) return Number.NEGATIVE_INFINITY;
  return typeof value === 'string' ? Number.parseFloat(value) : Number.NaN;
}
