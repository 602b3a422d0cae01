/**
 * Watch frames and what they are on the wire. The frame of a stored event is made once for all watchers of a version, and encoded once:
 * as a chunk of HTTP's chunked encoding, of which its line is a part.
 */
import { Buffer } from 'node:buffer';
import type { WatchEventType, WatchFrame } from '#pkg/apimachinery/http.ts';
import { goJson } from '#pkg/apimachinery/json.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { chunkAround } from '#pkg/serving/chunked.ts';
import type { CacheEvent } from '#pkg/storage/cache.ts';
import type { StoredEntry } from './storage/object-codec.ts';
import type { VersionView } from './storage/version-view.ts';

const frameEnd = Buffer.from('}\n');

/** A frame around an object that is not stored. */
export function objectFrame(type: WatchEventType, object: KubeObject): WatchFrame {
  return {
    type,
    object,
    bytes: () => Buffer.concat([frameHead(type), Buffer.from(goJson(object)), frameEnd]),
  };
}

/** A frame for one watcher, of which nothing is kept once it is written. */
export function entryFrame(type: WatchEventType, entry: StoredEntry, view: VersionView): WatchFrame {
  return new EntryFrame(type, entry, view);
}

/** Objects with more bytes are encoded once for all watchers that are told of them at a time: a thousand may begin together, and read slowly. */
const longBytesMin = 32 * 1024;

/** Chunks of long objects, as long as somebody writes them. All are of what is: `ADDED`. */
const longChunks = new WeakMap<VersionView, WeakMap<StoredEntry, WeakRef<Uint8Array>>>();

class EntryFrame implements WatchFrame {
  readonly type: WatchEventType;
  readonly #entry: StoredEntry;
  readonly #view: VersionView;

  constructor(type: WatchEventType, entry: StoredEntry, view: VersionView) {
    this.type = type;
    this.#entry = entry;
    this.#view = view;
  }

  get object(): KubeObject {
    return this.#view.object(this.#entry);
  }

  bytes(): Uint8Array {
    return lineOf(this.type, this.#view.bytes(this.#entry));
  }

  get chunk(): Uint8Array | undefined {
    if (this.type !== 'ADDED' || this.#entry.value.length < longBytesMin) return undefined;
    let chunks = longChunks.get(this.#view);
    if (chunks === undefined) {
      chunks = new WeakMap();
      longChunks.set(this.#view, chunks);
    }
    const known = chunks.get(this.#entry)?.deref();
    if (known !== undefined) return known;
    const chunk = chunkAround(this.bytes());
    chunks.set(this.#entry, new WeakRef(chunk));
    return chunk;
  }
}

const framesOf: unique symbol = Symbol('frames');

/**
 * Frames, of which there is one for each version that is watched, hang on the event that was told, which is not the one of the history: holding
 * wire forms there would double it.
 */
interface FramedEvent extends CacheEvent {
  [framesOf]?: SharedFrame[];
}

/** The frame of an event, shared by the watchers for which it is what it is in the cache. */
export function sharedFrame(event: CacheEvent, view: VersionView): WatchFrame {
  const framed: FramedEvent = event;
  const frames = framed[framesOf];
  const known = frames?.find((one) => one.view === view);
  if (known !== undefined) return known;
  const frame = new SharedFrame(event, view);
  if (frames === undefined) framed[framesOf] = [frame];
  else frames.push(frame);
  return frame;
}

class SharedFrame implements WatchFrame {
  readonly type: WatchEventType;
  readonly view: VersionView;
  readonly #entry: StoredEntry;
  #bytes: Uint8Array | undefined;
  #chunk: Uint8Array | undefined;

  constructor(event: CacheEvent, view: VersionView) {
    this.type = event.type;
    this.#entry = event.entry as StoredEntry;
    this.view = view;
  }

  get object(): KubeObject {
    return this.view.object(this.#entry);
  }

  bytes(): Uint8Array {
    this.#bytes ??= lineOf(this.type, this.view.bytes(this.#entry));
    return this.#bytes;
  }

  /** Only one of the two forms is held: a watch event is read either as a line or from the network. */
  get chunk(): Uint8Array {
    this.#chunk ??= chunkAround(this.#bytes ?? lineOf(this.type, this.view.bytes(this.#entry)));
    return this.#chunk;
  }
}

function frameHead(type: WatchEventType): Buffer {
  return Buffer.from(`{"type":"${type}","object":`);
}

function lineOf(type: WatchEventType, object: Uint8Array): Uint8Array {
  return Buffer.concat([frameHead(type), object, frameEnd]);
}
