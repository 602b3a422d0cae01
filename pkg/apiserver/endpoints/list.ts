/**
 * LIST: from the cache whenever the state asked for is the newest one, from the store when it is a past one.
 * Source: API concepts, "resource versions" and "retrieving large results sets in chunks".
 */
import { Buffer } from 'node:buffer';
import type { ApiResponse, SlicedBytes } from '#pkg/apimachinery/http.ts';
import type { KubeList, ListMeta } from '#pkg/apimachinery/object.ts';
import { badRequest, expired, resourceVersionTooLarge } from '#pkg/apimachinery/status-error.ts';
import { sliceBytes } from '#pkg/serving/limits.ts';
import { CompactedError, FutureRevisionError } from '#pkg/storage/store.ts';
import { jsonType } from '../responses.ts';
import { objectCodec, type StoredEntry } from '../storage/object-codec.ts';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import { type ListOptions, parseListOptions, parseVersion, waitForVersion } from './list-options.ts';
import type { Scope } from './scope.ts';
import { parseSelection, type Selection } from './selection.ts';

const jsonHeaders = { 'content-type': jsonType };

/** Most items that one read of a past state takes from the store at a time, while a selector drops some. */
const pageItemsMax = 5_000;

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
    const { pieces, length } = this.#pieces();
    return Buffer.concat(pieces, length);
  }

  /** The same bytes in slices, which are made as they are asked for: a long list is never whole in memory. */
  sliced(): SlicedBytes {
    const { pieces, length } = this.#pieces();
    return { length, slices: slicesOf(pieces) };
  }

  /** The parts of the encoding, which are those of the store wherever they can be. */
  #pieces(): { readonly pieces: Uint8Array[]; readonly length: number } {
    const { view, apiVersion } = this.scope.served;
    const kind = JSON.stringify(listKind(this.scope));
    const head = `{"kind":${kind},"apiVersion":"${apiVersion}","metadata":${JSON.stringify(this.listed.metadata)},"items":[`;
    const pieces: Uint8Array[] = [Buffer.from(head)];
    let length = pieces[0]!.length + listEnd.length;
    let isFirst = true;
    for (const entry of this.listed.entries) {
      if (!isFirst) {
        pieces.push(comma);
        length++;
      }
      isFirst = false;
      length += view.pushItem(entry, pieces);
    }
    pieces.push(listEnd);
    return { pieces, length };
  }
}

function* slicesOf(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  let from = 0;
  let length = 0;
  for (let i = 0; i < pieces.length; i++) {
    length += pieces[i]!.length;
    if (length < sliceBytes && i < pieces.length - 1) continue;
    yield Buffer.concat(pieces.slice(from, i + 1), length);
    from = i + 1;
    length = 0;
  }
}

const comma = Buffer.from(',');
const listEnd = Buffer.from(']}');

function listKind(scope: Scope): string {
  return `${scope.served.info.kind}List`;
}

/** Answers a list. */
export async function listObjects(scope: Scope): Promise<ApiResponse> {
  const options = parseListOptions(scope.info.query, false);
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
  if (exact) return listPast(scope, { options, selection, revision: parseVersion(options.resourceVersion), start: '' });
  const revision = await waitForVersion(scope, options.resourceVersion);
  // `resourceVersion=0` is answered whole: upstream's cache does not divide such lists either.
  const limit = options.resourceVersion === '0' ? 0 : options.limit;
  return listCurrent(scope, { selection, revision, start: '', limit });
}

interface Page {
  readonly selection: Selection;
  readonly revision: number;
  readonly start: string;
  readonly limit: number;
}

function listCurrent(scope: Scope, page: Page): Listed {
  const { cache } = scope.served.store;
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
  const all = candidates(scope, selection) ?? (cache.list(prefix, startKey) as readonly StoredEntry[]);
  const selected = selection === undefined ? all : all.filter((entry) => selection.matches(entry));
  if (limit === 0 || selected.length <= limit) return { entries: selected, metadata };
  const entries = selected.slice(0, limit);
  return { entries, metadata: more(metadata, entries[limit - 1]!.key, { prefix, revision }) };
}

/** Where the selection names one object of a known namespace, that object at most. */
function candidates({ served, info }: Scope, selection: Selection): readonly StoredEntry[] | undefined {
  if (selection?.name === undefined || (served.info.namespaced && info.namespace === '')) return undefined;
  const entry = served.store.cache.get(served.store.key(info.namespace, selection.name));
  return entry === undefined ? [] : [entry as StoredEntry];
}

/** How many are left is not told for lists with selectors, as upstream does not know it either. */
function more(
  metadata: ListMeta,
  lastKey: string,
  { prefix, revision, rest }: { prefix: string; revision: number; rest?: number },
): ListMeta {
  const token = encodeContinue({ start: `${lastKey.slice(prefix.length)}\0`, revision });
  return { ...metadata, continue: token, ...(rest === undefined ? {} : { remainingItemCount: rest }) };
}

async function continueList(scope: Scope, options: ListOptions, selection: Selection): Promise<Listed> {
  if (options.resourceVersion !== '' && options.resourceVersion !== '0') {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  const { start, revision } = decodeContinue(options.continueToken);
  if (revision < 0) {
    const current = await waitForVersion(scope, '');
    return listCurrent(scope, { selection, revision: current, start, limit: options.limit });
  }
  return listPast(scope, { options, selection, revision, start });
}

async function listPast(
  scope: Scope,
  page: { options: ListOptions; selection: Selection; revision: number; start: string },
): Promise<Listed> {
  const { store } = scope.served;
  const prefix = store.scope(scope.info.namespace);
  const { selection, revision, options } = page;
  const { limit } = options;
  const metadata: ListMeta = { resourceVersion: String(revision) };
  const found: StoredEntry[] = [];
  let startKey = prefix + page.start;
  try {
    for (;;) {
      const want = limit === 0 ? pageItemsMax : Math.min(pageItemsMax, limit - found.length + 1);
      const range = await store.range({ prefix, startKey, limit: want, revision });
      for (const [index, kv] of range.items.entries()) {
        if (limit > 0 && found.length === limit) {
          const rest = selection === undefined ? { rest: range.count - index } : {};
          return { entries: found, metadata: more(metadata, found[limit - 1]!.key, { prefix, revision, ...rest }) };
        }
        const entry = objectCodec.entry(kv);
        if (selection === undefined || selection.matches(entry)) found.push(entry);
      }
      if (range.count <= range.items.length) return { entries: found, metadata };
      startKey = `${range.items.at(-1)!.key}\0`;
    }
  } catch (error) {
    throw pastError(error, page);
  }
}

const expiredToken =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
  'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
  'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted ' +
  'between the time the first chunk was returned and now may show up in the list.';

function pastError(error: unknown, { start, revision }: { start: string; revision: number }): unknown {
  if (error instanceof CompactedError) {
    if (start === '') return expired('The resourceVersion for the provided list is too old.');
    return expired(expiredToken, encodeContinue({ start, revision: -1 }));
  }
  if (error instanceof FutureRevisionError) return resourceVersionTooLarge(revision, error.currentRevision);
  return error;
}
