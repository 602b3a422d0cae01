/**
 * Ranges over the cold table as the store's laws want them: a snapshot at one revision, though the disk may be a transaction ahead of what was
 * acknowledged. Only what is returned is read from the disk; a page costs the same wherever it is, unless it is counted.
 */
import { type KeyHistory, mergeByKey, type PastVersion } from '../../key-history.ts';
import { compareKeys } from '../../sorted-map.ts';
import type { KeyValue, RangeOptions } from '../../store.ts';
import type { ColdView } from './cold-view.ts';

/** The table and what has to be known besides. */
export interface ColdState {
  readonly view: ColdView;
  readonly history: KeyHistory<unknown>;
  /** The store's. */
  readonly revision: number;
  /** Cold keys whose newest is not in the table, or that have a write under way, and what they hold. */
  readonly pending: ReadonlyMap<string, KeyValue | undefined>;
}

/** What a key held: its value, or where that is. */
type Found = KeyValue | PastVersion<unknown> | { readonly key: string; readonly modRevision: number };

/** The items of a range, and their count as `RangeResult` says. The revision must have been checked. */
export function readCold(state: ColdState, options: RangeOptions): { items: KeyValue[]; count: number } {
  const { limit, counted = true } = options;
  const isCurrent = options.revision === undefined || options.revision === state.revision;
  const wanted = limit || Number.POSITIVE_INFINITY;
  const counting = counted && !isCurrent;
  const found: Found[] = [];
  let count = 0;
  for (const each of candidates(state, options)) {
    count++;
    if (found.length < wanted) found.push(each);
    else if (!counting) break;
  }
  if (counted && isCurrent && count > found.length) count = currentCount(state, options);
  const items = found.map((each) => {
    if ('value' in each && 'createRevision' in each) return each;
    return state.view.value('from' in each ? each.from : each.modRevision);
  });
  return { items, count };
}

/** What there is of a range at its revision, in key order. */
function* candidates(state: ColdState, options: RangeOptions): Generator<Found> {
  const revision = options.revision ?? state.revision;
  const hidden = [...pendingIn(state, options)].flatMap(([, kv]) => (kv === undefined ? [] : [kv]));
  const past = revision < state.revision ? state.history.at(revision, options.prefix, options.startKey) : [];
  const kept = hidden.filter(({ modRevision }) => modRevision <= revision);
  kept.sort((a, b) => compareKeys(a.key, b.key));
  const others: readonly Found[] = mergeByKey(past, kept);
  let next = 0;
  for (const entry of state.view.table.scan(options)) {
    if (entry.modRevision > revision || state.pending.has(entry.key)) continue;
    while (next < others.length && compareKeys(others[next]!.key, entry.key) < 0) yield others[next++]!;
    yield entry;
  }
  while (next < others.length) yield others[next++]!;
}

function currentCount(state: ColdState, options: RangeOptions): number {
  let count = state.view.table.count(options);
  for (const [key, kv] of pendingIn(state, options)) {
    if (state.view.table.find(key) !== undefined) count--;
    if (kv !== undefined) count++;
  }
  return count;
}

function* pendingIn(
  { pending }: ColdState,
  { prefix, startKey }: RangeOptions,
): Generator<[string, KeyValue | undefined]> {
  for (const entry of pending) {
    const [key] = entry;
    if (key.startsWith(prefix) && (startKey === undefined || compareKeys(key, startKey) >= 0)) yield entry;
  }
}
