/**
 * A store whose revisions are shown as greater than they are, by a number that never changes: an etcd counts by itself, and what a cluster brings along from
 * another store has revisions that its own have to follow.
 *
 * Invariant: nothing up to `floor`, a revision as shown, is read or watched: what is there was never this cluster's past. Upstream
 * counterpart: etcd's `snapshot restore --bump-revision --mark-compacted`, which needs an etcd that does not run.
 */
import {
  CompactedError,
  FutureRevisionError,
  type KeyValue,
  type RangeOptions,
  type RangeResult,
  type Store,
  type StoreEvent,
  type Watch,
  type WatchOptions,
  type WatchSink,
  type WriteOperation,
  type WriteResult,
} from './store.ts';

/** By how much revisions are shown greater, and the last one that counts as compacted. */
export interface RevisionShift {
  readonly shift: number;
  readonly floor: number;
}

/** `store` with its revisions shifted. Closing it closes the store. */
export function shiftedStore(store: Store, by: RevisionShift): Store {
  return new ShiftedStore(store, by);
}

class ShiftedStore implements Store {
  readonly #store: Store;
  readonly #shift: number;
  readonly #floor: number;
  readonly localRevision?: () => number;
  readonly acknowledgedRevision?: () => number;

  constructor(store: Store, { shift, floor }: RevisionShift) {
    this.#store = store;
    this.#shift = shift;
    this.#floor = floor;
    const local = store.localRevision?.bind(store);
    if (local !== undefined) this.localRevision = () => local() + shift;
    const acknowledged = store.acknowledgedRevision?.bind(store);
    // Nothing acknowledged yet is nothing, not the shift.
    if (acknowledged !== undefined) this.acknowledgedRevision = () => shown(acknowledged(), shift);
  }

  async get(key: string): Promise<KeyValue | undefined> {
    const kv = await this.#store.get(key);
    return kv && this.#shown(kv);
  }

  async range(options: RangeOptions): Promise<RangeResult> {
    const { revision } = options;
    if (revision !== undefined && revision < this.#floor) throw new CompactedError(this.#floor);
    const at = revision === undefined ? {} : { revision: revision - this.#shift };
    const result = await this.#translated(this.#store.range({ ...options, ...at }));
    return {
      ...result,
      revision: result.revision + this.#shift,
      items: result.items.map((kv) => this.#shown(kv)),
    };
  }

  async write(operation: WriteOperation): Promise<WriteResult> {
    const { ifModRevision } = operation;
    const expected = ifModRevision === 0 ? 0 : ifModRevision - this.#shift;
    // One from before the shift is nobody's; there is no such number to ask for.
    const result = await this.#store.write({ ...operation, ifModRevision: expected < 0 ? noRevision : expected });
    if (!result.ok) return result.current === undefined ? result : { ok: false, current: this.#shown(result.current) };
    const revision = result.revision + this.#shift;
    return result.kv === undefined ? { ok: true, revision } : { ok: true, revision, kv: this.#shown(result.kv) };
  }

  watch({ prefix, fromRevision }: WatchOptions, sink: WatchSink): Watch {
    if (fromRevision < this.#floor) return failing(sink, new CompactedError(this.#floor));
    return this.#store.watch(
      { prefix, fromRevision: fromRevision - this.#shift },
      {
        onEvents: (events, revision) =>
          sink.onEvents(
            events.map((event) => this.#shownEvent(event)),
            revision + this.#shift,
          ),
        onError: (error) => sink.onError(this.#translate(error)),
      },
    );
  }

  async currentRevision(): Promise<number> {
    return (await this.#store.currentRevision()) + this.#shift;
  }

  async compact(revision: number): Promise<void> {
    if (revision <= this.#floor) return;
    await this.#translated(this.#store.compact(revision - this.#shift));
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #translated<T>(result: Promise<T>): Promise<T> {
    try {
      return await result;
    } catch (error) {
      throw this.#translate(error);
    }
  }

  #translate<T>(error: T): CompactedError | FutureRevisionError | T {
    if (error instanceof CompactedError) return new CompactedError(error.compactedRevision + this.#shift);
    if (error instanceof FutureRevisionError)
      return new FutureRevisionError(error.wantedRevision + this.#shift, error.currentRevision + this.#shift);
    return error;
  }

  #shown(kv: KeyValue): KeyValue {
    const { key, value, createRevision, modRevision } = kv;
    return { key, value, createRevision: createRevision + this.#shift, modRevision: modRevision + this.#shift };
  }

  #shownEvent(event: StoreEvent): StoreEvent {
    if (event.type === 'delete')
      return { ...event, revision: event.revision + this.#shift, previous: this.#shown(event.previous) };
    const previous = event.previous === undefined ? {} : { previous: this.#shown(event.previous) };
    return { ...event, kv: this.#shown(event.kv), ...previous };
  }
}

/** A revision that no key is at. */
const noRevision = Number.MAX_SAFE_INTEGER;

function shown(revision: number, shift: number): number {
  return revision === 0 ? 0 : revision + shift;
}

function failing(sink: WatchSink, error: Error): Watch {
  let isClosed = false;
  void Promise.resolve().then(() => {
    if (!isClosed) sink.onError(error);
  });
  return {
    close: () => {
      isClosed = true;
    },
  };
}
