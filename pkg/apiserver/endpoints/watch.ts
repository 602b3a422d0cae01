/**
 * WATCH: the events of a collection as they happen, from where the options say (`watch-stream.ts` has the stream of one watcher).
 * Source: API concepts, "efficient detection of changes", "streaming lists"; apiserver `storage/cacher/cache_watcher.go`.
 */
import { Buffer } from 'node:buffer';
import { setMaxListeners } from 'node:events';
import { encodeProtobuf } from '#pkg/api/protobuf/codec.ts';
import { parseFieldSelector, requiredFieldValue } from '#pkg/apimachinery/field-selector.ts';
import type { ApiResponse, WatchFrame } from '#pkg/apimachinery/http.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { badRequest, expired, type StatusError } from '#pkg/apimachinery/status-error.ts';
import type { Timer } from '#pkg/base/clock.ts';
import { randomInt } from '#pkg/base/random.ts';
import type { CacheWatch } from '#pkg/storage/cache.ts';
import { CompactedError } from '#pkg/storage/store.ts';
import { negotiate } from '../negotiation.ts';
import { jsonType, toStatusError } from '../responses.ts';
import type { StoredEntry } from '../storage/object-codec.ts';
import { storeError } from '../storage/resource-store.ts';
import { entryFrame, objectFrame } from '../watch-frame.ts';
import { WatchStream } from '../watch-stream.ts';
import { watchField } from './field-watches.ts';
import { currentEntries } from './list.ts';
import { type ListOptions, parseListOptions, parseVersion, waitForVersion } from './list-options.ts';
import type { Scope } from './scope.ts';
import { parseSelection, type Selection } from './selection.ts';

/** How long a watch lives that does not say: this, plus up to as much again. Source: `--min-request-timeout`. */
const watchSecondsMin = 1_800;

const watchHeaders = { 'content-type': jsonType };

function errorFrame(error: Error): WatchFrame {
  return objectFrame('ERROR', watchError(error).status as KubeObject);
}

function watchError(error: unknown): StatusError {
  if (error instanceof CompactedError) return expired(`too old resource version (${error.compactedRevision})`);
  return toStatusError(storeError(error));
}

/** Answers a watch. */
export async function watchObjects(scope: Scope): Promise<ApiResponse> {
  const { core, served, request } = scope;
  const sendsInitial = core.features.isOn('WatchList');
  const options = withName(scope, parseListOptions(scope.info.query, { isWatch: true, sendsInitial }));
  const selection = parseSelection(served, options);
  const initial = wantsInitial(options);
  const after =
    initial || wantsNow(options) ? await waitForVersion(scope, options.resourceVersion) : await start(scope, options);
  const mark = options.allowBookmarks ? (revision: number) => bookmark(scope, revision, false) : undefined;
  const stream = new WatchStream({ view: served.view, selection, bookmark: mark, errorFrame });
  if (initial) {
    const entries = currentEntries(scope, { selection, revision: after });
    stream.begin(
      initialFrames(scope, options, { entries: isArray(entries) ? entries : await entries, revision: after }),
    );
  }
  try {
    const watch = openWatch(scope, { selection, afterRevision: after, stream });
    endOn(scope, { stream, watch, options, selection });
  } catch (error) {
    if (!(error instanceof CompactedError)) throw storeError(error);
    stream.begin([objectFrame('ERROR', tooOld(after, error).status)]);
    stream.close();
  }
  if (request.signal.aborted || core.stopping.aborted) stream.close();
  return { status: 200, headers: watchHeaders, body: { kind: 'watch', batches: stream, ready: stream } };
}

/** The older form of a watch of one object has its name in the path. */
function withName({ info }: Scope, options: ListOptions): ListOptions {
  const name = info.parts[1];
  if (name === undefined) return options;
  const selected = parseFieldSelector(options.fieldSelector);
  if (
    selected.ok &&
    selected.selector.terms.length > 0 &&
    requiredFieldValue(selected.selector, 'metadata.name') !== name
  ) {
    throw badRequest("fieldSelector metadata.name doesn't match requested name");
  }
  const terms = options.fieldSelector === '' ? [] : [options.fieldSelector];
  return { ...options, fieldSelector: [`metadata.name=${name}`, ...terms].join(',') };
}

/** The version that a watch begins after; one from the future is waited for by the watch itself, which is silent until then. */
async function start({ served }: Scope, { resourceVersion }: ListOptions): Promise<number> {
  const after = parseVersion(resourceVersion);
  const { feed } = served.store;
  // A cache that was not asked before is empty, and one of a store elsewhere may be behind.
  if (feed.revision < after) await feed.fresh();
  return after;
}

function openWatch(
  scope: Scope,
  { selection, afterRevision, stream }: { selection: Selection; afterRevision: number; stream: WatchStream },
): CacheWatch {
  const { cache, feed } = scope.served.store;
  const prefix = watchPrefix(scope, selection);
  const indexed = selection?.indexed;
  if (indexed === undefined || cache === undefined) return feed.watch({ prefix, afterRevision }, stream);
  return watchField(cache, { ...indexed, prefix, afterRevision }, stream);
}

/** The keys to watch: where the selection names one object, no more than those that begin like it. */
function watchPrefix({ served, info }: Scope, selection: Selection): string {
  const isKeyKnown = selection?.name !== undefined && (!served.info.namespaced || info.namespace !== '');
  return isKeyKnown ? served.store.key(info.namespace, selection.name) : served.store.scope(info.namespace);
}

function tooOld(after: number, error: CompactedError): StatusError {
  return expired(`too old resource version: ${after} (${error.compactedRevision})`);
}

function isArray<T>(value: readonly T[] | Promise<readonly T[]>): value is readonly T[] {
  return Array.isArray(value);
}

/** Whether the watch begins with the objects there are. */
function wantsInitial(options: ListOptions): boolean {
  if (options.sendInitialEvents !== undefined) return options.sendInitialEvents;
  return options.resourceVersion === '' || options.resourceVersion === '0';
}

/** Whether, without initial events, it begins now. */
function wantsNow(options: ListOptions): boolean {
  return options.resourceVersion === '' || options.resourceVersion === '0';
}

function initialFrames(
  scope: Scope,
  options: ListOptions,
  { entries, revision }: { entries: readonly StoredEntry[]; revision: number },
): WatchFrame[] {
  const { view } = scope.served;
  const frames: WatchFrame[] = entries.map((entry) => entryFrame('ADDED', entry, view));
  if (options.sendInitialEvents === true && options.allowBookmarks) frames.push(bookmark(scope, revision, true));
  return frames;
}

function bookmark(scope: Scope, revision: number, initialEventsEnd: boolean): WatchFrame {
  const { info, apiVersion } = scope.served;
  const annotations = initialEventsEnd ? { annotations: initialEventsEndOf(scope) } : {};
  const metadata = { resourceVersion: String(revision), creationTimestamp: null as unknown as string, ...annotations };
  return objectFrame('BOOKMARK', { kind: info.kind, apiVersion, metadata });
}

/**
 * Says that the initial events end, and how the list looks that they make up: an empty one in the form of the answer, from which
 * client-go makes the list it would have been given. Source: apiserver `endpoints/handlers/response.go` `watchListTransformer`.
 */
function initialEventsEndOf({ request, info, served }: Scope): Readonly<Record<string, string>> {
  const { as, format, version } = negotiate(request, { query: info.query, isWatch: true, hasTable: true });
  const isMetadata = as === 'PartialObjectMetadata';
  const list = {
    kind: isMetadata ? 'PartialObjectMetadataList' : served.info.listKind,
    apiVersion: isMetadata ? `meta.k8s.io/${version}` : served.apiVersion,
    metadata: {},
    items: null,
  };
  const encoded = format === 'protobuf' ? encodeProtobuf(list) : undefined;
  return {
    'k8s.io/initial-events-end': 'true',
    'kubernetes.io/initial-events-list-blueprint': Buffer.from(encoded ?? `${JSON.stringify(list)}\n`).toString(
      'base64',
    ),
  };
}

/** Ties the stream's end to the caller, the server and the clock, and releases all of it when the stream ends. */
function endOn(
  { core, info, request, served }: Scope,
  {
    stream,
    watch,
    options,
    selection,
  }: { stream: WatchStream; watch: CacheWatch; options: ListOptions; selection: Selection },
): void {
  const seconds = options.timeoutSeconds || watchSecondsMin + randomInt(core.random, watchSecondsMin);
  // Those of this process live by its time, as what they are started anew by does.
  const clock = request.peer.address === '' ? core.clock : core.networkClock;
  const timer: Timer = clock.setTimeout(() => stream.close(), seconds * 1_000);
  const onAbort = (): void => stream.close();
  // A component's watches all end with the one signal it runs by.
  setMaxListeners(0, request.signal);
  request.signal.addEventListener('abort', onAbort, { once: true });
  core.stopping.addEventListener('abort', onAbort, { once: true });
  // As upstream the watch of a resource that is no longer served just ends; who comes back finds nothing.
  const forget = served.store.whenClosed(onAbort);
  const running = core.counts.watches(info);
  running.value++;
  // Those of one value of an indexed field are told of few changes.
  const uncount = selection?.indexed === undefined ? core.counts.watchCounts.add(info) : undefined;
  stream.whenClosed(() => {
    running.value--;
    uncount?.();
    forget();
    watch.close();
    timer.cancel();
    request.signal.removeEventListener('abort', onAbort);
    core.stopping.removeEventListener('abort', onAbort);
  });
}
