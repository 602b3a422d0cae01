/**
 * How objects lie in the store: JSON without the resourceVersion, which is the revision of the write and not known before it. The
 * text always begins `{"kind":K,"apiVersion":V,"metadata":{`, so that the resourceVersion is put in, the type left out (items of
 * lists) or another version's apiVersion put in its place by copying bytes, without parsing.
 *
 * Invariants: a value is decoded at most once while anybody uses what was decoded, and what this process wrote is not decoded while it
 * is news: the draft becomes the shared object of its entry, and the entry hangs on the value's bytes. Bytes with the
 * resourceVersion are made on demand and not kept: copying them costs less than the memory. For the same reason an entry only borrows
 * its object (a WeakRef) unless it is news: informers of this process hold what they need, the rest is served as bytes.
 * A value with integers that no double holds ends with a space (`wholeMark`), by which whoever decodes it knows: others need not be looked through.
 * Where the store keeps values in this process anyway they are made late (`LateObject`): when somebody reads bytes, or the object is no longer news.
 * Upstream counterpart: `storage/etcd3` and the serializers' caching objects.
 */
import { Buffer } from 'node:buffer';
import { escapeHtml, hasHtmlCharacters, isObject, jsonText, parseWhole } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import type { CacheCodec, CacheEntry } from '#pkg/storage/cache.ts';
import { LateKeyValue } from '#pkg/storage/late-value.ts';
import type { KeyValue, LateValue } from '#pkg/storage/store.ts';
import { bytesPerCharacterMax, jsonSize } from './json-size.ts';
import {
  type Allocate,
  type EncodedState,
  type FieldTexts,
  joined,
  type Pieces,
  piecesOf,
  textBytes,
} from './object-pieces.ts';
import { shareFields } from './shared-fields.ts';

const metadataMark = '"metadata":{';
const entryOf: unique symbol = Symbol('entry');

interface Carrying {
  [entryOf]?: StoredEntry | undefined;
}

/** Ends a value with integers that are more than doubles. To JSON it is nothing. */
const wholeMark = ' ';
const wholeMarkCode = 0x20;

/** The object of a stored value, which belongs to the caller. */
export function decodeStored(value: Uint8Array): JsonObject {
  const text = Buffer.from(value.buffer, value.byteOffset, value.length).toString();
  const object: JsonObject = value.at(-1) === wholeMarkCode ? Object(parseWhole(text)) : JSON.parse(text);
  return object;
}

/** The text of an object as it is stored. */
function storedText(object: JsonObject): string {
  try {
    return JSON.stringify(object);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return `${jsonText(object)}${wholeMark}`;
  }
}

/** The text up to where the resourceVersion goes. */
export function headOf(apiVersion: string, kind: string): Buffer {
  return Buffer.from(`{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},${metadataMark}`);
}

const itemHead = Buffer.from(`{${metadataMark}`);

/** How a value is laid out, as far as that is known. Places are below zero where they are not. */
interface KnownLayout {
  readonly isPlain?: boolean | undefined;
  readonly metadataEnd?: number;
  readonly nextEnd?: number;
}

/** One stored state of an object. */
export class StoredEntry implements CacheEntry {
  readonly key: string;
  readonly modRevision: number;
  readonly createRevision: number;
  readonly #stored: LateValue | Uint8Array;
  /** Held as long as this is news. */
  #object: KubeObject | undefined;
  #borrowed: WeakRef<KubeObject> | undefined;
  #isOld = false;
  #bodyAt = -1;
  /** Whether the value is served as it is stored: it has nothing that Go's encoder escapes. Undefined until somebody asks. */
  #isPlain: boolean | undefined;
  /** How long the body of a value that is not plain is when it is served; below zero until somebody asks. */
  #escapedBytes = -1;
  /** Where the metadata end in a value that was encoded here, and where the field after them does. */
  readonly #metadataEnd: number;
  readonly #nextEnd: number;

  constructor(kv: KeyValue, object?: KubeObject, { isPlain, metadataEnd = -1, nextEnd = -1 }: KnownLayout = {}) {
    this.key = kv.key;
    this.modRevision = kv.modRevision;
    this.createRevision = kv.createRevision;
    this.#stored = kv.late ?? kv.value;
    this.#object = object;
    this.#isPlain = isPlain;
    this.#metadataEnd = metadataEnd;
    this.#nextEnd = nextEnd;
  }

  /** As it is in the store. */
  get value(): Uint8Array {
    const stored = this.#stored;
    return stored instanceof Uint8Array ? stored : stored.bytes;
  }

  /** Bytes of the value, as far as that is known without making them. */
  get size(): number {
    const stored = this.#stored;
    return stored instanceof Uint8Array ? stored.length : stored.size;
  }

  /** As in the store, of another revision. */
  at(modRevision: number): KeyValue {
    const { key, createRevision } = this;
    const stored = this.#stored;
    if (stored instanceof Uint8Array) return { key, value: stored, createRevision, modRevision };
    return new LateKeyValue({ key, late: stored, createRevision, modRevision });
  }

  get object(): KubeObject {
    const { known } = this;
    if (known !== undefined) return known;
    const decoded = withVersion(decodeStored(this.value), this.modRevision);
    this.#borrowed = new WeakRef(decoded);
    return decoded;
  }

  /** The object, if it is in memory. */
  get known(): KubeObject | undefined {
    return this.#object ?? this.#borrowed?.deref();
  }

  settle(): void {
    if (this.#object === undefined) return;
    if (!this.#isOld) {
      if (this.#stored instanceof LateObject) this.#stored.make();
      this.#borrowed = new WeakRef(this.#object);
    }
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

  /** How many bytes `writeItem` writes. */
  get itemBytes(): number {
    return itemHead.length + versionBytes(this.modRevision) + this.#bodyBytes;
  }

  /** Writes this object to `target` from `at` on as the item of a typed list, which has no type of its own; returns where it ends. */
  writeItem(target: Buffer, at: number): number {
    target.set(itemHead, at);
    const versionAt = at + itemHead.length;
    const bodyAt = versionAt + target.write(versionText(this.modRevision), versionAt, 'latin1');
    const body = this.#body;
    target.set(body, bodyAt);
    return bodyAt + body.length;
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

  get #bodyBytes(): number {
    if (this.isPlain) return this.value.length - this.bodyAt;
    if (this.#escapedBytes < 0) this.#escapedBytes = this.#body.length;
    return this.#escapedBytes;
  }

  /** What is known of how the value is laid out. */
  get layout(): KnownLayout {
    return { isPlain: this.#isPlain, metadataEnd: this.#metadataEnd, nextEnd: this.#nextEnd };
  }

  /** What a later state may be encoded from; undefined where that is not known without looking through the value. */
  get encoded(): EncodedState | undefined {
    const { known } = this;
    if (!isObject(known) || this.#isPlain !== true || this.#metadataEnd < 0) return undefined;
    const [metadataEnd, nextEnd] = [this.#metadataEnd, this.#nextEnd];
    return { object: known, bytes: this.value, metadataEnd, nextEnd };
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

const versionFrameBytes = versionText(0).length - 1;

function versionBytes(revision: number): number {
  let digits = 1;
  for (let rest = revision; rest >= 10; rest /= 10) digits++;
  return versionFrameBytes + digits;
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
    const carrying = (kv.late ?? kv.value) as Carrying;
    const known = carrying[entryOf];
    if (known !== undefined && known.modRevision === kv.modRevision) return known;
    const pending = known === undefined || known.modRevision !== 0 ? undefined : (known.object as JsonObject);
    const object = pending === undefined ? undefined : withVersion(pending, kv.modRevision);
    const entry = new StoredEntry(kv, object, pending === undefined ? undefined : known?.layout);
    carrying[entryOf] = entry;
    return entry;
  },
  deletedEntry(previous, revision) {
    return entryAt(objectCodec.entry(previous), revision);
  },
};

/** The state of `entry` as though it had been written at `revision`. */
export function entryAt(entry: StoredEntry, revision: number): StoredEntry {
  const { known } = entry;
  const kv = entry.at(revision);
  if (known === undefined) return new StoredEntry(kv);
  return new StoredEntry(kv, { ...known, metadata: { ...known.metadata, resourceVersion: String(revision) } });
}

/** A part of a shared slab would keep all of the slab for as long as the object lives. */
function ownMemory(bytes: number): Buffer {
  return Buffer.allocUnsafeSlow(bytes);
}

/** What is known of a draft that is encoded, and where its bytes go. */
export interface EncodeOptions {
  readonly allocate?: Allocate | undefined;
  readonly texts?: FieldTexts | undefined;
  /** The state that the draft was made of. */
  readonly before?: StoredEntry | undefined;
}

/**
 * Encodes a draft for a write and keeps the draft with the bytes: once the write has a revision, the draft is the object of the
 * entry. The caller must not change it from then on.
 */
export function encodeForWrite(key: string, draft: JsonObject, options: EncodeOptions = {}): Uint8Array {
  const { allocate = ownMemory, texts, before } = options;
  const ordered = inOrder(draft);
  const pieces = piecesUnlessWhole(ordered, { texts, before: before?.encoded });
  const { value, ...layout } =
    pieces === undefined ? { value: textBytes(storedText(ordered), allocate) } : joined(pieces, allocate);
  const kv = { key, value, createRevision: 0, modRevision: 0 };
  (value as Carrying)[entryOf] = new StoredEntry(kv, ordered as KubeObject, layout);
  return value;
}

/**
 * The same, with bytes that are made when somebody asks for them; undefined for a draft so large that its bytes may be more than `bytesMax`, which
 * only they can tell.
 */
export function lateForWrite(
  key: string,
  draft: JsonObject,
  { allocate = ownMemory, bytesMax }: { readonly allocate?: Allocate | undefined; readonly bytesMax: number },
): LateValue | undefined {
  const size = jsonSize(draft);
  if (size * bytesPerCharacterMax > bytesMax) return undefined;
  const ordered = inOrder(draft);
  const late = new LateObject(ordered, { size, allocate });
  const kv = new LateKeyValue({ key, late, createRevision: 0, modRevision: 0 });
  late[entryOf] = new StoredEntry(kv, ordered);
  return late;
}

/** As it is written: its type first. What is undefined is not written; the version is set once it is known. */
function inOrder(draft: JsonObject): JsonObject {
  const { kind, apiVersion } = draft;
  const metadata = { ...(draft.metadata as JsonObject), resourceVersion: undefined };
  // A copy as it is costs a fraction of one in another order.
  const ordered: JsonObject = isInOrder(draft) ? { ...draft } : { kind, apiVersion, metadata: undefined, ...draft };
  ordered.metadata = metadata;
  return ordered;
}

const firstFields = ['kind', 'apiVersion', 'metadata'];

/** Whether a draft begins with its type, as one does that was made of a stored object. */
function isInOrder(draft: JsonObject): boolean {
  let at = 0;
  for (const name in draft) {
    if (name !== firstFields[at]) return false;
    if (++at === firstFields.length) return true;
  }
  return false;
}

/** The pieces of an object; undefined for one with integers that no double holds. */
function piecesUnlessWhole(object: JsonObject, known: Parameters<typeof piecesOf>[1]): Pieces | undefined {
  try {
    return piecesOf(object, known);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return undefined;
  }
}

/** The value of an object that is in memory. Holds the object until the bytes are made. */
class LateObject implements LateValue, Carrying {
  readonly #allocate: Allocate;
  #object: JsonObject | undefined;
  #bytes: Uint8Array | undefined;
  #size: number;
  [entryOf]: StoredEntry | undefined;

  constructor(object: JsonObject, { size, allocate }: { readonly size: number; readonly allocate: Allocate }) {
    this.#object = object;
    this.#size = size;
    this.#allocate = allocate;
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): Uint8Array {
    return this.#bytes ?? this.make();
  }

  /** Makes the bytes; from then on the object is not held. */
  make(): Uint8Array {
    const object = this.#object;
    if (this.#bytes !== undefined || object === undefined) return this.#bytes!;
    const metadata = { ...(object.metadata as JsonObject), resourceVersion: undefined };
    this.#bytes = textBytes(storedText({ ...object, metadata }), this.#allocate);
    this.#object = undefined;
    return this.#bytes;
  }
}
