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

/** Answers GET of one object. */
export async function getObject(scope: Scope): Promise<ApiResponse> {
  return entryResponse(200, scope, await readEntry(scope));
}

/** The entry that the request names. Throws NotFound. */
export async function readEntry(scope: Scope): Promise<StoredEntry> {
  const { store } = scope.served;
  const { namespace, parts, query } = scope.info;
  const name = parts[1]!;
  const key = store.key(namespace, name);
  let { cache } = store;
  try {
    await waitForVersion(scope, query.get('resourceVersion') ?? '');
  } catch (error) {
    // A value that nobody can read keeps the cache empty: the store still has the others.
    if (!(error instanceof ValueGuardError)) throw error;
    cache = undefined;
  }
  const entry = cache === undefined ? await store.get(key) : (cache.get(key) as StoredEntry | undefined);
  if (entry === undefined) throw notFound(scope.subject, name);
  return entry;
}
