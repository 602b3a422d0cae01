/** A range read of a store that keeps its current state and its past in memory: what the local drivers share. */
import { type KeyHistory, mergeByKey, type PastVersion } from './key-history.ts';
import { compareKeys, type SortedMap } from './sorted-map.ts';
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
  const wanted = (key: string): boolean => startKey === undefined || compareKeys(key, startKey) >= 0;
  const past = history.at(revision, prefix, startKey);
  const kept = live.values(prefix).filter(({ key, modRevision }) => modRevision <= revision && wanted(key));
  const all = mergeByKey(past, kept);
  const page = limit ? all.slice(0, limit) : all;
  return { items: page.map((item) => ('until' in item ? state.pastValue(item) : item)), count: all.length, revision };
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
