/**
 * Judges watches against what was committed, event by event as they come: a watch delivers the committed changes of its place after the revision that it
 * began at, each once, in order, until it ends; after 410 a new list is of a newer revision; and what clients have at the end is what there is.
 *
 * Knows nothing of any server: it is told of commits and of what clients see. Unlike `check.ts` it is told what is true and need not find it out, so it
 * takes a million events.
 */

/** One change as the store made it. */
export interface Commit {
  readonly revision: number;
  /** `<namespace>/<name>`. */
  readonly key: string;
  /** Absent: deleted. */
  readonly value?: string;
}

/** One event as a client got it. */
export interface WatchedEvent {
  readonly type: 'ADDED' | 'DELETED' | 'MODIFIED';
  readonly key: string;
  readonly revision: number;
  readonly value: string;
}

/** What a list found. */
export interface ListedItem {
  readonly key: string;
  readonly revision: number;
  readonly value: string;
}

interface Client {
  readonly prefix: string;
  /** The revision up to which it has seen everything. */
  seen: number;
  /** Index of the next commit that may concern it. */
  next: number;
  isWatching: boolean;
  /** Set after 410: lists must be of a newer revision than this. */
  expiredAt: number | undefined;
  readonly copy: Map<string, { readonly revision: number; readonly value: string }>;
}

/** Most problems that are kept. */
const problemsMax = 50;

/** Told in the order in which things happen: a commit before whoever sees it. */
export class WatchJudge {
  readonly problems: string[] = [];
  /** How many events were delivered to clients. */
  delivered = 0;
  /** How many watches were told that their revision is too old. */
  expired = 0;
  readonly #commits: Commit[] = [];
  readonly #clients = new Map<string, Client>();
  /** All versions of each object, in order. */
  readonly #versions = new Map<string, Commit[]>();

  get commits(): number {
    return this.#commits.length;
  }

  committed(commit: Commit): void {
    const last = this.#commits.at(-1)?.revision ?? 0;
    if (commit.revision <= last) this.#problem(`revision ${commit.revision} was committed after ${last}`);
    this.#commits.push(commit);
    const versions = this.#versions.get(commit.key);
    if (versions === undefined) this.#versions.set(commit.key, [commit]);
    else versions.push(commit);
  }

  /** A client of all keys that begin with `prefix` has listed them. */
  listed(
    name: string,
    prefix: string,
    { revision, items }: { readonly revision: number; readonly items: readonly ListedItem[] },
  ): void {
    const before = this.#clients.get(name);
    if (before?.expiredAt !== undefined && revision <= before.expiredAt)
      this.#problem(`${name}: the list after 410 is of ${revision}, no newer than ${before.expiredAt}`);
    if (before !== undefined && revision < before.seen)
      this.#problem(`${name}: a list of ${revision} comes after ${before.seen} was seen`);
    const copy = new Map(items.map(({ key, ...item }) => [key, item]));
    this.#compare(`${name}: the list of ${revision}`, copy, { prefix, revision });
    const next = this.#indexAfter(revision);
    this.#clients.set(name, { prefix, seen: revision, next, isWatching: false, expiredAt: undefined, copy });
  }

  /** It watches from what it has seen. */
  watches(name: string): void {
    const client = this.#clients.get(name);
    if (client === undefined) this.#problem(`${name} watches and has not listed`);
    else client.isWatching = true;
  }

  saw(name: string, event: WatchedEvent): void {
    this.delivered++;
    const client = this.#clients.get(name);
    if (client?.isWatching !== true) {
      this.#problem(`${name} sees ${textOf(event)} and does not watch`);
      return;
    }
    const commit = this.#nextOf(client);
    if (commit === undefined || commit.revision !== event.revision || commit.key !== event.key) {
      this.#problem(
        `${name}: ${textOf(event)} came where ${commit === undefined ? 'nothing' : textOf(commit)} was to come`,
      );
      // Goes on from there, so that one fault is told once.
      client.next = this.#indexAfter(event.revision);
    } else {
      client.next++;
      const had = client.copy.get(event.key);
      const type = commit.value === undefined ? 'DELETED' : had === undefined ? 'ADDED' : 'MODIFIED';
      if (event.type !== type) this.#problem(`${name}: ${textOf(event)} is ${event.type}, not ${type}`);
      const value = commit.value ?? had?.value;
      if (event.value !== value) this.#problem(`${name}: ${textOf(event)} shows ${event.value}, not ${value}`);
    }
    client.seen = event.revision;
    if (event.type === 'DELETED') client.copy.delete(event.key);
    else client.copy.set(event.key, event);
  }

  /** A bookmark: nothing of its place has changed up to there that it has not seen. */
  marked(name: string, revision: number): void {
    const client = this.#clients.get(name);
    if (client === undefined) return;
    const commit = this.#nextOf(client);
    if (commit !== undefined && commit.revision <= revision)
      this.#problem(`${name}: the bookmark ${revision} came before ${textOf(commit)}`);
    if (revision < client.seen) this.#problem(`${name}: the bookmark ${revision} comes after ${client.seen}`);
    client.seen = Math.max(client.seen, revision);
  }

  /** Its watch is over; `expired`: with 410. */
  ended(name: string, how: 'closed' | 'expired'): void {
    const client = this.#clients.get(name);
    if (client === undefined) return;
    client.isWatching = false;
    if (how !== 'expired') return;
    this.expired++;
    client.expiredAt = client.seen;
  }

  /** All is quiet: whoever watches has seen everything, and has what there is. */
  finish(): void {
    const revision = this.#commits.at(-1)?.revision ?? 0;
    for (const [name, client] of this.#clients) {
      const commit = this.#nextOf(client);
      if (!client.isWatching) this.#problem(`${name} does not watch at the end`);
      if (commit !== undefined) this.#problem(`${name} never saw ${textOf(commit)}`);
      this.#compare(`${name}: the copy at the end`, client.copy, { prefix: client.prefix, revision });
    }
  }

  #nextOf(client: Client): Commit | undefined {
    const { prefix } = client;
    while (client.next < this.#commits.length && this.#commits[client.next]?.key.startsWith(prefix) !== true)
      client.next++;
    return this.#commits[client.next];
  }

  /** Index of the first commit after a revision. */
  #indexAfter(revision: number): number {
    let [low, high] = [0, this.#commits.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#commits[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(
    who: string,
    copy: ReadonlyMap<string, { readonly revision: number; readonly value: string }>,
    { prefix, revision }: { readonly prefix: string; readonly revision: number },
  ): void {
    for (const [key, versions] of this.#versions) {
      if (!key.startsWith(prefix)) continue;
      const then = versions.findLast((version) => version.revision <= revision);
      const item = copy.get(key);
      const isSame =
        item === undefined ? then?.value === undefined : then?.value === item.value && then.revision === item.revision;
      if (!isSame)
        this.#problem(`${who} has ${key} of ${item?.revision ?? 'never'}, not of ${then?.revision ?? 'never'}`);
    }
    for (const key of copy.keys())
      if (!key.startsWith(prefix) || !this.#versions.has(key)) this.#problem(`${who} has ${key}, which nobody made`);
  }

  #problem(text: string): void {
    if (this.problems.length < problemsMax) this.problems.push(text);
  }
}

function textOf({ key, revision }: { readonly key: string; readonly revision: number }): string {
  return `${key} at ${revision}`;
}
