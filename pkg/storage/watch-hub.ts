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
}

/** How much watches hear. */
export interface WatchHubOptions {
  /**
   * Whether every watch hears of every revision, also when none of its keys changed. For drivers without `localRevision`, whose
   * callers have no other way to know how far a watch has come.
   */
  readonly tellProgress: boolean;
}

/** The watches of one driver. */
export class WatchHub {
  readonly #log: EventLog;
  readonly #tellProgress: boolean;
  readonly #watchers = new Set<Watcher>();
  /** The watches of one resource, by the part of their prefix that names it: a write concerns one of them, not all. */
  readonly #byResource = new Map<string, Set<Watcher>>();
  /** Watches whose prefix is shorter than that. */
  readonly #broad = new Set<Watcher>();
  #publishing = false;

  constructor(log: EventLog, options: WatchHubOptions = { tellProgress: false }) {
    this.#log = log;
    this.#tellProgress = options.tellProgress;
  }

  watch(options: WatchOptions, sink: WatchSink): Watch {
    const watcher: Watcher = { prefix: options.prefix, fromRevision: options.fromRevision, sink };
    this.#watchers.add(watcher);
    void Promise.resolve().then(() => this.#start(watcher));
    return { close: () => this.#remove(watcher) };
  }

  /** Gives `events`, which are all those up to `revision` since the last call, to the watches they concern. */
  publish(events: readonly StoreEvent[], revision: number): void {
    assert(!this.#publishing, 'a watch sink wrote to the store before it returned');
    this.#publishing = true;
    try {
      if (this.#broad.size > 0) this.#give(events, revision, this.#broad);
      if (this.#tellProgress) {
        const divided = byResource(events);
        for (const [resource, watchers] of this.#byResource)
          this.#give(divided.get(resource) ?? noEvents, revision, watchers);
        return;
      }
      if (events.length === 1) {
        const watchers = this.#byResource.get(resourceOf(eventKey(events[0]!)) ?? '');
        if (watchers !== undefined) this.#give(events, revision, watchers);
        return;
      }
      for (const [resource, wanted] of byResource(events)) {
        const watchers = this.#byResource.get(resource);
        if (watchers !== undefined) this.#give(wanted, revision, watchers);
      }
    } finally {
      this.#publishing = false;
    }
  }

  #give(events: readonly StoreEvent[], revision: number, watchers: ReadonlySet<Watcher>): void {
    for (const watcher of watchers) {
      const wanted = select(events, watcher);
      if (wanted.length > 0 || this.#tellProgress) watcher.sink.onEvents(wanted, revision);
    }
  }

  /** Ends all watches with an error. */
  fail(error: Error): void {
    const watchers = [...this.#watchers];
    this.#watchers.clear();
    this.#byResource.clear();
    this.#broad.clear();
    for (const watcher of watchers) watcher.sink.onError(error);
  }

  #start(watcher: Watcher): void {
    if (!this.#watchers.has(watcher)) return;
    let past: readonly StoreEvent[];
    try {
      past = this.#log.since(watcher.fromRevision, watcher.prefix);
    } catch (error) {
      this.#remove(watcher);
      watcher.sink.onError(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.#group(watcher).add(watcher);
    if (past.length > 0 || this.#tellProgress) watcher.sink.onEvents(past, this.#log.revision);
  }

  #remove(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    this.#broad.delete(watcher);
    const resource = resourceOf(watcher.prefix);
    const group = resource === undefined ? undefined : this.#byResource.get(resource);
    if (group?.delete(watcher) && group.size === 0) this.#byResource.delete(resource!);
  }

  /** Where a watch is found that has started. */
  #group({ prefix }: Watcher): Set<Watcher> {
    const resource = resourceOf(prefix);
    if (resource === undefined) return this.#broad;
    const group = this.#byResource.get(resource) ?? new Set();
    this.#byResource.set(resource, group);
    return group;
  }
}

/** `/registry/<resource>/`, or the group of a custom resource, of a key or prefix; undefined where it is shorter. */
function resourceOf(key: string): string | undefined {
  let end = 0;
  for (let slashes = 1; slashes < 3; slashes++) {
    end = key.indexOf('/', end + 1);
    if (end < 0) return undefined;
  }
  return key.slice(0, end + 1);
}

const noEvents: readonly StoreEvent[] = [];

/** The events of each resource. */
function byResource(events: readonly StoreEvent[]): ReadonlyMap<string, readonly StoreEvent[]> {
  const divided = new Map<string, StoreEvent[]>();
  for (const event of events) {
    const resource = resourceOf(eventKey(event));
    if (resource === undefined) continue;
    const same = divided.get(resource);
    if (same === undefined) divided.set(resource, [event]);
    else same.push(event);
  }
  return divided;
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
  for (const event of events) if (!wants(watcher, event)) return events.filter((one) => wants(watcher, one));
  return events;
}

function wants({ prefix, fromRevision }: Watcher, event: StoreEvent): boolean {
  return eventKey(event).startsWith(prefix) && eventRevision(event) >= fromRevision;
}
