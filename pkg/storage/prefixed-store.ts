/**
 * A part of a store that others use too: every key of the part begins with one prefix, which its user does not see.
 *
 * Invariant: nothing outside of the part is read or written. Revisions are the whole store's, so the part's own skip numbers, and compaction is of the
 * whole store, as no part of an etcd can be compacted by itself. Upstream counterpart: `--etcd-prefix`.
 */
import type {
  KeyValue,
  RangeOptions,
  RangeResult,
  Store,
  StoreEvent,
  Watch,
  WatchOptions,
  WatchSink,
  WriteOperation,
  WriteResult,
} from './store.ts';

/** The part of `store` whose keys begin with `prefix`, which counts towards the limit of a key's length. Closing it closes the store. */
export function prefixedStore(store: Store, prefix: string): Store {
  return prefix === '' ? store : new PrefixedStore(store, prefix);
}

class PrefixedStore implements Store {
  readonly #store: Store;
  readonly #prefix: string;
  readonly localRevision?: () => number;
  readonly acknowledgedRevision?: () => number;

  constructor(store: Store, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
    if (store.localRevision !== undefined) this.localRevision = store.localRevision.bind(store);
    if (store.acknowledgedRevision !== undefined) this.acknowledgedRevision = store.acknowledgedRevision.bind(store);
  }

  async get(key: string): Promise<KeyValue | undefined> {
    const kv = await this.#store.get(this.#prefix + key);
    return kv && this.#own(kv);
  }

  async range(options: RangeOptions): Promise<RangeResult> {
    const { prefix, startKey } = options;
    const from = startKey === undefined ? {} : { startKey: this.#prefix + startKey };
    const result = await this.#store.range({ ...options, prefix: this.#prefix + prefix, ...from });
    return { ...result, items: result.items.map((kv) => this.#own(kv)) };
  }

  async write(operation: WriteOperation): Promise<WriteResult> {
    const result = await this.#store.write({ ...operation, key: this.#prefix + operation.key });
    if (result.ok) return result.kv === undefined ? result : { ...result, kv: this.#own(result.kv) };
    return result.current === undefined ? result : { ...result, current: this.#own(result.current) };
  }

  watch({ prefix, fromRevision }: WatchOptions, sink: WatchSink): Watch {
    return this.#store.watch(
      { prefix: this.#prefix + prefix, fromRevision },
      {
        onEvents: (events, revision) =>
          sink.onEvents(
            events.map((event) => this.#ownEvent(event)),
            revision,
          ),
        onError: (error) => sink.onError(error),
      },
    );
  }

  currentRevision(): Promise<number> {
    return this.#store.currentRevision();
  }

  compact(revision: number): Promise<void> {
    return this.#store.compact(revision);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #own(kv: KeyValue): KeyValue {
    const { key, value, createRevision, modRevision } = kv;
    return { key: key.slice(this.#prefix.length), value, createRevision, modRevision };
  }

  #ownEvent(event: StoreEvent): StoreEvent {
    if (event.type === 'delete') {
      return { ...event, key: event.key.slice(this.#prefix.length), previous: this.#own(event.previous) };
    }
    const previous = event.previous === undefined ? {} : { previous: this.#own(event.previous) };
    return { ...event, kv: this.#own(event.kv), ...previous };
  }
}
