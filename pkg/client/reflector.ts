/**
 * Keeps a sink in step with a resource: one list, then watches that each resume where the last one ended; a new list when the
 * server no longer has the history (410). Upstream counterpart: client-go `tools/cache/reflector.go`.
 */

import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { isExpired, StatusError } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import { Backoff } from './backoff.ts';
import type { ClientWatchEvent, ResourceClient } from './client.ts';
import type { InformerOptions } from './informer.ts';

/** Where the reflector puts what it learns. Called synchronously, in order. */
export interface ReflectorSink<T extends KubeObject> {
  /** The whole state: what is not in `objects` is gone. */
  replace(objects: readonly T[]): void;
  set(object: T): void;
  delete(object: T): void;
}

export interface ReflectorOptions<T extends KubeObject> {
  readonly resource: ResourceClient<T>;
  readonly select: InformerOptions;
  readonly sink: ReflectorSink<T>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Watches last from this long to twice as long. Default 300 s. */
  readonly watchSecondsMin?: number;
}

/** Back-off between failed lists and watches. */
const backoffInitialMs = 800;
const backoffMaxMs = 30_000;
/** Watches end by themselves after 5 to 10 minutes, at random so that a restarted server is not asked by all at once. */
const watchSecondsMinDefault = 300;
/** A watch that ends sooner than this without an event counts as failed: the server may be closing all of them. */
const watchShortMs = 1_000;

/** Lists and watches until `signal` is aborted. Never rejects. */
export async function runReflector<T extends KubeObject>(
  options: ReflectorOptions<T>,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random, log } = options;
  const backoff = new Backoff({ initialMs: backoffInitialMs, maxMs: backoffMaxMs, jitterFactor: 1, random });
  /** Where to watch from; undefined: list first. */
  let position: string | undefined;
  /** `'0'`: any state will do. After a first list: nothing older than that. `''`: the newest, when the server lost the history. */
  let listFrom = '0';
  while (!signal.aborted) {
    try {
      if (position === undefined) {
        position = await listOnce(options, { from: listFrom, signal });
        listFrom = position;
        backoff.reset();
      }
      const end = await watchOnce(options, { from: position, signal });
      position = end.position;
      listFrom = position;
      if (end.failed === undefined && !end.short) {
        backoff.reset();
        continue;
      }
      // It was a good connection until now: a server that restarts is not made to wait for the failures of last time.
      if (end.sawEvents || !end.short) backoff.reset();
      if (end.failed !== undefined) throw end.failed;
    } catch (error) {
      if (signal.aborted) return;
      if (isExpired(error)) {
        position = undefined;
        listFrom = '';
        log.debug('Watch expired, listing again', { error });
        continue;
      }
      if (isTooLarge(error)) {
        position = undefined;
        listFrom = '';
      }
      log.warn('List or watch failed, trying again', { error });
    }
    await sleep(clock, backoff.nextMs(), signal);
  }
}

/** The server is behind what was asked for, as after a restore from a backup. */
function isTooLarge(error: unknown): boolean {
  return (
    error instanceof StatusError &&
    error.status.details?.causes?.some((cause) => cause.reason === 'ResourceVersionTooLarge') === true
  );
}

async function listOnce<T extends KubeObject>(
  options: ReflectorOptions<T>,
  call: { readonly from: string; readonly signal: AbortSignal },
): Promise<string> {
  const version = call.from === '' ? {} : { resourceVersion: call.from };
  const list = await options.resource.list({ ...options.select, ...version, signal: call.signal });
  call.signal.throwIfAborted();
  options.sink.replace(list.items);
  return list.metadata.resourceVersion ?? '';
}

interface WatchEnd {
  /** Where the next watch goes on. */
  readonly position: string;
  readonly sawEvents: boolean;
  readonly short: boolean;
  readonly failed?: unknown;
}

async function watchOnce<T extends KubeObject>(
  options: ReflectorOptions<T>,
  call: { readonly from: string; readonly signal: AbortSignal },
): Promise<WatchEnd> {
  const { resource, select, sink, clock, random, watchSecondsMin = watchSecondsMinDefault } = options;
  const startMs = clock.monotonicMs();
  let position = call.from;
  let sawEvents = false;
  const short = (): boolean => !sawEvents && clock.monotonicMs() - startMs < watchShortMs;
  try {
    const watch = resource.watch({
      ...select,
      resourceVersion: call.from,
      allowWatchBookmarks: true,
      timeoutSeconds: Math.round(watchSecondsMin * (1 + random.next())),
      signal: call.signal,
    });
    for await (const batch of watch) {
      for (const event of batch) {
        position = apply(sink, event) ?? position;
        sawEvents = true;
      }
    }
    return { position, sawEvents, short: short() };
  } catch (failed) {
    return { position, sawEvents, short: short(), failed };
  }
}

/** Puts one event into the sink; returns the version it stands at. */
function apply<T extends KubeObject>(sink: ReflectorSink<T>, event: ClientWatchEvent<T>): string | undefined {
  switch (event.type) {
    case 'BOOKMARK':
      return event.resourceVersion;
    case 'DELETED':
      sink.delete(event.object);
      break;
    default:
      sink.set(event.object);
  }
  return event.object.metadata?.resourceVersion;
}
