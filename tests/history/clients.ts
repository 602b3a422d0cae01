/** Many clients of a few objects, so that they get into each other's way, and what they see. */
import type { ConfigMap } from '#pkg/api/types/core-v1.ts';
import { configMaps } from '#pkg/api/types/refs.ts';
import { isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
import { aborted, sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import type { Client, ResourceClient } from '#pkg/client/client.ts';
import type { Call, History, Item, Seen } from './history.ts';

/** Of how many clients and objects it is; together 16 clients, as many as get in each other's way on a few objects. */
const writers = 12;
const watchers = 4;
const objects = 6;

/** Longest pause of a writer between two rounds: what a history of ten minutes can hold. */
const pauseMsMax = 40;
/** A call that takes longer counts as one whose end is not known. */
const callMsMax = 15_000;
/** How long one connection of a watch lasts, so that watches go on from where they were many times. */
const watchSeconds = 5;

const namespace = 'default';
const prefix = 'h-';
const marker = `${prefix}marker`;
const clock = new SystemClock();

/** What a client is given. */
interface Deps {
  readonly client: Client;
  readonly random: Random;
  readonly record: Recorder;
  readonly signal: AbortSignal;
}

class Recorder {
  readonly calls: Call[] = [];
  readonly counts = { conflicts: 0, unknown: 0, resumed: 0, expired: 0 };
  #moment = 0;

  moment(): number {
    return ++this.#moment;
  }
}

/** All clients, from their start until they have seen the last write. */
export class Clients {
  readonly record = new Recorder();
  readonly #watches: WatchClient[] = [];
  readonly #writing = new AbortController();
  readonly #watching = new AbortController();
  readonly #open: (() => Promise<void>)[] = [];
  #writersDone: Promise<unknown> = Promise.resolve();
  #watchersDone: Promise<unknown> = Promise.resolve();

  /** Starts them; `connect` gives each a connection of its own. */
  static async start(
    connect: () => Promise<{ readonly client: Client; close(): Promise<void> }>,
    seed: number,
  ): Promise<Clients> {
    const all = new Clients();
    const deps = async (index: number, signal: AbortSignal): Promise<Deps> => {
      const { client, close } = await connect();
      all.#open.push(close);
      return { client, random: new SeededRandom(seed * 1_000 + index), record: all.record, signal };
    };
    for (let index = 0; index < watchers; index++)
      all.#watches.push(new WatchClient(index, await deps(writers + index, all.#watching.signal)));
    all.#watchersDone = Promise.all(all.#watches.map((watch) => watch.run()));
    const made = await Promise.all(Array.from({ length: writers }, (_, index) => deps(index, all.#writing.signal)));
    all.#writersDone = Promise.all(made.map((each, index) => new WriteClient(index, each).run()));
    return all;
  }

  /** Lets the writers end, writes once more and waits until every watch has seen that; the site must be whole. */
  async finish(client: Client): Promise<History> {
    this.#writing.abort();
    await this.#writersDone;
    const random = new SeededRandom(0);
    const last = new WriteClient(writers + watchers, {
      client,
      random,
      record: this.record,
      signal: this.#watching.signal,
    });
    const revision = await last.mark();
    while (this.#watches.some((watch) => watch.to < revision)) await sleep(clock, 50);
    await last.list();
    this.#watching.abort();
    await this.#watchersDone;
    await Promise.all(this.#open.map((close) => close()));
    return { calls: this.record.calls, watches: this.#watches.flatMap((watch) => watch.segments) };
  }
}

class WriteClient {
  readonly #index: number;
  readonly #deps: Deps;
  readonly #resource: ResourceClient<ConfigMap>;
  #writes = 0;

  constructor(index: number, deps: Deps) {
    this.#index = index;
    this.#deps = deps;
    this.#resource = deps.client.resource(configMaps);
  }

  async run(): Promise<void> {
    const { random, signal } = this.#deps;
    while (!signal.aborted) {
      const name = `${prefix}${randomInt(random, objects)}`;
      const roll = random.next();
      if (roll < 0.1) await this.list();
      else await this.#round(name, roll);
      await sleep(clock, randomInt(random, pauseMsMax), signal);
    }
  }

  /** Reads an object, and then changes what it has read. */
  async #round(name: string, roll: number): Promise<void> {
    const read = await this.#call({ kind: 'get', name }, async (signal) => {
      const item = await this.#read(name, signal);
      return item === undefined ? {} : { found: item };
    });
    if (read === undefined || roll > 0.9) return;
    const precondition = read.found?.revision;
    const value = `${this.#index}-${++this.#writes}`;
    if (precondition === undefined) await this.#create(name, value);
    else if (roll < 0.3) await this.#delete(name, precondition);
    else await this.#update(name, value, precondition);
  }

  /** Writes an object of its own until that is acknowledged; gives the revision. */
  async mark(): Promise<number> {
    for (;;) {
      const made = await this.#create(marker, `${this.#index}-${++this.#writes}`);
      if (made?.revision !== undefined) return made.revision;
      const there = await this.#call({ kind: 'get', name: marker }, async (signal) => {
        const item = await this.#read(marker, signal);
        return item === undefined ? {} : { found: item };
      });
      if (there?.found !== undefined) return there.found.revision;
      await sleep(clock, pauseMsMax);
    }
  }

  list(): Promise<Call | undefined> {
    return this.#call({ kind: 'list', name: '' }, async (signal) => {
      const { items, metadata } = await this.#resource.list({ namespace, signal });
      return { revision: Number(metadata?.resourceVersion), items: items.filter(isOurs).map(itemOf) };
    });
  }

  async #read(name: string, signal: AbortSignal): Promise<Item | undefined> {
    try {
      return itemOf(await this.#resource.get(name, { namespace, signal }));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #create(name: string, value: string): Promise<Call | undefined> {
    return this.#call({ kind: 'create', name, value }, async (signal) => {
      const made = await this.#resource.create({ metadata: { name, namespace }, data: { value } }, { signal });
      return { revision: itemOf(made).revision };
    });
  }

  #update(name: string, value: string, precondition: number): Promise<Call | undefined> {
    return this.#call({ kind: 'update', name, value, precondition }, async (signal) => {
      const metadata = { name, namespace, resourceVersion: String(precondition) };
      return { revision: itemOf(await this.#resource.update({ metadata, data: { value } }, { signal })).revision };
    });
  }

  #delete(name: string, precondition: number): Promise<Call | undefined> {
    return this.#call({ kind: 'delete', name, precondition }, async (signal) => {
      await this.#resource.delete(name, {
        namespace,
        signal,
        preconditions: { resourceVersion: String(precondition) },
      });
      return {};
    });
  }

  /** Makes a call and records it: as one whose end is not known unless it was answered. Undefined for one that failed; what was refused did not happen. */
  async #call(
    what: Omit<Call, 'began' | 'client' | 'ended'>,
    perform: (signal: AbortSignal) => Promise<Partial<Call>>,
  ): Promise<Call | undefined> {
    const { record } = this.#deps;
    const base = { ...what, client: this.#index, began: record.moment() };
    try {
      const answer = await perform(AbortSignal.timeout(callMsMax));
      const call = { ...base, ...answer, ended: record.moment() };
      record.calls.push(call);
      return call;
    } catch (error) {
      if (isRefusal(error)) {
        record.counts.conflicts++;
        return undefined;
      }
      record.counts.unknown++;
      if (what.kind !== 'get' && what.kind !== 'list') record.calls.push(base);
      return undefined;
    }
  }
}

/** Whether the server has said that it did nothing. */
function isRefusal(error: unknown): boolean {
  return error instanceof StatusError && (error.code === 404 || error.code === 409);
}

class WatchClient {
  readonly segments: { readonly watcher: number; readonly from: number; to: number; readonly events: Seen[] }[] = [];
  readonly #index: number;
  readonly #deps: Deps;

  constructor(index: number, deps: Deps) {
    this.#index = index;
    this.#deps = deps;
  }

  /** The last revision that it has seen everything of. */
  get to(): number {
    return this.segments.at(-1)?.to ?? 0;
  }

  async run(): Promise<void> {
    const { signal, record } = this.#deps;
    while (!signal.aborted) {
      try {
        if (this.segments.length === 0) await this.#begin();
        await this.#follow();
        record.counts.resumed++;
      } catch (error) {
        if (error instanceof StatusError && error.code === 410) {
          record.counts.expired++;
          await this.#begin().catch(() => {});
        }
      }
      await Promise.race([sleep(clock, pauseMsMax), aborted(signal)]);
    }
  }

  /** Lists, and begins to watch from there: of what was between nothing is known. */
  async #begin(): Promise<void> {
    const { metadata } = await this.#deps.client
      .resource(configMaps)
      .list({ namespace, signal: AbortSignal.timeout(callMsMax) });
    const revision = Number(metadata?.resourceVersion);
    this.segments.push({ watcher: this.#index, from: revision, to: revision, events: [] });
  }

  /** One connection, from where the last one ended. */
  async #follow(): Promise<void> {
    const segment = this.segments.at(-1);
    if (segment === undefined) return;
    // A server that is stopped says nothing: then the connection is given up.
    const { signal: silence, heard } = silenceAfter(watchSeconds * 3_000);
    const signal = AbortSignal.any([this.#deps.signal, silence]);
    const from = { resourceVersion: String(segment.to), allowWatchBookmarks: true, timeoutSeconds: watchSeconds };
    for await (const batch of this.#deps.client.resource(configMaps).watch({ namespace, signal, ...from })) {
      heard();
      for (const event of batch) {
        const revision = Number(
          event.type === 'BOOKMARK' ? event.resourceVersion : event.object.metadata?.resourceVersion,
        );
        // What comes again or too late is kept as it came.
        if (event.type !== 'BOOKMARK' && isOurs(event.object))
          segment.events.push({ type: event.type, ...itemOf(event.object) });
        segment.to = Math.max(segment.to, revision);
      }
    }
  }
}

/** A signal that is aborted when nothing was heard for so long. */
function silenceAfter(durationMs: number): { readonly signal: AbortSignal; heard(): void } {
  const silence = new AbortController();
  let timer = clock.setTimeout(() => silence.abort(), durationMs);
  return {
    signal: silence.signal,
    heard: () => {
      timer.cancel();
      timer = clock.setTimeout(() => silence.abort(), durationMs);
    },
  };
}

function isOurs({ metadata }: ConfigMap): boolean {
  return metadata?.name?.startsWith(prefix) === true;
}

function itemOf({ metadata, data }: ConfigMap): Item {
  return { name: metadata?.name ?? '', value: data?.value ?? '', revision: Number(metadata?.resourceVersion) };
}
