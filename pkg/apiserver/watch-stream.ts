/**
 * The events of one watcher, between the watch cache, which calls as they happen, and a reader, which takes them at its own pace.
 * There are two ways to read: as an async iterable, and by `take` with a listener, without a promise per event. The network uses the
 * latter, as a hundred watchers of one event are a hundred times whatever one of them costs (`watch-sender.ts` has the budget).
 *
 * Limits: `watcherBacklogMax` events and `backlogBytesMax` bytes of objects may wait for a reader; one who is further behind is ended
 * and lists again. The frames it begins with do not count: they are references to what the cache holds anyway.
 * Upstream counterpart: apiserver `storage/cacher/cache_watcher.go`.
 */
import type { ReadyFrames, WatchFrame } from '#pkg/apimachinery/http.ts';
import type { CacheEvent, CacheSink } from '#pkg/storage/cache.ts';
import { watcherBacklogMax } from '#pkg/storage/watch-cache.ts';
import type { Selection } from './endpoints/selection.ts';
import { entryAt, type StoredEntry } from './storage/object-codec.ts';
import type { VersionView } from './storage/version-view.ts';
import { entryFrame, sharedFrame } from './watch-frame.ts';

/** Most bytes of stored objects that wait for one reader. Those of many readers are mostly the same, and the newest those of the history. */
const backlogBytesMax = 16 * 1024 * 1024;

interface Framed {
  readonly events: readonly CacheEvent[];
  readonly frames: readonly WatchFrame[];
}

/** What was made last for each version: watchers are told of events one after the other, so the next one wants the same. */
const lastFramed = new WeakMap<VersionView, Framed>();

/** What events are to a watcher that selects everything. */
function plainFrames(events: readonly CacheEvent[], view: VersionView): readonly WatchFrame[] {
  const last = lastFramed.get(view);
  if (last?.events === events) return last.frames;
  const frames = events.map((event) => sharedFrame(event, view));
  lastFramed.set(view, { events, frames });
  return frames;
}

/** Frames that watchers of the network who wait for the same ones share, as they are written together; whoever waits for more is by itself. */
const sharedFramesMax = 64;

/** What frames are with the ones after them, made once for all that wait for the same. */
const lastAppended = new WeakMap<readonly WatchFrame[], { more: readonly WatchFrame[]; both: readonly WatchFrame[] }>();

function appended(frames: readonly WatchFrame[], more: readonly WatchFrame[]): readonly WatchFrame[] {
  const last = lastAppended.get(frames);
  if (last?.more === more) return last.both;
  const both = [...frames, ...more];
  lastAppended.set(frames, { more, both });
  return both;
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
    return type === event.type ? sharedFrame(event, view) : entryFrame(type, event.entry as StoredEntry, view);
  }
  if (!was) return undefined;
  if (event.type === 'DELETED') return sharedFrame(event, view);
  return entryFrame('DELETED', entryAt(previous as StoredEntry, event.revision), view);
}

const nothing: readonly WatchFrame[] = [];

/** What a watcher sees of the events, and in which form. */
export interface WatchStreamOptions {
  readonly view: VersionView;
  /** Undefined selects everything. */
  readonly selection: Selection;
  /** Makes the bookmark of a revision; absent for a watcher that does not want any. */
  readonly bookmark?: ((revision: number) => WatchFrame) | undefined;
  /** Makes the last frame of a watch that failed. */
  readonly errorFrame: (error: Error) => WatchFrame;
}

/** The stream of one watcher. Ends by `close`, by an error, or by too long a backlog. */
export class WatchStream implements CacheSink, ReadyFrames, AsyncIterableIterator<readonly WatchFrame[]> {
  readonly #options: WatchStreamOptions;
  /** Frames that nobody has taken. Another watcher may have the same array, unless `#isOwn`. */
  #pending: readonly WatchFrame[] = nothing;
  #isOwn = false;
  /** Events that `#pending` came of, and the bytes of their objects. */
  #backlog = 0;
  #backlogBytes = 0;
  #waiting: ((result: IteratorResult<readonly WatchFrame[]>) => void) | undefined;
  #listener: ((atOnce: boolean) => void) | undefined;
  #closed = false;
  #onClose: (() => void) | undefined;

  constructor(options: WatchStreamOptions) {
    this.#options = options;
  }

  get wantsProgress(): boolean {
    return this.#options.bookmark !== undefined;
  }

  get isEnded(): boolean {
    return this.#closed;
  }

  /** What to do once, when the stream ends; at once when it has ended already. */
  whenClosed(action: () => void): void {
    if (this.#closed) action();
    else this.#onClose = action;
  }

  /** Frames to begin with; they do not count as backlog. */
  begin(frames: readonly WatchFrame[]): void {
    this.#pending = frames;
    this.#isOwn = false;
  }

  onEvents(events: readonly CacheEvent[]): void {
    if (this.#closed) return;
    const frames = this.#framesOf(events);
    if (frames.length === 0) return;
    // A reader that waits for its turn is not behind.
    if (this.#isFarBehind(events.length)) this.#listener?.(true);
    if (this.#isFarBehind(events.length)) {
      this.close();
      return;
    }
    this.#add(frames);
    this.#tell();
    if (this.#pending.length === 0) return;
    this.#backlog += events.length;
    for (const { entry } of events) this.#backlogBytes += (entry as StoredEntry).size;
  }

  #framesOf(events: readonly CacheEvent[]): readonly WatchFrame[] {
    const { view, selection } = this.#options;
    if (selection === undefined) return plainFrames(events, view);
    return events.map((event) => selectedFrame(event, view, selection)).filter((frame) => frame !== undefined);
  }

  /** Never true of a reader that has taken everything so far, however much comes at once. */
  #isFarBehind(more: number): boolean {
    if (this.#backlog === 0) return false;
    return this.#backlog + more > watcherBacklogMax || this.#backlogBytes > backlogBytesMax;
  }

  onProgress(revision: number): void {
    const { bookmark } = this.#options;
    if (bookmark === undefined || this.#closed) return;
    this.#add([bookmark(revision)]);
    this.#tell();
  }

  onError(error: Error): void {
    if (this.#closed) return;
    this.#add([this.#options.errorFrame(error)]);
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose?.();
    this.#onClose = undefined;
    this.#tell();
  }

  onReady(listener: (atOnce: boolean) => void): void {
    this.#listener = listener;
  }

  take(): readonly WatchFrame[] {
    const batch = this.#pending;
    this.#pending = nothing;
    this.#isOwn = false;
    this.#backlog = 0;
    this.#backlogBytes = 0;
    return batch;
  }

  #add(frames: readonly WatchFrame[]): void {
    if (this.#pending.length === 0) {
      this.#pending = frames;
      return;
    }
    const isShared = this.#listener !== undefined && !this.#isOwn && this.#options.selection === undefined;
    if (isShared && this.#pending.length < sharedFramesMax) {
      this.#pending = appended(this.#pending, frames);
      return;
    }
    const own = this.#isOwn ? (this.#pending as WatchFrame[]) : [...this.#pending];
    for (const frame of frames) own.push(frame);
    this.#pending = own;
    this.#isOwn = true;
  }

  #tell(): void {
    this.#listener?.(false);
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    waiting(this.#result());
  }

  /** What a reader gets when there is something to get. */
  #result(): IteratorResult<readonly WatchFrame[]> {
    return this.#pending.length > 0 ? { value: this.take(), done: false } : { value: undefined, done: true };
  }

  next(): Promise<IteratorResult<readonly WatchFrame[]>> {
    if (this.#pending.length > 0 || this.#closed) return Promise.resolve(this.#result());
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  return(): Promise<IteratorResult<readonly WatchFrame[]>> {
    this.take();
    this.close();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
