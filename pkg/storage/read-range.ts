/** A range read of a store that keeps its current state and its past in memory: what the local drivers share. */
import { type KeyHistory, mergeByKey, type PastVersion } from './key-history.ts';
import type { SortedMap } from './sorted-map.ts';
import { CompactedError, FutureRevisionError, type KeyValue, type RangeOptions, type RangeResult } from './store.ts';

/** A store's state at one moment. `V` is what its history keeps of a past value. */
export interface StoreState<V> {
  readonly live: SortedMap<KeyValue>;
  readonly history: KeyHistory<V>;
  readonly revision: number;
  readonly compacted: number;
  /** The value that a past version stands for; asked only for items that are returned. */
  pastValue(version: PastVersion<V>): KeyValue;
}

/** `Store.range` over `state`. */
export function readRange<V>(state: StoreState<V>, options: RangeOptions): RangeResult {
  const { live, history } = state;
  const { prefix, startKey, limit, revision } = options;
  if (revision === undefined || revision === state.revision) {
    return { items: live.values(prefix, options), count: live.count(prefix, startKey), revision: state.revision };
  }
  checkRevision(state, revision);
  const past = history.at(revision, prefix, startKey);
  // Without a count no more is looked at than is returned, and one to know that there is more.
  const most = limit && options.counted === false ? limit + 1 : Number.POSITIVE_INFINITY;
  const all = mergeByKey(past, keptAt(live, { ...options, revision }, most));
  const page = limit ? all.slice(0, limit) : all;
  return { items: page.map((item) => ('until' in item ? state.pastValue(item) : item)), count: all.length, revision };
}

/** The first `most` or more values of a range that are as they were at `revision`. */
function keptAt(
  live: SortedMap<KeyValue>,
  { prefix, startKey, revision }: RangeOptions & { readonly revision: number },
  most: number,
): KeyValue[] {
  const kept: KeyValue[] = [];
  let from = startKey;
  for (;;) {
    const limit = most === Number.POSITIVE_INFINITY ? 0 : most;
    const some = live.values(prefix, { limit, ...(from !== undefined && { startKey: from }) });
    for (const kv of some) if (kv.modRevision <= revision) kept.push(kv);
    if (some.length < most || kept.length >= most) return kept;
    from = `${some.at(-1)!.key}\0`;
  }
}

/** The revision that is read when `wanted` is asked for. Throws `FutureRevisionError` and `CompactedError`. */
export function checkRevision(
  state: { readonly revision: number; readonly compacted: number },
  wanted?: number,
): number {
  if (wanted === undefined || wanted === state.revision) return state.revision;
  if (wanted > state.revision) throw new FutureRevisionError(wanted, state.revision);
  if (wanted < state.compacted) throw new CompactedError(state.compacted);
  return wanted;
}
