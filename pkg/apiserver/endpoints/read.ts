/** GET of one object, and the answers that carry one. */
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { notFound } from '#pkg/apimachinery/status-error.ts';
import { ValueGuardError } from '#pkg/storage/encryption/value-guard.ts';
import { jsonType } from '../responses.ts';
import type { StoredEntry } from '../storage/object-codec.ts';
import type { VersionView } from '../storage/version-view.ts';
import { waitForVersion } from './list-options.ts';
import type { Scope } from './scope.ts';

const jsonHeaders = { 'content-type': jsonType };

/** The body of a stored object: its bytes are those of the store. */
class EntryBody {
  readonly kind = 'object';
  readonly entry: StoredEntry;
  readonly #view: VersionView;

  constructor(entry: StoredEntry, view: VersionView) {
    this.entry = entry;
    this.#view = view;
  }

  get object(): unknown {
    return this.#view.object(this.entry);
  }

  bytes(): Uint8Array {
    return this.#view.bytes(this.entry, '\n');
  }
}

/** The answer that carries one stored object in the version that was asked for. */
export function entryResponse(status: number, scope: Scope, entry: StoredEntry): ApiResponse {
  return { status, headers: jsonHeaders, body: new EntryBody(entry, scope.served.view) };
}

/** Answers GET of one object: at once where the newest state is at hand. */
export function getObject(scope: Scope): Promise<ApiResponse> | ApiResponse {
  const entry = entryOf(scope);
  return entry instanceof Promise
    ? entry.then((one) => entryResponse(200, scope, one))
    : entryResponse(200, scope, entry);
}

/** The entry that the request names. Throws NotFound. */
export async function readEntry(scope: Scope): Promise<StoredEntry> {
  return entryOf(scope);
}

function entryOf(scope: Scope): Promise<StoredEntry> | StoredEntry {
  const { store } = scope.served;
  const { namespace, parts, query } = scope.info;
  const key = store.key(namespace, parts[1]!);
  const version = query.size === 0 ? '' : (query.get('resourceVersion') ?? '');
  if (version !== '') return entryAt(scope, key, version);
  const found = store.get(key);
  return found instanceof Promise ? found.then((one) => known(scope, one)) : known(scope, found);
}

/** Not older than a version. */
async function entryAt(scope: Scope, key: string, version: string): Promise<StoredEntry> {
  const { store } = scope.served;
  let { cache } = store;
  try {
    await waitForVersion(scope, version);
  } catch (error) {
    // A value that nobody can read keeps the cache empty: the store still has the others.
    if (!(error instanceof ValueGuardError)) throw error;
    cache = undefined;
  }
  return known(scope, cache === undefined ? await store.get(key) : (cache.get(key) as StoredEntry | undefined));
}

function known({ subject, info }: Scope, entry: StoredEntry | undefined): StoredEntry {
  if (entry === undefined) throw notFound(subject, info.parts[1]!);
  return entry;
}
