/**
 * One watch on all keys of an etcd, shared by the watches of this process. As every revision is some key's write, a feed of all keys is
 * at every moment known to be complete up to its last event, so no progress notifications are needed (those that are asked for
 * can overtake events before etcd 3.4.25 and 3.5.8).
 *
 * When the connection is lost the feed goes on from where it was; only when that fails for long, or when etcd has
 * compacted that place meanwhile, do the watches fail.
 */
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { GrpcStream, GrpcStreamSink } from '#pkg/grpc/grpc-connection.ts';
import { EventTail } from '../../event-tail.ts';
import {
  CompactedError,
  type StoreEvent,
  StoreUnavailableError,
  type Watch,
  type WatchOptions,
  type WatchSink,
} from '../../store.ts';
import { eventRevision, WatchHub } from '../../watch-hub.ts';
import { watchRequest, watchResponseOf } from './etcd-messages.ts';
import { endOfRevision, etcdRevision } from './etcd-revisions.ts';
import type { OwnWrites } from './own-writes.ts';

/** Recent events kept for watches that start a little in the past; older ones take a feed of their own. */
const tailLimits = { maxEvents: 2_000, maxBytes: 16 * 1024 * 1024 };

/** Attempts to reconnect before watches fail: with their delays, about a minute, in which a machine restarts. */
const reconnectAttemptsMax = 60;
const reconnectDelayMsFirst = 50;
const reconnectDelayMsMax = 1_000;

/** How the watch is opened, and from where. */
export interface EtcdFeedOptions {
  readonly open: (sink: GrpcStreamSink) => Promise<GrpcStream | undefined>;
  readonly own: OwnWrites;
  readonly clock: Clock;
  readonly log: Logger;
  /** The first revision of the feed. */
  readonly fromRevision: number;
  /** Called once when the feed has failed or was closed. */
  readonly onEnd: () => void;
}

/** The feed, until it fails or is closed; then another is made. */
export class EtcdFeed {
  readonly #options: EtcdFeedOptions;
  readonly #hub: WatchHub;
  readonly #controller = new AbortController();
  /** The last events up to `#position`. */
  readonly #tail: EventTail;
  #position: number;
  #stream: GrpcStream | undefined;
  #endWatching: ((error: Error) => void) | undefined;
  #running: Promise<void> | undefined;

  constructor(options: EtcdFeedOptions) {
    this.#options = options;
    this.#position = options.fromRevision - 1;
    this.#tail = new EventTail(tailLimits, this.#position);
    const position = (): number => this.#position;
    const log = {
      get revision() {
        return position();
      },
      since: (fromRevision: number, prefix: string) => this.#since(fromRevision, prefix),
    };
    this.#hub = new WatchHub(log, { tellProgress: true });
  }

  /** Whether a watch may start here at `fromRevision`. */
  covers(fromRevision: number): boolean {
    return fromRevision > this.#tail.startRevision;
  }

  /** Forgets the events before `revision`. */
  compact(revision: number): void {
    this.#tail.forget(Math.min(revision - 1, this.#position));
  }

  watch(options: WatchOptions, sink: WatchSink): Watch {
    this.#running ??= this.#run();
    return this.#hub.watch(options, sink);
  }

  /** Ends the feed and, with `error`, its watches. */
  async close(error: Error): Promise<void> {
    this.#end(error);
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#controller;
    let attempts = 0;
    let delayMs = reconnectDelayMsFirst;
    while (!signal.aborted) {
      const before = this.#position;
      const error = await this.#connect();
      if (signal.aborted) return;
      if (error instanceof CompactedError) {
        this.#end(error);
        return;
      }
      if (this.#position > before) {
        attempts = 0;
        delayMs = reconnectDelayMsFirst;
      }
      if (++attempts > reconnectAttemptsMax) {
        this.#end(new StoreUnavailableError('Cannot watch etcd as the connection is lost', error));
        return;
      }
      log.debug('Watch on etcd was interrupted', { error, attempts, revision: this.#position });
      await sleep(clock, delayMs, signal);
      delayMs = Math.min(delayMs * 2, reconnectDelayMsMax);
    }
  }

  /** Watches until the stream ends; resolves with the reason. */
  async #connect(): Promise<Error> {
    const { promise, resolve } = Promise.withResolvers<Error>();
    let isOver = false;
    const over = (error: Error): void => {
      isOver = true;
      resolve(error);
    };
    try {
      const stream = await this.#options.open({
        onMessage: (message) => {
          if (isOver) return;
          const ended = this.#receive(message);
          if (ended !== undefined) over(ended);
        },
        onEnd: over,
      });
      this.#stream = stream;
      if (this.#controller.signal.aborted) over(new Error('the feed was closed'));
      else stream?.write(watchRequest(this.#position + 1));
      this.#endWatching = over;
      const error = await promise;
      stream?.close();
      return error;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      this.#stream = undefined;
      this.#endWatching = undefined;
    }
  }

  /** Takes a response; returns why the watch is over when it says so. */
  #receive(message: Uint8Array): Error | undefined {
    const response = watchResponseOf(message);
    if (response.compactRevision > 0) return new CompactedError(response.compactRevision);
    if (response.isCanceled) return new Error(`etcd cancelled the watch: ${response.cancelReason}`);
    const events: StoreEvent[] = [];
    for (const event of response.events) {
      if (event === undefined) return new CompactedError(this.#position + 2);
      if (eventRevision(event) > this.#position) events.push(this.#kept(event));
    }
    const last = events[events.length - 1];
    if (last === undefined) return undefined;
    // Of a revision all writes come together.
    this.#position = endOfRevision(etcdRevision(eventRevision(last)));
    for (const event of events) this.#tail.push(event);
    this.#hub.publish(events, this.#position);
    return undefined;
  }

  /** The event with bytes that hold nothing else in memory. */
  #kept(event: StoreEvent): StoreEvent {
    if (event.type === 'delete') return event;
    const { kv } = event;
    return { ...event, kv: { ...kv, value: this.#options.own.take(kv.key, kv.value) } };
  }

  #since(fromRevision: number, prefix: string): StoreEvent[] {
    if (!this.covers(fromRevision)) throw new CompactedError(this.#tail.startRevision + 1);
    return this.#tail.since(fromRevision, prefix);
  }

  #end(error: Error): void {
    if (this.#controller.signal.aborted) return;
    this.#controller.abort();
    this.#stream?.close();
    this.#endWatching?.(error);
    this.#options.onEnd();
    this.#hub.fail(error);
  }
}
