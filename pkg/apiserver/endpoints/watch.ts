/**
 * WATCH: the events of a collection as they happen. Frames are made once per event and type and shared by all watchers of a
 * version; a selection turns changes into ADDED and DELETED for objects that enter or leave it.
 * Source: API concepts, "efficient detection of changes", "streaming lists"; apiserver `storage/cacher/cache_watcher.go`.
 */
import { Buffer } from 'node:buffer';
import { setMaxListeners } from 'node:events';
import { parseFieldSelector, requiredFieldValue } from '#pkg/apimachinery/field-selector.ts';
import type { ApiResponse, WatchEventType, WatchFrame } from '#pkg/apimachinery/http.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { badRequest, expired, type StatusError } from '#pkg/apimachinery/status-error.ts';
import type { Timer } from '#pkg/base/clock.ts';
import { randomInt } from '#pkg/base/random.ts';
import type { CacheEvent, CacheSink, CacheWatch } from '#pkg/storage/cache.ts';
import { CompactedError } from '#pkg/storage/store.ts';
import { watcherBacklogMax } from '#pkg/storage/watch-cache.ts';
import { jsonType, toStatusError } from '../responses.ts';
import { entryAt, type StoredEntry } from '../storage/object-codec.ts';
import { storeError } from '../storage/resource-store.ts';
import type { VersionView } from '../storage/version-view.ts';
import { watchField } from './field-watches.ts';
import { type ListOptions, parseListOptions, parseVersion, waitForVersion } from './list-options.ts';
import type { Scope } from './scope.ts';
import { parseSelection, type Selection } from './selection.ts';

/** How long a watch lives that does not say: this, plus up to as much again. Source: `--min-request-timeout`. */
const watchSecondsMin = 1_800;

const watchHeaders = { 'content-type': jsonType };
const frameEnd = Buffer.from('}\n');

class EntryFrame implements WatchFrame {
  readonly type: WatchEventType;
  readonly #entry: StoredEntry;
  readonly #view: VersionView;
  #bytes: Uint8Array | undefined;

  constructor(type: WatchEventType, entry: StoredEntry, view: VersionView) {
    this.type = type;
    this.#entry = entry;
    this.#view = view;
  }

  get object(): KubeObject {
    return this.#view.object(this.#entry);
  }

  bytes(): Uint8Array {
    this.#bytes ??= Buffer.concat([frameHead(this.type), this.#view.bytes(this.#entry), frameEnd]);
    return this.#bytes;
  }
}

function frameHead(type: WatchEventType): Buffer {
  return Buffer.from(`{"type":"${type}","object":`);
}

/** A frame around an object that is not stored. */
export function objectFrame(type: WatchEventType, object: KubeObject): WatchFrame {
  return {
    type,
    object,
    bytes: () => Buffer.concat([frameHead(type), Buffer.from(JSON.stringify(object)), frameEnd]),
  };
}

/** Frames live as long as the event that was told, which is not the one of the history: holding wire forms there would double it. */
const framesOf = new WeakMap<VersionView, WeakMap<CacheEvent, WatchFrame>>();

/** The frame of an event for watchers that select everything. */
function plainFrame(event: CacheEvent, view: VersionView): WatchFrame {
  let frames = framesOf.get(view);
  if (frames === undefined) {
    frames = new WeakMap();
    framesOf.set(view, frames);
  }
  let frame = frames.get(event);
  if (frame === undefined) {
    frame = new EntryFrame(event.type, event.entry as StoredEntry, view);
    frames.set(event, frame);
  }
  return frame;
}

/** What an event is to a watcher with a selection; undefined when it is nothing. */
function selectedFrame(
  event: CacheEvent,
  view: VersionView,
  selection: NonNullable<Selection>,
): WatchFrame | undefined {
  const { previous } = event;
  const was = previous !== undefined && selection.matches(previous as StoredEntry);
  const is = event.type !== 'DELETED' && selection.matches(event.entry as StoredEntry);
  if (is) {
    const type = was ? 'MODIFIED' : 'ADDED';
    return type === event.type ? plainFrame(event, view) : new EntryFrame(type, event.entry as StoredEntry, view);
  }
  if (!was) return undefined;
  if (event.type === 'DELETED') return plainFrame(event, view);
  return new EntryFrame('DELETED', entryAt(previous as StoredEntry, event.revision), view);
}

/** The events of one watcher, from the cache's calls to the reader's pace. Ends by abort, time, error, or too long a backlog. */
class WatchStream implements CacheSink, AsyncIterableIterator<readonly WatchFrame[]> {
  readonly #view: VersionView;
  readonly #selection: Selection;
  readonly #bookmarks: ((revision: number) => WatchFrame) | undefined;
  #pending: WatchFrame[] = [];
  #waiting: ((result: IteratorResult<readonly WatchFrame[]>) => void) | undefined;
  #closed = false;
  #onClose: (() => void) | undefined;

  constructor(view: VersionView, selection: Selection, bookmarks: ((revision: number) => WatchFrame) | undefined) {
    this.#view = view;
    this.#selection = selection;
    this.#bookmarks = bookmarks;
  }

  /** What to do once, when the stream ends; at once when it has ended already. */
  whenClosed(action: () => void): void {
    if (this.#closed) action();
    else this.#onClose = action;
  }

  /** Frames to begin with; they do not count as backlog. */
  begin(frames: WatchFrame[]): void {
    this.#pending = frames;
  }

  onEvents(events: readonly CacheEvent[]): void {
    if (this.#closed) return;
    if (this.#pending.length > 0 && this.#pending.length + events.length > watcherBacklogMax) {
      this.close();
      return;
    }
    const selection = this.#selection;
    for (const event of events) {
      const frame =
        selection === undefined ? plainFrame(event, this.#view) : selectedFrame(event, this.#view, selection);
      if (frame !== undefined) this.#pending.push(frame);
    }
    this.#flush();
  }

  onProgress(revision: number): void {
    if (this.#bookmarks === undefined || this.#closed) return;
    this.#pending.push(this.#bookmarks(revision));
    this.#flush();
  }

  onError(error: Error): void {
    if (this.#closed) return;
    this.#pending.push(errorFrame(error));
    this.close();
  }

  /** No more events: what is pending is still read. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose?.();
    this.#onClose = undefined;
    this.#flush();
  }

  #flush(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    if (this.#pending.length > 0) {
      this.#waiting = undefined;
      waiting({ value: this.#take(), done: false });
    } else if (this.#closed) {
      this.#waiting = undefined;
      waiting({ value: undefined, done: true });
    }
  }

  #take(): readonly WatchFrame[] {
    const batch = this.#pending;
    this.#pending = [];
    return batch;
  }

  next(): Promise<IteratorResult<readonly WatchFrame[]>> {
    if (this.#pending.length > 0) return Promise.resolve({ value: this.#take(), done: false });
    if (this.#closed) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  return(): Promise<IteratorResult<readonly WatchFrame[]>> {
    this.#pending = [];
    this.close();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function errorFrame(error: Error): WatchFrame {
  return objectFrame('ERROR', watchError(error).status as KubeObject);
}

function watchError(error: unknown): StatusError {
  if (error instanceof CompactedError) return expired(`too old resource version (${error.compactedRevision})`);
  return toStatusError(storeError(error));
}

/** Answers a watch. */
export async function watchObjects(scope: Scope): Promise<ApiResponse> {
  const { core, served, request } = scope;
  const options = withName(scope, parseListOptions(scope.info.query, true));
  const selection = parseSelection(served, options);
  const initial = wantsInitial(options);
  const reached = await waitForVersion(scope, options.resourceVersion);
  const bookmarks = options.allowBookmarks ? (revision: number) => bookmark(scope, revision, false) : undefined;
  const stream = new WatchStream(served.view, selection, bookmarks);
  const after = initial || wantsNow(options) ? reached : parseVersion(options.resourceVersion);
  if (initial) stream.begin(initialFrames(scope, options, { selection, revision: after }));
  try {
    const watch = openWatch(scope, { selection, afterRevision: after, stream });
    endOn(scope, { stream, watch, options });
  } catch (error) {
    if (!(error instanceof CompactedError)) throw storeError(error);
    stream.begin([objectFrame('ERROR', tooOld(after, error).status as KubeObject)]);
    stream.close();
  }
  if (request.signal.aborted || core.stopping.aborted) stream.close();
  return { status: 200, headers: watchHeaders, body: { kind: 'watch', batches: stream } };
}

/** The older form of a watch of one object has its name in the path. */
function withName({ info }: Scope, options: ListOptions): ListOptions {
  const name = info.parts[1];
  if (name === undefined) return options;
  const selected = parseFieldSelector(options.fieldSelector);
  if (
    selected.ok &&
    selected.selector.terms.length > 0 &&
    requiredFieldValue(selected.selector, 'metadata.name') !== name
  ) {
    throw badRequest("fieldSelector metadata.name doesn't match requested name");
  }
  const terms = options.fieldSelector === '' ? [] : [options.fieldSelector];
  return { ...options, fieldSelector: [`metadata.name=${name}`, ...terms].join(',') };
}

function openWatch(
  scope: Scope,
  { selection, afterRevision, stream }: { selection: Selection; afterRevision: number; stream: WatchStream },
): CacheWatch {
  const { cache } = scope.served.store;
  const prefix = watchPrefix(scope, selection);
  const indexed = selection?.indexed;
  if (indexed === undefined) return cache.watch({ prefix, afterRevision }, stream);
  return watchField(cache, { ...indexed, prefix, afterRevision }, stream);
}

/** The keys to watch: where the selection names one object, no more than those that begin like it. */
function watchPrefix({ served, info }: Scope, selection: Selection): string {
  const isKeyKnown = selection?.name !== undefined && (!served.info.namespaced || info.namespace !== '');
  return isKeyKnown ? served.store.key(info.namespace, selection.name!) : served.store.scope(info.namespace);
}

function tooOld(after: number, error: CompactedError): StatusError {
  return expired(`too old resource version: ${after} (${error.compactedRevision})`);
}

/** Whether the watch begins with the objects there are. */
function wantsInitial(options: ListOptions): boolean {
  if (options.sendInitialEvents !== undefined) return options.sendInitialEvents;
  return options.resourceVersion === '' || options.resourceVersion === '0';
}

/** Whether, without initial events, it begins now. */
function wantsNow(options: ListOptions): boolean {
  return options.resourceVersion === '' || options.resourceVersion === '0';
}

function initialFrames(
  scope: Scope,
  options: ListOptions,
  { selection, revision }: { selection: Selection; revision: number },
): WatchFrame[] {
  const { store, view } = scope.served;
  const entries = store.cache.list(store.scope(scope.info.namespace)) as readonly StoredEntry[];
  const selected = selection === undefined ? entries : entries.filter((entry) => selection.matches(entry));
  const frames: WatchFrame[] = selected.map((entry) => new EntryFrame('ADDED', entry, view));
  if (options.sendInitialEvents === true && options.allowBookmarks) frames.push(bookmark(scope, revision, true));
  return frames;
}

function bookmark(scope: Scope, revision: number, initialEventsEnd: boolean): WatchFrame {
  const { info, apiVersion } = scope.served;
  const annotations = initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
  const metadata = { resourceVersion: String(revision), creationTimestamp: null as unknown as string, ...annotations };
  return objectFrame('BOOKMARK', { kind: info.kind, apiVersion, metadata });
}

/** Ties the stream's end to the caller, the server and the clock, and releases all of it when the stream ends. */
function endOn(
  { core, request }: Scope,
  { stream, watch, options }: { stream: WatchStream; watch: CacheWatch; options: ListOptions },
): void {
  const seconds = options.timeoutSeconds || watchSecondsMin + randomInt(core.random, watchSecondsMin);
  const timer: Timer = core.clock.setTimeout(() => stream.close(), seconds * 1_000);
  const onAbort = (): void => stream.close();
  // A component's watches all end with the one signal it runs by.
  setMaxListeners(0, request.signal);
  request.signal.addEventListener('abort', onAbort, { once: true });
  core.stopping.addEventListener('abort', onAbort, { once: true });
  stream.whenClosed(() => {
    watch.close();
    timer.cancel();
    request.signal.removeEventListener('abort', onAbort);
    core.stopping.removeEventListener('abort', onAbort);
  });
}
