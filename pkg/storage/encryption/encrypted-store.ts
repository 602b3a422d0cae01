/**
 * A store whose values are sealed on their way in and opened on their way out, each by the guard of its key. Above it everything is plain: the watch cache, what is
 * served, what is compared. Below it, on the disk, in snapshots and in an etcd, nothing of a sealed resource is.
 *
 * Invariants: the laws of `store.ts` hold, the seventh for plain bytes: what was written is what its writer and the watches are given, as long as anybody holds
 * it. Watches are told at once as long as values can be opened at once; where somebody has to be asked, what follows waits in order, and a local store
 * acknowledges no write before it was told. A value that cannot be opened fails the read that meets it, and ends the watch.
 * Values are not made late, and keys are as they were. Upstream counterpart: apiserver `storage/etcd3` with a `value.Transformer`.
 */
import { errorText } from '#pkg/base/error-text.ts';
import type {
  KeyValue,
  RangeOptions,
  RangeResult,
  Store,
  StoreEvent,
  StoreGuard,
  Watch,
  WatchOptions,
  WatchSink,
  WriteOperation,
  WriteResult,
} from '../store.ts';
import type { GuardedKeys } from './guarded-keys.ts';
import { OpeningWatch } from './opening-watch.ts';
import { type OpenedValue, ValueGuardError } from './value-guard.ts';

/** What guards the values, and what is beside it. */
export interface EncryptedStoreOptions {
  readonly keys: GuardedKeys;
  readonly guard: Omit<StoreGuard, 'isStale'>;
  /** Ends what keeps the guards true; called once, when the store is closed. */
  readonly end: () => Promise<void>;
}

/** `store` with its values sealed. Closing it closes the store. */
export function encryptedStore(store: Store, options: EncryptedStoreOptions): Store {
  return new EncryptedStore(store, options);
}

class EncryptedStore implements Store {
  readonly #store: Store;
  readonly #options: EncryptedStoreOptions;
  /** What values in the store are when they are open, while anybody holds that. */
  readonly #plain = new WeakMap<Uint8Array, WeakRef<Uint8Array>>();
  /** By what open values were sealed; those that were not are absent. */
  readonly #marks = new WeakMap<Uint8Array, string>();
  /** Watches that wait for values to be opened. */
  readonly #late = new Set<OpeningWatch>();
  readonly guard: StoreGuard;
  readonly ended?: NonNullable<Store['ended']>;
  readonly localRevision?: () => number;
  readonly acknowledgedRevision?: () => number;

  constructor(store: Store, options: EncryptedStoreOptions) {
    this.#store = store;
    this.#options = options;
    const { keys, guard } = options;
    this.guard = { ...guard, isStale: (key, value) => keys.isStale(key, this.#marks.get(value) ?? '') };
    if (store.ended !== undefined) this.ended = store.ended;
    const local = store.localRevision?.bind(store);
    if (local !== undefined) this.localRevision = () => this.#told(local());
    if (store.acknowledgedRevision !== undefined) this.acknowledgedRevision = store.acknowledgedRevision.bind(store);
  }

  async get(key: string): Promise<KeyValue | undefined> {
    const kv = await this.#store.get(key);
    return kv && this.#open(kv);
  }

  async range(options: RangeOptions): Promise<RangeResult> {
    const result = await this.#store.range(options);
    const items = await whole(result.items.map((kv) => this.#open(kv)));
    return { ...result, items };
  }

  async write(operation: WriteOperation): Promise<WriteResult> {
    const result = await this.#store.write(this.#sealed(operation));
    if (!result.ok)
      return result.current === undefined ? result : { ...result, current: await this.#open(result.current) };
    if (this.localRevision !== undefined)
      while (this.#late.size > 0) await Promise.all([...this.#late].map((watch) => watch.told()));
    return result.kv === undefined ? result : { ...result, kv: await this.#open(result.kv) };
  }

  watch(options: WatchOptions, sink: WatchSink): Watch {
    const opening = new OpeningWatch({
      sink,
      open: (events) => whole(events.map((event) => this.#openEvent(event))),
      late: this.#late,
      fromRevision: options.fromRevision,
    });
    opening.start(this.#store.watch(options, opening));
    return opening;
  }

  currentRevision(): Promise<number> {
    return this.#store.currentRevision();
  }

  compact(revision: number): Promise<void> {
    return this.#store.compact(revision);
  }

  async close(): Promise<void> {
    await this.#store.close();
    await this.#options.end();
  }

  /** Up to where all watches have been told. */
  #told(revision: number): number {
    let least = revision;
    for (const { toldRevision } of this.#late) least = Math.min(least, toldRevision);
    return least;
  }

  #sealed(operation: WriteOperation): WriteOperation {
    if (operation.type === 'delete') return operation;
    const { key, value: plain } = operation;
    try {
      const { sealed, mark } = this.#options.keys.seal(plain, key);
      if (sealed === plain) return operation;
      this.#note(sealed, { plain, mark });
      return { ...operation, value: sealed };
    } catch (error) {
      throw guardError(key, error);
    }
  }

  #open(kv: KeyValue): KeyValue | Promise<KeyValue> {
    const { key, value } = kv;
    const known = this.#plain.get(value)?.deref();
    if (known !== undefined) return openedOf(kv, known);
    try {
      const opened = this.#options.keys.open(value, key);
      if (!(opened instanceof Promise)) return this.#opened(kv, opened);
      return opened.then(
        (late) => this.#opened(kv, late),
        (error: unknown) => {
          throw guardError(key, error);
        },
      );
    } catch (error) {
      throw guardError(key, error);
    }
  }

  #opened(kv: KeyValue, opened: OpenedValue): KeyValue {
    if (opened.plain === kv.value) return kv;
    this.#note(kv.value, opened);
    return openedOf(kv, opened.plain);
  }

  #note(sealed: Uint8Array, { plain, mark }: OpenedValue): void {
    this.#plain.set(sealed, new WeakRef(plain));
    this.#marks.set(plain, mark);
  }

  #openEvent(event: StoreEvent): Promise<StoreEvent> | StoreEvent {
    const now = event.type === 'put' ? this.#open(event.kv) : undefined;
    const before = event.previous === undefined ? undefined : this.#open(event.previous);
    if (now instanceof Promise || before instanceof Promise)
      return Promise.all([now, before]).then(([kv, previous]) => eventWith(event, kv, previous));
    return eventWith(event, now, before);
  }
}

/** Without what makes the sealed value late. */
function openedOf({ key, createRevision, modRevision }: KeyValue, value: Uint8Array): KeyValue {
  return { key, value, createRevision, modRevision };
}

function eventWith(event: StoreEvent, kv: KeyValue | undefined, previous: KeyValue | undefined): StoreEvent {
  if (event.type === 'delete') return previous === undefined ? event : { ...event, previous };
  if (kv === undefined || (kv === event.kv && previous === event.previous)) return event;
  return { type: 'put', kv, ...(previous === undefined ? {} : { previous }) };
}

/** All of them, at once where none has to be waited for. */
function whole<T>(parts: readonly (Promise<T> | T)[]): Promise<readonly T[]> | readonly T[] {
  const known: T[] = [];
  for (const part of parts) {
    if (part instanceof Promise) return Promise.all(parts);
    known.push(part);
  }
  return known;
}

function guardError(key: string, error: unknown): ValueGuardError {
  return new ValueGuardError(`unable to transform key ${JSON.stringify(key)}: ${errorText(error)}`, { cause: error });
}
