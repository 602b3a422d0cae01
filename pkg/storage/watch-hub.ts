/**
 * Hands the writes of a local driver to its watches. The driver publishes each write (or group of writes) once, in revision
 * order; a watch that starts in the past is first given what the driver's log holds.
 *
 * Invariant: a started watch has been given every event of its prefix from `fromRevision` up to the last published revision.
 * A watch starts one microtask after `watch()` returned, so that the caller holds its handle when the sink is first called.
 */
import { assert } from '#pkg/base/assert.ts';
import type { StoreEvent, Watch, WatchOptions, WatchSink } from './store.ts';

/** The recent past of the driver that a hub serves. */
export interface EventLog {
  /** The revision up to which everything was published. */
  readonly revision: number;
  /** Events of the prefix from `fromRevision` up to `revision`. Throws `CompactedError` when the log does not reach back that far. */
  since(fromRevision: number, prefix: string): readonly StoreEvent[];
}

interface Watcher {
  readonly prefix: string;
  readonly fromRevision: number;
  readonly sink: WatchSink;
  started: boolean;
}

export interface WatchHubOptions {
  /**
   * Whether every watch hears of every revision, also when none of its keys changed. For drivers without `localRevision`, whose
   * callers have no other way to know how far a watch has come.
   */
  readonly tellProgress: boolean;
}

export class WatchHub {
  readonly #log: EventLog;
  readonly #tellProgress: boolean;
  readonly #watchers = new Set<Watcher>();
  #publishing = false;

  constructor(log: EventLog, options: WatchHubOptions = { tellProgress: false }) {
    this.#log = log;
    this.#tellProgress = options.tellProgress;
  }

  watch(options: WatchOptions, sink: WatchSink): Watch {
    const watcher: Watcher = { prefix: options.prefix, fromRevision: options.fromRevision, sink, started: false };
    this.#watchers.add(watcher);
    void Promise.resolve().then(() => this.#start(watcher));
    return { close: () => void this.#watchers.delete(watcher) };
  }

  /** Gives `events`, which are all those up to `revision` since the last call, to the watches they concern. */
  publish(events: readonly StoreEvent[], revision: number): void {
    assert(!this.#publishing, 'a watch sink wrote to the store before it returned');
    this.#publishing = true;
    try {
      for (const watcher of this.#watchers) {
        if (!watcher.started) continue;
        const wanted = select(events, watcher);
        if (wanted.length > 0 || this.#tellProgress) watcher.sink.onEvents(wanted, revision);
      }
    } finally {
      this.#publishing = false;
    }
  }

  /** Ends all watches with an error. */
  fail(error: Error): void {
    const watchers = [...this.#watchers];
    this.#watchers.clear();
    for (const watcher of watchers) watcher.sink.onError(error);
  }

  #start(watcher: Watcher): void {
    if (!this.#watchers.has(watcher)) return;
    let past: readonly StoreEvent[];
    try {
      past = this.#log.since(watcher.fromRevision, watcher.prefix);
    } catch (error) {
      this.#watchers.delete(watcher);
      watcher.sink.onError(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    watcher.started = true;
    if (past.length > 0 || this.#tellProgress) watcher.sink.onEvents(past, this.#log.revision);
  }
}

/** The revision of the write that an event tells of. */
export function eventRevision(event: StoreEvent): number {
  return event.type === 'put' ? event.kv.modRevision : event.revision;
}

/** The key that an event concerns. */
export function eventKey(event: StoreEvent): string {
  return event.type === 'put' ? event.kv.key : event.key;
}

function select(events: readonly StoreEvent[], watcher: Watcher): readonly StoreEvent[] {
  const wants = (event: StoreEvent): boolean =>
    eventKey(event).startsWith(watcher.prefix) && eventRevision(event) >= watcher.fromRevision;
  if (events.length === 1) return wants(events[0]!) ? events : [];
  return events.filter(wants);
}
