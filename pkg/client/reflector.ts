/**
 * Keeps a sink in step with a resource: the whole state once, then watches that each resume where the last one ended; the state anew
 * when the server no longer has the history (410). The state comes as the beginning of a watch, object by object; from a server that
 * does not offer that, as a list in pages. Upstream counterpart: client-go `tools/cache/reflector.go`.
 */

import { type KubeObject, objectKey } from '#pkg/apimachinery/object.ts';
import { isExpired, StatusError } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import { Backoff } from './backoff.ts';
import type { ClientWatchEvent, ResourceClient } from './client.ts';
import type { InformerOptions } from './informer.ts';
import { listInPages } from './list-pages.ts';

/** Where the reflector puts what it learns. Called synchronously, in order. */
export interface ReflectorSink<T extends KubeObject> {
  /** The whole state: what is not in `objects` is gone. */
  replace(objects: readonly T[]): void;
  set(object: T): void;
  delete(object: T): void;
  /** The server does not serve the resource. It is asked again; what comes of it is told as ever. */
  absent?(): void;
}

/** What is followed, and who is told. */
export interface ReflectorOptions<T extends KubeObject> {
  readonly resource: ResourceClient<T>;
  readonly select: InformerOptions;
  readonly sink: ReflectorSink<T>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Watches last from this long to twice as long. Default 300 s, of a server in this process 1,800 s at first and then six hours. */
  readonly watchSecondsMin?: number;
  /** Whether the server is in this process (`Transport.isLocal`). Default false. */
  readonly isLocal?: boolean | undefined;
}

/** Back-off between failed lists and watches. */
const backoffInitialMs = 800;
const backoffMaxMs = 30_000;
/** Watches end by themselves after 5 to 10 minutes, at random so that a restarted server is not asked by all at once. */
const watchSecondsMinDefault = 300;
/**
 * As long as a server gives whoever names no time: shorter ones are for connections, so that one which is lost is noticed and a server that was
 * restarted gets its part of them.
 */
const localWatchSecondsMin = 1_800;
/** Of those that go on from where the last one ended: there is no connection, and nobody else to give their part of the watches to. */
const localWatchSecondsLater = 6 * 3_600;
/** A watch that ends sooner than this without an event counts as failed: the server may be closing all of them. */
const watchShortMs = 1_000;

/** Lists and watches until `signal` is aborted. Never rejects. */
export async function runReflector<T extends KubeObject>(
  options: ReflectorOptions<T>,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random, log } = options;
  const backoff = new Backoff({ initialMs: backoffInitialMs, maxMs: backoffMaxMs, jitterFactor: 1, random });
  const reflector = new Reflector(options, signal);
  let wasAbsent = false;
  while (!signal.aborted) {
    const { failed, wasGood, askOtherwise } = await reflector.follow();
    if (signal.aborted) return;
    if (askOtherwise) continue;
    // It was a good connection until now: a server that restarts is not made to wait for the failures of last time.
    if (wasGood) backoff.reset();
    if (failed === undefined && wasGood) continue;
    if (isAbsent(failed)) {
      if (!wasAbsent) log.warn('The server does not serve the resource, asking again', { error: failed });
      options.sink.absent?.();
    } else if (isExpired(failed)) log.debug('Watch expired, listing again', { error: failed });
    else if (failed !== undefined) log.warn('List or watch failed, trying again', { error: failed });
    wasAbsent = isAbsent(failed);
    await sleep(clock, backoff.nextMs(), signal);
  }
}

/** How following the server came to an end. */
interface FollowEnd {
  readonly failed: unknown;
  /** Whether it lasted, or brought news. */
  readonly wasGood: boolean;
  /** The server refused the form of the question, and there is another. */
  readonly askOtherwise: boolean;
}

class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #signal: AbortSignal;
  /** Where to watch from; undefined: the whole state first. */
  #position: string | undefined;
  /** The state may not be older than this: what the sink has seen. Empty: the newest. */
  #notBefore = '';
  /** Whether the server begins a watch with the objects there are. Assumed until it refuses. */
  #canStream = true;

  constructor(options: ReflectorOptions<T>, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  /** Follows the server until it ends the watch or something fails. */
  async follow(): Promise<FollowEnd> {
    const { clock } = this.#options;
    let sinceMs = clock.monotonicMs();
    let sawNews = false;
    let failed: unknown;
    let askOtherwise = false;
    try {
      if (this.#position === undefined && !this.#canStream) {
        await this.#list();
        sinceMs = clock.monotonicMs();
      }
      // While the state is still to come, what makes it up is gathered.
      let state = this.#position === undefined ? new Map<string, T>() : undefined;
      for await (const batch of this.#watch(state !== undefined)) {
        const news = state === undefined ? batch : this.#gather(state, batch);
        if (news === undefined) continue;
        state = undefined;
        sawNews = this.#applyAll(news) || sawNews;
      }
    } catch (error) {
      failed = error;
      askOtherwise = this.#learn(error);
    }
    return { failed, wasGood: sawNews || clock.monotonicMs() - sinceMs >= watchShortMs, askOtherwise };
  }

  async #list(): Promise<void> {
    const { resource, select, sink } = this.#options;
    const version = this.#notBefore === '' ? {} : { resourceVersion: this.#notBefore };
    const { items, resourceVersion } = await listInPages(resource, { ...select, ...version, signal: this.#signal });
    this.#signal.throwIfAborted();
    sink.replace(items);
    this.#moveTo(resourceVersion);
  }

  /** The events of one watch, which begins with the state where that `isWanted`. */
  #watch(isWanted: boolean): AsyncIterable<readonly ClientWatchEvent<T>[]> {
    const { resource, select, random, isLocal = false } = this.#options;
    const localSecondsMin = isWanted ? localWatchSecondsMin : localWatchSecondsLater;
    const { watchSecondsMin = isLocal ? localSecondsMin : watchSecondsMinDefault } = this.#options;
    return resource.watch({
      ...select,
      ...(this.#notBefore === '' ? {} : { resourceVersion: this.#notBefore }),
      ...(!isWanted ? {} : { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' }),
      // The state ends with one. Later ones are for those whose connection is cut, and who are told of a part alone: who is told of everything has
      // the newest event, behind which a server in this process has forgotten nothing.
      allowWatchBookmarks: isWanted || !isLocal || Object.values(select).some((part) => part !== undefined),
      timeoutSeconds: Math.round(watchSecondsMin * (1 + random.next())),
      signal: this.#signal,
    });
  }

  /** Adds events to the state that is still coming; once it is whole, hands it on and returns the events that follow it. */
  #gather(state: Map<string, T>, batch: readonly ClientWatchEvent<T>[]): readonly ClientWatchEvent<T>[] | undefined {
    for (const [index, event] of batch.entries()) {
      if (event.type === 'BOOKMARK') {
        if (!event.initialEventsEnd) continue;
        this.#options.sink.replace([...state.values()]);
        this.#moveTo(event.resourceVersion);
        return batch.slice(index + 1);
      }
      const key = objectKey(event.object);
      if (event.type === 'DELETED') state.delete(key);
      else state.set(key, event.object);
    }
    return undefined;
  }

  /** Puts events into the sink; whether there were any. */
  #applyAll(batch: readonly ClientWatchEvent<T>[]): boolean {
    const { sink } = this.#options;
    for (const event of batch) {
      if (event.type === 'DELETED') sink.delete(event.object);
      else if (event.type !== 'BOOKMARK') sink.set(event.object);
      const version = event.type === 'BOOKMARK' ? event.resourceVersion : event.object.metadata?.resourceVersion;
      if (version !== undefined) this.#moveTo(version);
    }
    return batch.length > 0;
  }

  #moveTo(version: string): void {
    this.#position = version;
    this.#notBefore = version;
  }

  /** What a failure says of the next try; whether that is to be another question, at once. */
  #learn(error: unknown): boolean {
    const isRefused = isRefusal(error);
    if (isRefused && this.#position === undefined && this.#canStream) {
      this.#canStream = false;
      return true;
    }
    if (isRefused || isExpired(error) || isTooLarge(error)) {
      this.#position = undefined;
      this.#notBefore = '';
    }
    return false;
  }
}

/** The server is behind what was asked for, as after a restore from a backup. */
function isTooLarge(error: unknown): boolean {
  return (
    error instanceof StatusError &&
    error.status.details?.causes?.some((cause) => cause.reason === 'ResourceVersionTooLarge') === true
  );
}

/** A collection exists while its resource is served, even one of a namespace that is not there. */
function isAbsent(error: unknown): boolean {
  return error instanceof StatusError && error.code === 404;
}

/** The server does not know what was asked of it. */
function isRefusal(error: unknown): boolean {
  return error instanceof StatusError && [400, 405, 422].includes(error.code);
}
