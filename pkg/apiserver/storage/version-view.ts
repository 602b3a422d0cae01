/** How stored entries look in one served version. */
import { Buffer } from 'node:buffer';
import { goJson } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { headOf, type StoredEntry } from './object-codec.ts';

/** Items of a list, each written to where it goes. */
export interface Items {
  readonly count: number;
  /** How many bytes `write` adds. */
  bytes(index: number): number;
  /** Writes the item to `target` from `at` on; returns where it ends. */
  write(index: number, target: Buffer, at: number): number;
}

/** How the entries of a resource look in one of its versions. */
export interface VersionView {
  /** The served version is the stored one. */
  readonly isStored: boolean;
  object(entry: StoredEntry): KubeObject;
  /** The JSON of the entry as Go's encoder writes it; with the newline at its end where it is a document of its own. */
  bytes(entry: StoredEntry, end?: '\n'): Uint8Array;
  /** The entries as items of a typed list, without apiVersion and kind. */
  items(entries: readonly StoredEntry[]): Items;
  /** A draft of the served version as it is stored. The draft may be changed or returned. */
  toStored(draft: JsonObject): JsonObject;
  /** The object of the stored version as a served one. Never changes its argument. */
  fromStored(object: KubeObject): KubeObject;
}

const same = {
  toStored: (draft: JsonObject): JsonObject => draft,
  fromStored: (object: KubeObject): KubeObject => object,
};

/** The view of the version that is stored: nothing is converted. */
export const storedView: VersionView = {
  ...same,
  isStored: true,
  object: (entry) => entry.object,
  bytes: (entry, end) => entry.bytesWithHead(entry.head, end),
  items: storedItems,
};

/** A version whose fields are those of the stored one. */
export function renamedView(served: { apiVersion: string; kind: string }, stored: { apiVersion: string }): VersionView {
  const head = headOf(served.apiVersion, served.kind);
  const objects = new WeakMap<StoredEntry, KubeObject>();
  const fromStored = (object: KubeObject): KubeObject => ({ ...object, apiVersion: served.apiVersion });
  return {
    isStored: false,
    object: (entry) => kept(objects, entry, () => fromStored(entry.object)),
    bytes: (entry, end) => entry.bytesWithHead(head, end),
    items: storedItems,
    toStored: (draft) => ({ ...draft, apiVersion: stored.apiVersion }),
    fromStored,
  };
}

/** A version whose fields differ. */
export function convertedView(convert: {
  toStored(draft: JsonObject): JsonObject;
  fromStored(object: KubeObject): KubeObject;
}): VersionView {
  const objects = new WeakMap<StoredEntry, KubeObject>();
  const object = (entry: StoredEntry): KubeObject => kept(objects, entry, () => convert.fromStored(entry.object));
  return {
    ...convert,
    isStored: false,
    object,
    bytes: (entry, end) => Buffer.from(goJson(object(entry)) + (end ?? '')),
    items: (entries) =>
      encodedItems(
        entries.map((entry) => {
          const { apiVersion: _, kind: __, ...item } = object(entry);
          return Buffer.from(goJson(item));
        }),
      ),
  };
}

/** A draft of the served version as it would come back from the store, for answers to writes that are not made. */
export function asIfStored(view: VersionView, draft: JsonObject): JsonObject {
  return view.isStored ? draft : view.fromStored(view.toStored(draft));
}

function kept<K extends object, V>(map: WeakMap<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

/** Items whose bytes are those of the store. */
function storedItems(entries: readonly StoredEntry[]): Items {
  return {
    count: entries.length,
    bytes: (index) => entries[index]!.itemBytes,
    write: (index, target, at) => entries[index]!.writeItem(target, at),
  };
}

function encodedItems(encoded: readonly Buffer[]): Items {
  return {
    count: encoded.length,
    bytes: (index) => encoded[index]!.length,
    write: (index, target, at) => at + encoded[index]!.copy(target, at),
  };
}
