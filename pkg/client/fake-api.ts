/**
 * A tiny API in memory for tests of what lives on list and watch: objects by path, revisions, watches that can be broken and
 * history that can be lost on demand. It validates nothing; what needs a real API server composes one.
 */
import type { ApiHandler, ApiRequest, ApiResponse, WatchFrame } from '#pkg/apimachinery/http.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { expired, StatusError } from '#pkg/apimachinery/status-error.ts';
import { Queue } from '#pkg/base/async.ts';

interface StoredEvent {
  readonly revision: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
  readonly collection: string;
}

interface FakeWatch {
  readonly collection: string;
  readonly queue: Queue<readonly WatchFrame[]>;
}

/** Frames that may wait for a watcher before the test is told that it forgot one. */
const framesMax = 100_000;

/** The API as a transport; its requests are noted in `requests`, as `METHOD path?query`. */
export class FakeApi {
  /** Every request so far: `METHOD path?query`. */
  readonly requests: string[] = [];
  /** Whether a watch can begin with the objects there are; without, it is refused as older servers do. */
  streamsLists = true;
  readonly #objects = new Map<string, KubeObject>();
  readonly #history: StoredEvent[] = [];
  readonly #watches = new Set<FakeWatch>();
  readonly #failures: StatusError[] = [];
  #revision = 1;
  #compacted = 0;

  readonly handle: ApiHandler = (request) => Promise.resolve(this.#answer(request));

  /** The next requests are refused with these. */
  failNext(...errors: StatusError[]): void {
    this.#failures.push(...errors);
  }

  /** Ends every watch, as a server that restarts does. */
  endWatches(): void {
    for (const watch of this.#watches) watch.queue.close();
    this.#watches.clear();
  }

  /** Forgets the history: watches from before now answer 410. */
  compact(): void {
    this.#compacted = this.#revision;
    this.#history.length = 0;
  }

  get watchCount(): number {
    return this.#watches.size;
  }

  #answer(request: ApiRequest): ApiResponse {
    this.requests.push(`${request.method} ${request.path}${request.query === '' ? '' : `?${request.query}`}`);
    try {
      const failure = this.#failures.shift();
      if (failure !== undefined) throw failure;
      return this.#serve(request);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      return answer(error.code, error.status);
    }
  }

  #serve(request: ApiRequest): ApiResponse {
    const query = new URLSearchParams(request.query);
    const body = request.body?.kind === 'object' ? (request.body.object as KubeObject) : {};
    const path = request.path.replace(/\/(status|scale)$/, '');
    switch (request.method) {
      case 'GET':
        if (query.get('watch') === 'true') return this.#watch(request, query);
        if (this.#objects.has(path)) return answer(200, this.#objects.get(path));
        return isCollection(path) ? this.#list(path, query) : this.#notFound(path);
      case 'POST': {
        const to = `${path}/${body.metadata?.name ?? ''}`;
        if (this.#objects.has(to)) throw new StatusError({ code: 409, reason: 'AlreadyExists', message: to });
        const uid = `uid-${this.#revision + 1}`;
        return answer(201, this.#store(to, { ...body, metadata: { uid, ...body.metadata } }, 'ADDED'));
      }
      case 'PUT': {
        const old = this.#existing(path);
        const { resourceVersion } = body.metadata ?? {};
        if (resourceVersion !== undefined && resourceVersion !== old.metadata?.resourceVersion)
          throw new StatusError({ code: 409, reason: 'Conflict', message: path });
        return answer(200, this.#store(path, body, 'MODIFIED'));
      }
      case 'PATCH':
        return answer(200, this.#store(path, merge(this.#existing(path), body), 'MODIFIED'));
      case 'DELETE':
        this.#store(path, this.#existing(path), 'DELETED');
        return answer(200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 200 });
      default:
        throw new StatusError({ code: 405, reason: 'MethodNotAllowed', message: request.method });
    }
  }

  #existing(path: string): KubeObject {
    return this.#objects.get(path) ?? this.#notFound(path);
  }

  #notFound(path: string): never {
    throw new StatusError({ code: 404, reason: 'NotFound', message: `${path} not found` });
  }

  #store(path: string, object: KubeObject, type: StoredEvent['type']): KubeObject {
    const revision = ++this.#revision;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    if (type === 'DELETED') this.#objects.delete(path);
    else this.#objects.set(path, stored);
    const event = { revision, type, object: stored, collection: path.slice(0, path.lastIndexOf('/')) };
    this.#history.push(event);
    for (const watch of this.#watches)
      if (within(event.collection, watch.collection)) watch.queue.push([frame(type, stored)]);
    return stored;
  }

  #items(collection: string): readonly KubeObject[] {
    return [...this.#objects].flatMap(([path, object]) =>
      within(path.slice(0, path.lastIndexOf('/')), collection) ? [object] : [],
    );
  }

  /** With a limit, pages: the token to continue is the number of items that were given. */
  #list(collection: string, query: URLSearchParams): ApiResponse {
    const all = this.#items(collection);
    const start = Number(query.get('continue') ?? 0);
    const end = start + Number(query.get('limit') ?? all.length);
    const next = end < all.length ? { continue: String(end) } : {};
    const metadata = { resourceVersion: String(this.#revision), ...next };
    return answer(200, { apiVersion: 'v1', kind: 'List', metadata, items: all.slice(start, end) });
  }

  #watch(request: ApiRequest, query: URLSearchParams): ApiResponse {
    const isInitial = query.get('sendInitialEvents') === 'true';
    if (isInitial && !this.streamsLists)
      throw new StatusError({ code: 422, reason: 'Invalid', message: 'sendInitialEvents is forbidden' });
    const from = isInitial ? this.#revision : Number(query.get('resourceVersion') ?? 0);
    if (from < this.#compacted) throw expired(`too old resource version: ${from} (${this.#compacted})`);
    const queue = new Queue<readonly WatchFrame[]>({ limit: framesMax });
    if (isInitial)
      queue.push([...this.#items(request.path).map((object) => frame('ADDED', object)), initialEnd(this.#revision)]);
    const missed = this.#history.filter((event) => event.revision > from && within(event.collection, request.path));
    if (missed.length > 0) queue.push(missed.map((event) => frame(event.type, event.object)));
    const watch = { collection: request.path, queue };
    this.#watches.add(watch);
    const end = (): void => {
      this.#watches.delete(watch);
      queue.close();
    };
    request.signal.addEventListener('abort', end, { once: true });
    return { status: 200, headers: {}, body: { kind: 'watch', batches: queue } };
  }
}

/** Whether a collection path is `all`, or a namespace's part of it. */
function within(collection: string, all: string): boolean {
  return collection === all || collection.replace(/\/namespaces\/[^/]+\//, '/') === all;
}

function isCollection(path: string): boolean {
  return path.split('/').at(-1)!.endsWith('s');
}

function answer(status: number, object: unknown): ApiResponse {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: { kind: 'object', object, bytes: () => encode(object) },
  };
}

function frame(type: WatchFrame['type'], object: KubeObject): WatchFrame {
  return { type, object, bytes: () => encode({ type, object }) };
}

/** The bookmark after the objects that a watch begins with. */
function initialEnd(revision: number): WatchFrame {
  const annotations = { 'k8s.io/initial-events-end': 'true' };
  return frame('BOOKMARK', { metadata: { resourceVersion: String(revision), annotations } });
}

function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value)}\n`);
}

/** JSON merge patch. Source: RFC 7396. */
function merge(target: unknown, patch: unknown): KubeObject {
  if (!isObject(patch)) return patch as KubeObject;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = merge(result[name], value);
  }
  return result;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
