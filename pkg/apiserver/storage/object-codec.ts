/**
 * How objects lie in the store: JSON without the resourceVersion, which is the revision of the write and not known before it. The
 * text always begins `{"kind":K,"apiVersion":V,"metadata":{`, so that the resourceVersion is put in, the type left out (items of
 * lists) or another version's apiVersion put in its place by copying bytes, without parsing.
 *
 * Invariants: a value is decoded at most once while anybody uses what was decoded, and what this process wrote is not decoded while it
 * is news: the draft becomes the shared object of its entry, and the entry hangs on the value's bytes. Bytes with the
 * resourceVersion are made on demand and not kept: copying them costs less than the memory. For the same reason an entry only borrows
 * its object (a WeakRef) unless it is news: informers of this process hold what they need, the rest is served as bytes.
 * Upstream counterpart: `storage/etcd3` and the serializers' caching objects.
 */
import { Buffer } from 'node:buffer';
import { escapeHtml, hasHtmlCharacters } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { CacheCodec, CacheEntry } from '#pkg/storage/cache.ts';
import type { KeyValue } from '#pkg/storage/store.ts';
import { shareFields } from './shared-fields.ts';

const metadataMark = '"metadata":{';
const entryOf: unique symbol = Symbol('entry');

interface CarryingBytes extends Uint8Array {
  [entryOf]?: StoredEntry;
}

/** The text up to where the resourceVersion goes. */
export function headOf(apiVersion: string, kind: string): Buffer {
  return Buffer.from(`{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},${metadataMark}`);
}

const itemHead = Buffer.from(`{${metadataMark}`);

/** One stored state of an object. */
export class StoredEntry implements CacheEntry {
  readonly key: string;
  readonly modRevision: number;
  readonly createRevision: number;
  /** As it is in the store. */
  readonly value: Uint8Array;
  /** Held as long as this is news. */
  #object: KubeObject | undefined;
  #borrowed: WeakRef<KubeObject> | undefined;
  #isOld = false;
  #bodyAt = -1;
  /** Whether the value is served as it is stored: it has nothing that Go's encoder escapes. Undefined until somebody asks. */
  #isPlain: boolean | undefined;

  constructor(kv: KeyValue, object?: KubeObject, isPlain?: boolean) {
    this.key = kv.key;
    this.modRevision = kv.modRevision;
    this.createRevision = kv.createRevision;
    this.value = kv.value;
    this.#object = object;
    this.#isPlain = isPlain;
  }

  get object(): KubeObject {
    const { known } = this;
    if (known !== undefined) return known;
    const decoded = withVersion(
      JSON.parse(Buffer.from(this.value.buffer, this.value.byteOffset, this.value.length).toString()),
      this.modRevision,
    );
    this.#borrowed = new WeakRef(decoded);
    return decoded;
  }

  /** The object, if it is in memory. */
  get known(): KubeObject | undefined {
    return this.#object ?? this.#borrowed?.deref();
  }

  settle(): void {
    if (this.#object === undefined) return;
    if (!this.#isOld) this.#borrowed = new WeakRef(this.#object);
    this.#object = undefined;
  }

  replaced(): void {
    this.#isOld = true;
  }

  /** The JSON of the object as Go's encoder writes it. */
  get bytes(): Uint8Array {
    return this.bytesWithHead(this.head);
  }

  /** The text up to where the resourceVersion goes. */
  get head(): Uint8Array {
    return this.value.subarray(0, this.bodyAt);
  }

  /** The same bytes under the apiVersion and kind of `head`, for a version whose fields are equal, with a newline where they are a document. */
  bytesWithHead(head: Uint8Array, end: '' | '\n' = ''): Uint8Array {
    const version = versionText(this.modRevision);
    const body = this.#body;
    const bytes = Buffer.allocUnsafe(head.length + version.length + body.length + end.length);
    bytes.set(head, 0);
    bytes.write(version, head.length, 'latin1');
    bytes.set(body, head.length + version.length);
    bytes.write(end, bytes.length - end.length, 'latin1');
    return bytes;
  }

  /** How many bytes `pushItem` adds. */
  get itemBytes(): number {
    return itemHead.length + versionText(this.modRevision).length + this.#body.length;
  }

  /** Adds this object to `chunks` as the item of a typed list, which has no type of its own; returns the bytes added. */
  pushItem(chunks: Uint8Array[]): number {
    const version = Buffer.from(versionText(this.modRevision), 'latin1');
    const body = this.#body;
    chunks.push(itemHead, version, body);
    return itemHead.length + version.length + body.length;
  }

  /** Where the fields of the metadata begin. */
  get bodyAt(): number {
    if (this.#bodyAt < 0) {
      const buffer = Buffer.from(this.value.buffer, this.value.byteOffset, this.value.length);
      this.#bodyAt = buffer.indexOf(metadataMark, 0, 'latin1') + metadataMark.length;
    }
    return this.#bodyAt;
  }

  /** The fields of the metadata and what follows, as they are served. */
  get #body(): Uint8Array {
    const body = this.value.subarray(this.bodyAt);
    if (this.isPlain) return body;
    return Buffer.from(escapeHtml(Buffer.from(body.buffer, body.byteOffset, body.length).toString()));
  }

  /** Whether the value is served byte by byte. It is stored unescaped, as what is escaped takes up to six times the bytes. */
  get isPlain(): boolean {
    this.#isPlain ??= hasNoHtmlBytes(this.value);
    return this.#isPlain;
  }
}

/** The same of bytes as `hasHtmlCharacters` of a text; the encodings of both line separators begin with 0xe2. */
function hasNoHtmlBytes(value: Uint8Array): boolean {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  if (bytes.includes(0x3c) || bytes.includes(0x3e) || bytes.includes(0x26)) return false;
  return !bytes.includes(0xe2) || !hasHtmlCharacters(bytes.toString());
}

function versionText(revision: number): string {
  return `"resourceVersion":"${revision}",`;
}

/** `object` is owned by the caller and becomes the shared one. */
function withVersion(object: JsonObject, revision: number): KubeObject {
  const metadata = object.metadata as JsonObject;
  metadata.resourceVersion = String(revision);
  shareFields(metadata);
  return object as KubeObject;
}

interface ObjectCodec extends CacheCodec {
  entry(kv: KeyValue): StoredEntry;
  deletedEntry(previous: KeyValue, revision: number): StoredEntry;
}

/** Entries for the watch cache. One for all resources: the layout tells it all it needs. */
export const objectCodec: ObjectCodec = {
  entry(kv) {
    const carrying = kv.value as CarryingBytes;
    const known = carrying[entryOf];
    if (known !== undefined && known.modRevision === kv.modRevision) return known;
    const pending = known === undefined || known.modRevision !== 0 ? undefined : (known.object as JsonObject);
    const object = pending === undefined ? undefined : withVersion(pending, kv.modRevision);
    const entry = new StoredEntry(kv, object, pending === undefined ? undefined : known?.isPlain);
    carrying[entryOf] = entry;
    return entry;
  },
  deletedEntry(previous, revision) {
    return entryAt(objectCodec.entry(previous), revision);
  },
};

/** The state of `entry` as though it had been written at `revision`. */
export function entryAt(entry: StoredEntry, revision: number): StoredEntry {
  const { key, value, createRevision, known } = entry;
  const kv = { key, value, createRevision, modRevision: revision };
  if (known === undefined) return new StoredEntry(kv);
  return new StoredEntry(kv, { ...known, metadata: { ...known.metadata, resourceVersion: String(revision) } });
}

/** A part of a shared slab would keep all of the slab for as long as the object lives. */
function ownMemory(bytes: number): Buffer {
  return Buffer.allocUnsafeSlow(bytes);
}

/**
 * Encodes a draft for a write and keeps the draft with the bytes: once the write has a revision, the draft is the object of the
 * entry. The caller must not change it from then on.
 */
export function encodeForWrite(
  key: string,
  draft: JsonObject,
  { allocate = ownMemory }: { readonly allocate?: ((bytes: number) => Buffer) | undefined } = {},
): Uint8Array {
  const { kind, apiVersion } = draft;
  // What is undefined is not written. The version is set once it is known.
  const metadata = { ...(draft.metadata as JsonObject), resourceVersion: undefined };
  const ordered: JsonObject = { kind, apiVersion, metadata: undefined, ...draft };
  ordered.metadata = metadata;
  const text = JSON.stringify(ordered);
  const bytes = allocate(Buffer.byteLength(text));
  bytes.write(text);
  const value: CarryingBytes = bytes;
  const kv = { key, value, createRevision: 0, modRevision: 0 };
  value[entryOf] = new StoredEntry(kv, ordered as KubeObject, !hasHtmlCharacters(text));
  return value;
}
