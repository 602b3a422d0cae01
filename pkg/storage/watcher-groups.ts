/**
 * The watchers of one cache, grouped by prefix, so that an event is looked at once per prefix length in use and not once per
 * watcher: with a watcher per node and per namespace that is the difference between a few look-ups and thousands.
 */
import type { CacheEvent, CacheSink } from './cache.ts';

interface Group {
  readonly prefix: string;
  readonly sinks: Set<CacheSink>;
}

/** The watchers of one cache. */
export class WatcherGroups {
  readonly #groups = new Map<string, Group>();
  /** Those that want to hear how far the resource has come. */
  readonly #followers = new Set<CacheSink>();
  /** How many groups have a prefix of each length. */
  readonly #lengths = new Map<number, number>();
  /** The lengths alone, as each event is looked at once for each. */
  #lengthList: readonly number[] = [];

  /** Whether `progress` has anybody to tell. */
  get hasFollowers(): boolean {
    return this.#followers.size > 0;
  }

  add(prefix: string, sink: CacheSink): void {
    if (sink.wantsProgress !== false) this.#followers.add(sink);
    const group = this.#groups.get(prefix);
    if (group !== undefined) {
      group.sinks.add(sink);
      return;
    }
    this.#groups.set(prefix, { prefix, sinks: new Set([sink]) });
    this.#lengths.set(prefix.length, (this.#lengths.get(prefix.length) ?? 0) + 1);
    this.#lengthList = [...this.#lengths.keys()];
  }

  remove(prefix: string, sink: CacheSink): void {
    this.#followers.delete(sink);
    const group = this.#groups.get(prefix);
    if (group === undefined || !group.sinks.delete(sink) || group.sinks.size > 0) return;
    this.#groups.delete(prefix);
    const left = this.#lengths.get(prefix.length)! - 1;
    if (left === 0) this.#lengths.delete(prefix.length);
    else this.#lengths.set(prefix.length, left);
    this.#lengthList = [...this.#lengths.keys()];
  }

  /** Removes and returns all. */
  clear(): CacheSink[] {
    const sinks = this.sinks();
    this.#groups.clear();
    this.#followers.clear();
    this.#lengths.clear();
    this.#lengthList = [];
    return sinks;
  }

  sinks(): CacheSink[] {
    return [...this.#groups.values()].flatMap((group) => [...group.sinks]);
  }

  /** Gives each watcher those events that start with its prefix, in one call. */
  deliver(events: readonly CacheEvent[]): void {
    if (this.#groups.size === 0) return;
    if (events.length === 1) {
      this.#deliverOne(events);
      return;
    }
    for (const [group, wanted] of this.#divide(events)) {
      for (const sink of group.sinks) sink.onEvents(wanted);
    }
  }

  /** Tells those who want to know how far their unchanged resource has come. */
  progress(revision: number): void {
    for (const sink of this.#followers) sink.onProgress(revision);
  }

  #deliverOne(events: readonly CacheEvent[]): void {
    const { key } = events[0]!.entry;
    for (const length of this.#lengthList) {
      const group = length > key.length ? undefined : this.#groups.get(key.slice(0, length));
      if (group !== undefined) for (const sink of group.sinks) sink.onEvents(events);
    }
  }

  #divide(events: readonly CacheEvent[]): Map<Group, CacheEvent[]> {
    const divided = new Map<Group, CacheEvent[]>();
    for (const event of events) {
      const { key } = event.entry;
      for (const length of this.#lengthList) {
        if (length > key.length) continue;
        const group = this.#groups.get(key.slice(0, length));
        if (group === undefined) continue;
        const wanted = divided.get(group);
        if (wanted === undefined) divided.set(group, [event]);
        else wanted.push(event);
      }
    }
    return divided;
  }
}
