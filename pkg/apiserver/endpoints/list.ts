/**
 * LIST: from the cache whenever the state asked for is the newest one, from the store when it is a past one.
 * Source: API concepts, "resource versions" and "retrieving large results sets in chunks".
 */
import { Buffer } from 'node:buffer';
import type { ApiResponse, SlicedBytes, TakeSlice } from '#pkg/apimachinery/http.ts';
import type { KubeList, ListMeta } from '#pkg/apimachinery/object.ts';
import { badRequest, expired, resourceVersionTooLarge } from '#pkg/apimachinery/status-error.ts';
import { sliceBytes } from '#pkg/serving/limits.ts';
import type { ResourceCache } from '#pkg/storage/cache.ts';
import { CompactedError, FutureRevisionError } from '#pkg/storage/store.ts';
import { jsonType } from '../responses.ts';
import { objectCodec, type StoredEntry } from '../storage/object-codec.ts';
import type { Items } from '../storage/version-view.ts';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import { type ListOptions, parseListOptions, parseVersion, waitForVersion } from './list-options.ts';
import type { Scope } from './scope.ts';
import { parseSelection, type Selection } from './selection.ts';

const jsonHeaders = { 'content-type': jsonType };

/** Most items that one read of a past state takes from the store at a time, while a selector drops some. */
const pageItemsMax = 5_000;

/** The same of a resource without a cache, whose items are read from the disk: some milliseconds before others get a turn. */
const sliceItemsMax = 500;

/** What a list found. */
export interface Listed {
  readonly entries: readonly StoredEntry[];
  readonly metadata: ListMeta;
}

/** The body of a list: made of the bytes of its items. */
class ListBody {
  readonly kind = 'object';
  readonly listed: Listed;
  readonly scope: Scope;
  #object: KubeList | undefined;

  constructor(listed: Listed, scope: Scope) {
    this.listed = listed;
    this.scope = scope;
  }

  get object(): KubeList {
    if (this.#object === undefined) {
      const { served } = this.scope;
      const items = this.listed.entries.map((entry) => served.view.object(entry));
      this.#object = {
        kind: listKind(this.scope),
        apiVersion: served.apiVersion,
        metadata: this.listed.metadata,
        items,
      };
    }
    return this.#object;
  }

  bytes(): Uint8Array {
    const { length, slices } = this.sliced();
    const [all] = slices(() => Buffer.allocUnsafe(length));
    return all!;
  }

  /** The same bytes in slices, which are made as they are asked for: a long list is never whole in memory. */
  sliced(): SlicedBytes {
    const { served } = this.scope;
    const items = served.view.items(this.listed.entries);
    const kind = JSON.stringify(listKind(this.scope));
    const metadata = JSON.stringify(this.listed.metadata);
    const head = Buffer.from(`{"kind":${kind},"apiVersion":"${served.apiVersion}","metadata":${metadata},"items":[`);
    let length = head.length + listEnd.length + Math.max(0, items.count - 1);
    for (let index = 0; index < items.count; index++) length += items.bytes(index);
    return { length, slices: (take) => slicesOf(head, items, take) };
  }
}

/** Fills slice after slice: what does not fit into one begins the next. */
function* slicesOf(head: Uint8Array, items: Items, take: TakeSlice): Generator<Uint8Array> {
  let slice = asBuffer(take(Math.max(sliceBytes, head.length)));
  slice.set(head, 0);
  let at = head.length;
  for (let index = 0; index < items.count; index++) {
    const comma = index === 0 ? 0 : 1;
    const bytes = comma + items.bytes(index);
    if (at + bytes > slice.length) {
      yield slice.subarray(0, at);
      slice = asBuffer(take(Math.max(sliceBytes, bytes)));
      at = 0;
    }
    if (comma === 1) slice[at] = commaCode;
    at = items.write(index, slice, at + comma);
  }
  if (at + listEnd.length > slice.length) {
    yield slice.subarray(0, at);
    slice = asBuffer(take(listEnd.length));
    at = 0;
  }
  slice.set(listEnd, at);
  yield slice.subarray(0, at + listEnd.length);
}

/** The same memory: public types do not name Node's class, for which not every user has types. */
function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const commaCode = 0x2c;
const listEnd = Buffer.from(']}\n');

function listKind(scope: Scope): string {
  return scope.served.info.listKind;
}

/** Answers a list. */
export async function listObjects(scope: Scope): Promise<ApiResponse> {
  const options = parseListOptions(scope.info.query, { isWatch: false });
  const selection = parseSelection(scope.served, options);
  const listed = await readList(scope, options, selection);
  return { status: 200, headers: jsonHeaders, body: new ListBody(listed, scope) };
}

/** What the options ask for, in key order. */
export async function readList(scope: Scope, options: ListOptions, selection: Selection): Promise<Listed> {
  if (options.continueToken !== '') return continueList(scope, options, selection);
  const exact =
    options.match === 'Exact' ||
    (options.match === '' && options.limit > 0 && parseVersion(options.resourceVersion) > 0);
  if (exact) {
    const revision = parseVersion(options.resourceVersion);
    return listPast(scope, { selection, revision, start: '', limit: options.limit });
  }
  const { cache } = scope.served.store;
  if (cache === undefined) return listNewest(scope, options, selection);
  const revision = await waitForVersion(scope, options.resourceVersion);
  // `resourceVersion=0` is answered whole: upstream's cache does not divide such lists either.
  const limit = options.resourceVersion === '0' ? 0 : options.limit;
  return listCurrent(scope, { selection, revision, start: '', limit }, cache);
}

interface Page {
  readonly selection: Selection;
  /** Undefined for the newest one when the first slice is read. */
  readonly revision: number | undefined;
  readonly start: string;
  readonly limit: number;
  /** How many items there are from `start` on, if the page before has told. */
  readonly left?: number | undefined;
}

/** All that the selection selects of the newest state, which is that of `revision`: at once where there is a cache. */
export function currentEntries(
  scope: Scope,
  { selection, revision }: { readonly selection: Selection; readonly revision: number },
): readonly StoredEntry[] | Promise<readonly StoredEntry[]> {
  const page = { selection, revision, start: '', limit: 0 };
  const { cache } = scope.served.store;
  if (cache === undefined) return listPast(scope, page).then(({ entries }) => entries);
  return listCurrent(scope, page, cache).entries;
}

/** A list of a resource without a cache, of the newest state. Upstream's store, too, takes `resourceVersion=0` for that. */
async function listNewest(scope: Scope, options: ListOptions, selection: Selection): Promise<Listed> {
  const wanted = parseVersion(options.resourceVersion);
  if (wanted > 0) await waitForVersion(scope, options.resourceVersion);
  return listPast(scope, { selection, revision: undefined, start: '', limit: options.limit });
}

function listCurrent(scope: Scope, page: Page & { readonly revision: number }, cache: ResourceCache): Listed {
  const prefix = scope.served.store.scope(scope.info.namespace);
  const { selection, revision, start, limit } = page;
  const metadata: ListMeta = { resourceVersion: String(revision) };
  const startKey = start === '' ? {} : { startKey: prefix + start };
  if (selection === undefined && limit > 0) {
    const entries = cache.list(prefix, { ...startKey, limit: limit + 1 }) as readonly StoredEntry[];
    if (entries.length <= limit) return { entries, metadata };
    const rest = cache.list(prefix, { startKey: entries[limit]!.key }).length;
    return {
      entries: entries.slice(0, limit),
      metadata: more(metadata, entries[limit - 1]!.key, { prefix, revision, rest }),
    };
  }
  const all = candidates(scope, selection, cache) ?? (cache.list(prefix, startKey) as readonly StoredEntry[]);
  const selected = selection === undefined ? all : all.filter((entry) => selection.matches(entry));
  if (limit === 0 || selected.length <= limit) return { entries: selected, metadata };
  const entries = selected.slice(0, limit);
  return { entries, metadata: more(metadata, entries[limit - 1]!.key, { prefix, revision }) };
}

/** Where the selection names one object of a known namespace, that object at most. */
function candidates(
  { served, info }: Scope,
  selection: Selection,
  cache: ResourceCache,
): readonly StoredEntry[] | undefined {
  if (selection?.name === undefined || (served.info.namespaced && info.namespace === '')) return undefined;
  const entry = cache.get(served.store.key(info.namespace, selection.name));
  return entry === undefined ? [] : [entry as StoredEntry];
}

/** How many are left is not told for lists with selectors, as upstream does not know it either. */
function more(
  metadata: ListMeta,
  lastKey: string,
  { prefix, revision, rest, left }: { prefix: string; revision: number; rest?: number; left?: number },
): ListMeta {
  const start = `${lastKey.slice(prefix.length)}\0`;
  const token = encodeContinue({ start, revision, ...(left !== undefined && { left }) });
  return { ...metadata, continue: token, ...(rest === undefined ? {} : { remainingItemCount: rest }) };
}

async function continueList(scope: Scope, options: ListOptions, selection: Selection): Promise<Listed> {
  if (options.resourceVersion !== '' && options.resourceVersion !== '0') {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  const { start, revision, left } = decodeContinue(options.continueToken);
  const { limit } = options;
  if (revision >= 0) return listPast(scope, { selection, revision, start, limit, left });
  const current = await waitForVersion(scope, '');
  const { cache } = scope.served.store;
  const page = { selection, start, limit };
  if (cache === undefined) return listPast(scope, { ...page, revision: undefined });
  return listCurrent(scope, { ...page, revision: current }, cache);
}

/** A list out of the store itself, a slice at a time: of a past state, or of a resource without a cache. */
async function listPast(scope: Scope, page: Page): Promise<Listed> {
  const { core, served } = scope;
  const { store } = served;
  const prefix = store.scope(scope.info.namespace);
  const { selection, limit } = page;
  const most = store.cache === undefined ? sliceItemsMax : pageItemsMax;
  const within = narrowed(scope, selection) ?? prefix;
  let { revision } = page;
  const found: StoredEntry[] = [];
  // Counting can cost more than the page: where that is so, the first page does it for all that continue it, if it can be done at all.
  const mayCount = store.cache !== undefined || revision === undefined;
  let counted = mayCount && selection === undefined && limit > 0 && page.left === undefined;
  let left = page.left;
  let startKey = prefix + page.start;
  try {
    for (;;) {
      const want = limit === 0 || selection !== undefined ? most : Math.min(most, limit - found.length + 1);
      const at = revision === undefined ? {} : { revision };
      const range = await store.range({ prefix: within, startKey, limit: want, counted, ...at });
      revision = range.revision;
      const metadata: ListMeta = { resourceVersion: String(revision) };
      if (counted) left = range.count;
      counted = false;
      for (const kv of range.items) {
        if (selection !== undefined && !selection.mayMatch(kv.value)) continue;
        const entry = objectCodec.entry(kv);
        if (selection !== undefined && !selection.matches(entry)) continue;
        if (limit > 0 && found.length === limit) {
          const rest = left === undefined || left < limit ? {} : { rest: left - limit, left: left - limit };
          return { entries: found, metadata: more(metadata, found[limit - 1]!.key, { prefix, revision, ...rest }) };
        }
        // Looked for now, in a slice, rather than for all items at once when the answer is made.
        void entry.bodyAt;
        found.push(entry);
      }
      if (range.count <= range.items.length) return { entries: found, metadata };
      startKey = `${range.items.at(-1)!.key}\0`;
      await core.clock.yield();
      if (scope.request.signal.aborted) return { entries: [], metadata };
    }
  } catch (error) {
    throw pastError(error, { ...page, revision });
  }
}

/** Where the selection names one object of a known namespace, its key: what begins like it is no more than a few. */
function narrowed({ served, info }: Scope, selection: Selection): string | undefined {
  if (selection?.name === undefined || (served.info.namespaced && info.namespace === '')) return undefined;
  return served.store.key(info.namespace, selection.name);
}

const expiredToken =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
  'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
  'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted ' +
  'between the time the first chunk was returned and now may show up in the list.';

function pastError(error: unknown, { start, revision = 0 }: Page): unknown {
  if (error instanceof CompactedError) {
    if (start === '') return expired('The resourceVersion for the provided list is too old.');
    return expired(expiredToken, encodeContinue({ start, revision: -1 }));
  }
  if (error instanceof FutureRevisionError) return resourceVersionTooLarge(revision, error.currentRevision);
  return error;
}
