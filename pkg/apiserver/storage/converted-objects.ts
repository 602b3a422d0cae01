/**
 * The stored objects of one resource in a version that somebody else converts them to and from: what is read is converted on its way out, what is
 * written on its way in, and a watch tells of changes in their order, each once it is converted.
 *
 * Nothing is kept but what the watches of the version were told last, so that they share a conversion: an object is converted anew at every read, as
 * whoever converts may have changed. An object that cannot be converted fails the reads that ask for it and the watches that would be told of it.
 * Limits: `watcherBacklogMax` events wait for one watcher; one that is further behind is ended as though its past were gone.
 * Upstream counterpart: the codec of each version's own storage in apiextensions-apiserver `customresource_handler.go`.
 */
import type { CacheEvent, CacheSink, CacheWatch, ResourceFeed } from '#pkg/storage/cache.ts';
import {
  CompactedError,
  type KeyValue,
  type RangeOptions,
  type RangeResult,
  type Store,
  type WriteOperation,
  type WriteResult,
} from '#pkg/storage/store.ts';
import { watcherBacklogMax } from '#pkg/storage/watch-cache.ts';
import type { RemoteVersion } from '../converters/remote-version.ts';
import { decodeStored, encodeForWrite, entryAt, objectCodec, StoredEntry } from './object-codec.ts';
import type { ObjectKeeper } from './object-keeper.ts';

/** What was converted last for watches: some bursts of one resource. More is converted again. */
const sharedEntriesMax = 1_000;
const sharedBytesMax = 4 * 1024 * 1024;

/** The objects of `store` in the version. */
export function convertedKeeper(store: Store, remote: RemoteVersion): ObjectKeeper {
  const read = (kvs: readonly KeyValue[]): Promise<readonly KeyValue[]> => convertAll(kvs, remote);
  return {
    async get(key) {
      const kv = await store.get(key);
      return kv && (await read([kv]))[0];
    },
    async range(options: RangeOptions): Promise<RangeResult> {
      const result = await store.range(options);
      return { ...result, items: await read(result.items) };
    },
    async write(operation: WriteOperation): Promise<WriteResult> {
      const stored = await asStored(operation, remote);
      const result = await store.write(stored);
      if (!result.ok) return result.current === undefined ? result : { ok: false, current: await one(result.current) };
      if (stored.type === 'delete') return result;
      const { key, value, ifModRevision } = stored;
      const modRevision = result.revision;
      const written = { key, value, createRevision: ifModRevision === 0 ? modRevision : 0, modRevision };
      return { ok: true, revision: modRevision, kv: await one(result.kv ?? written) };
    },
  };

  async function one(kv: KeyValue): Promise<KeyValue> {
    return (await read([kv]))[0] ?? kv;
  }
}

async function asStored(operation: WriteOperation, remote: RemoteVersion): Promise<WriteOperation> {
  if (operation.type === 'delete') return operation;
  const { key, value } = operation;
  return { ...operation, value: encodeForWrite(key, await remote.toStored(decodeStored(value))) };
}

function bytesOf({ late, value }: KeyValue): Uint8Array {
  return late?.bytes ?? value;
}

async function convertAll(kvs: readonly KeyValue[], remote: RemoteVersion): Promise<readonly KeyValue[]> {
  if (kvs.length === 0) return kvs;
  const objects = await remote.fromStored(kvs.map((kv) => decodeStored(bytesOf(kv))));
  return kvs.map(({ key, createRevision, modRevision }, index) => ({
    key,
    value: encodeForWrite(key, objects[index] ?? {}),
    createRevision,
    modRevision,
  }));
}

/** What happens to the objects that `feed` tells of, in the version. */
export function convertedFeed(feed: ResourceFeed, remote: RemoteVersion): ResourceFeed {
  const shared = new SharedEntries(remote);
  return {
    get revision() {
      return feed.revision;
    },
    fresh: () => feed.fresh(),
    reached: (revision, timeoutMs) => feed.reached(revision, timeoutMs),
    watch(options, sink): CacheWatch {
      const ordered = new OrderedSink(shared, sink);
      const watch = feed.watch(options, ordered);
      ordered.whenEnded(() => watch.close());
      return { close: () => ordered.end() };
    },
  };
}

/** What one watcher is still to be told, in order. */
type Told =
  | { readonly events: readonly CacheEvent[]; readonly converted: Promise<readonly CacheEvent[]> }
  | { readonly revision: number }
  | { readonly error: Error };

/** Between a feed, which calls at once, and a watcher, who is told once the objects are converted. */
class OrderedSink implements CacheSink {
  readonly #shared: SharedEntries;
  readonly #sink: CacheSink;
  readonly #queue: Told[] = [];
  #waitingEvents = 0;
  #isTelling = false;
  #isEnded = false;
  #close: (() => void) | undefined;

  constructor(shared: SharedEntries, sink: CacheSink) {
    this.#shared = shared;
    this.#sink = sink;
  }

  get wantsProgress(): boolean {
    return this.#sink.wantsProgress !== false;
  }

  /** What to do when it ends; at once when it has. */
  whenEnded(close: () => void): void {
    if (this.#isEnded) close();
    else this.#close = close;
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#queue.length = 0;
    this.#close?.();
  }

  onEvents(events: readonly CacheEvent[]): void {
    const last = events.at(-1);
    if (this.#isEnded || last === undefined) return;
    if (this.#waitingEvents > 0 && this.#waitingEvents + events.length > watcherBacklogMax) {
      this.#fail(new CompactedError(last.revision));
      return;
    }
    this.#waitingEvents += events.length;
    const converted = this.#shared.eventsOf(events);
    // It is looked at in its turn.
    converted.catch(() => {});
    this.#add({ events, converted });
  }

  onProgress(revision: number): void {
    this.#add({ revision });
  }

  onError(error: Error): void {
    this.#add({ error });
  }

  #add(told: Told): void {
    if (this.#isEnded) return;
    this.#queue.push(told);
    if (!this.#isTelling) void this.#tell();
  }

  /** Never rejects. */
  async #tell(): Promise<void> {
    this.#isTelling = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if ('revision' in next) this.#sink.onProgress(next.revision);
      else if ('error' in next) this.#fail(next.error);
      else await this.#tellEvents(next);
    }
    this.#isTelling = false;
  }

  async #tellEvents({ events, converted }: Extract<Told, { events: unknown }>): Promise<void> {
    try {
      const told = await converted;
      this.#waitingEvents -= events.length;
      if (!this.#isEnded) this.#sink.onEvents(told);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #fail(error: Error): void {
    if (this.#isEnded) return;
    this.end();
    this.#sink.onError(error);
  }
}

/** Entries of the version, by those of the store. The watchers of one event want the same, one after the other. */
class SharedEntries {
  readonly #remote: RemoteVersion;
  readonly #known = new Map<string, { readonly entry: Promise<StoredEntry>; readonly bytes: number }>();
  #bytes = 0;
  #last: { readonly events: readonly CacheEvent[]; readonly converted: Promise<readonly CacheEvent[]> } | undefined;

  constructor(remote: RemoteVersion) {
    this.#remote = remote;
  }

  eventsOf(events: readonly CacheEvent[]): Promise<readonly CacheEvent[]> {
    if (this.#last?.events === events) return this.#last.converted;
    const converted = this.#convert(events);
    this.#last = { events, converted };
    return converted;
  }

  async #convert(events: readonly CacheEvent[]): Promise<readonly CacheEvent[]> {
    const wanted = events.flatMap(({ type, entry, previous }) => {
      const now = type === 'DELETED' ? [] : [entry];
      return previous === undefined ? now : [...now, previous];
    });
    const found = this.#entriesOf(wanted.map((entry) => objectEntry(entry)));
    const entryOf = async (entry: CacheEvent['entry']): Promise<StoredEntry> =>
      (await found.get(nameOf(entry))) ?? objectEntry(entry);
    const converted: CacheEvent[] = [];
    for (const { type, entry, previous, revision } of events) {
      const before = previous && (await entryOf(previous));
      const now = type === 'DELETED' && before !== undefined ? entryAt(before, revision) : await entryOf(entry);
      converted.push({ type, entry: now, revision, ...(before === undefined ? {} : { previous: before }) });
    }
    return converted;
  }

  /** Asks once for all that are not known. */
  #entriesOf(entries: readonly StoredEntry[]): ReadonlyMap<string, Promise<StoredEntry>> {
    const found = new Map<string, Promise<StoredEntry>>();
    const asked: StoredEntry[] = [];
    for (const entry of entries) {
      const name = nameOf(entry);
      const known = this.#known.get(name)?.entry;
      if (known !== undefined) found.set(name, known);
      else if (!asked.some((other) => nameOf(other) === name)) asked.push(entry);
    }
    if (asked.length === 0) return found;
    const answer = convertAll(
      asked.map((entry) => entry.at(entry.modRevision)),
      this.#remote,
    );
    for (const [index, entry] of asked.entries()) {
      const converted = answer.then((kvs) => objectCodec.entry(kvs[index] ?? entry.at(entry.modRevision)));
      found.set(nameOf(entry), converted);
      this.#remember(nameOf(entry), converted, entry.size);
    }
    return found;
  }

  #remember(name: string, entry: Promise<StoredEntry>, bytes: number): void {
    this.#known.set(name, { entry, bytes });
    this.#bytes += bytes;
    // A failure is nobody's to keep: whoever is told next asks again.
    entry.catch(() => this.#forget(name));
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= sharedEntriesMax && this.#bytes <= sharedBytesMax) break;
      this.#forget(oldest);
    }
  }

  #forget(name: string): void {
    const known = this.#known.get(name);
    if (known === undefined) return;
    this.#known.delete(name);
    this.#bytes -= known.bytes;
  }
}

function nameOf({ key, modRevision }: CacheEvent['entry']): string {
  return `${modRevision} ${key}`;
}

/** An entry of the feed, which the codec of objects has made. */
function objectEntry(entry: CacheEvent['entry']): StoredEntry {
  if (entry instanceof StoredEntry) return entry;
  throw new Error('an entry that is none of an object');
}
