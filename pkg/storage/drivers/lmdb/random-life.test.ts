/**
 * Random lives of a folder against a model of the store: writes of hot and cold keys of all sizes, compactions beside them, kills, closings, snapshots, and everything
 * that can be read in between. `STORE_LIVES=1000` tries harder; `STORE_LIVES_FROM=` begins at another seed.
 */
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Store, StoreEvent } from '../../store.ts';
import { segmentNames } from './journal-frames.ts';
import { openLmdbSnapshot } from './lmdb-snapshot.ts';
import { openLmdbStore } from './lmdb-store.ts';

const lives = Number(process.env.STORE_LIVES ?? 12);
const firstSeed = Number(process.env.STORE_LIVES_FROM ?? 0);

const cold = { prefixes: ['/cold/'], sample: '{"kind":"Event"}' };
const sizes = [1, 50, 3_000, 5_000, 60_000, 300_000];
const keysOfKind = 20;

/** What a key held. */
interface Version {
  readonly key: string;
  readonly text: string;
  readonly create: number;
  readonly revision: number;
}

/** A write that was acknowledged; without a text it is a deletion. */
interface Change {
  readonly key: string;
  readonly revision: number;
  readonly text?: string;
}

/** Values are told by their length and their beginning. */
const textOf = (value: Uint8Array): string => `${value.length}:${Buffer.from(value.subarray(0, 24))}`;
const lineOf = ({ key, text, create, revision }: Version): string => `${key}@${create}/${revision}=${text}`;

/** All that was acknowledged, and what follows from it. */
class Model {
  readonly changes: Change[] = [];
  compacted = 0;

  get last(): number {
    return this.changes.at(-1)?.revision ?? 1;
  }

  /** What exists at a revision, in key order. */
  at(revision: number): Version[] {
    const found = new Map<string, Version>();
    for (const { key, text, revision: of } of this.changes) {
      if (of > revision) break;
      const create = found.get(key)?.create ?? of;
      if (text === undefined) found.delete(key);
      else found.set(key, { key, text, create, revision: of });
    }
    return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  now(key: string): Version | undefined {
    return this.at(this.last).find((version) => version.key === key);
  }

  /** The events from a revision on. */
  since(revision: number): string[] {
    const before = new Map(this.at(revision - 1).map(({ key, text, revision: of }) => [key, `${of}:${text}`]));
    const lines: string[] = [];
    for (const { key, text, revision: of } of this.changes) {
      if (of < revision) continue;
      lines.push(`${key}@${of}=${text} was ${before.get(key)}`);
      if (text === undefined) before.delete(key);
      else before.set(key, `${of}:${text}`);
    }
    return lines;
  }
}

function eventLine(event: StoreEvent): string {
  const before = event.previous;
  const was = before && `${before.modRevision}:${textOf(before.value)}`;
  if (event.type === 'delete') return `${event.key}@${event.revision}=undefined was ${was}`;
  return `${event.kv.key}@${event.kv.modRevision}=${textOf(event.kv.value)} was ${was}`;
}

/** One folder and who uses it. */
class Life {
  readonly #random: SeededRandom;
  readonly #model = new Model();
  readonly #seed: number;
  #directory = testFolder();
  #store: Store | undefined;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
  }

  get #open(): Store {
    if (this.#store === undefined) throw new Error('It is not open');
    return this.#store;
  }

  #below(count: number): number {
    return randomInt(this.#random, count);
  }

  async live(): Promise<void> {
    await this.#reopen();
    const acts = [() => this.#compact(), () => this.#closed(), () => this.#killed(), () => this.#snapshot()];
    for (let left = 10 + this.#below(50); left > 0; left--) {
      const act = this.#below(20);
      if (act < 13) await this.#write(left);
      else if (act < 16) await this.#check();
      else await acts[act - 16]?.();
    }
    await this.#check();
    await this.#closed();
    await this.#check();
    await this.#open.close();
  }

  async #reopen(): Promise<void> {
    const waitsForJournal = this.#below(4) > 0;
    const options = { directory: this.#directory, log: silentLogger, clock: new VirtualClock(), cold, waitsForJournal };
    this.#store = await openLmdbStore(options);
  }

  async #closed(): Promise<void> {
    await this.#open.close();
    expect(segmentNames.map((name) => existsSync(join(this.#directory, name)))).toEqual([false, false]);
    await this.#reopen();
  }

  /** Goes on in what a process that ended here would have left. */
  async #killed(): Promise<void> {
    const copy = testFolder();
    for (const name of ['data.mdb', ...segmentNames]) {
      const file = join(this.#directory, name);
      if (existsSync(file)) cpSync(file, join(copy, name));
    }
    await this.#open.close();
    this.#directory = copy;
    await this.#reopen();
  }

  /** Some writes at once, of different keys, at times beside a compaction. */
  async #write(step: number): Promise<void> {
    const count = this.#below(3) === 0 ? 1 + this.#below(40) : 1 + this.#below(4);
    const keys = new Set(Array.from({ length: count }, () => this.#key()));
    const done: Change[] = [];
    const writes = [...keys].map(async (key) => {
      const ifModRevision = this.#model.now(key)?.revision ?? 0;
      const size = sizes[this.#below(this.#below(4) === 0 ? sizes.length : 4)] ?? 0;
      const value = Buffer.from(`${this.#seed} ${step} `.padEnd(size, 'x'));
      const isDeletion = ifModRevision > 0 && this.#below(3) === 0;
      const result = await this.#open.write(
        isDeletion ? { type: 'delete', key, ifModRevision } : { type: 'put', key, value, ifModRevision },
      );
      if (!result.ok) throw new Error(`The write of ${key} was refused`);
      done.push({ key, revision: result.revision, ...(!isDeletion && { text: textOf(value) }) });
    });
    if (this.#below(6) === 0) writes.push(this.#compact());
    await Promise.all(writes);
    for (const change of done.sort((a, b) => a.revision - b.revision)) {
      expect(change.revision).toBe(this.#model.last + 1);
      this.#model.changes.push(change);
    }
  }

  #key(): string {
    return `/${this.#below(2) === 0 ? 'hot' : 'cold'}/${this.#below(keysOfKind)}`;
  }

  async #compact(): Promise<void> {
    const { last, compacted } = this.#model;
    if (last <= compacted + 1) return;
    this.#model.compacted = compacted + 1 + this.#below(last - compacted);
    await this.#open.compact(this.#model.compacted);
  }

  async #snapshot(): Promise<void> {
    const source = openLmdbSnapshot(this.#directory);
    const found: string[] = [];
    for await (const { key, value, modRevision } of source.items())
      found.push(`${key}@${modRevision}=${textOf(value)}`);
    await source.close();
    const { last } = this.#model;
    expect(source.revision).toBe(last);
    expect(found.sort()).toEqual(
      this.#model
        .at(last)
        .map(({ key, text, revision }) => `${key}@${revision}=${text}`)
        .sort(),
    );
  }

  async #check(): Promise<void> {
    for (const prefix of ['', '/hot/', '/cold/', '/cold/1']) await this.#checkRange(prefix);
    const key = this.#key();
    expect((await this.#open.get(key))?.modRevision).toBe(this.#model.now(key)?.revision);
    await this.#checkEvents();
  }

  async #checkRange(prefix: string): Promise<void> {
    const { last, compacted } = this.#model;
    const isPast = this.#below(2) === 0 && last > compacted + 1;
    const revision = isPast ? compacted + 1 + this.#below(last - compacted) : last;
    const limit = this.#below(2) === 0 ? 1 + this.#below(8) : undefined;
    const startKey = this.#below(3) === 0 ? `${prefix || '/cold/'}${this.#below(keysOfKind)}` : undefined;
    const wanted = this.#model
      .at(revision)
      .filter(({ key }) => key.startsWith(prefix) && (startKey === undefined || key >= startKey));
    const { items, count } = await this.#open.range({
      prefix,
      ...(isPast && { revision }),
      ...(limit !== undefined && { limit }),
      ...(startKey !== undefined && { startKey }),
    });
    const found = items.map(({ key, value, createRevision, modRevision }) =>
      lineOf({ key, text: textOf(value), create: createRevision, revision: modRevision }),
    );
    expect({ count, found }).toEqual({ count: wanted.length, found: wanted.slice(0, limit).map(lineOf) });
  }

  async #checkEvents(): Promise<void> {
    const { last, compacted } = this.#model;
    const first = Math.max(compacted, 1) + 1;
    const fromRevision = first + this.#below(Math.max(1, last - first + 2));
    const wanted = this.#model.since(fromRevision);
    const found: string[] = [];
    const told = Promise.withResolvers<void>();
    if (wanted.length === 0) told.resolve();
    const onEvents = (events: readonly StoreEvent[]): void => {
      found.push(...events.map(eventLine));
      if (found.length >= wanted.length) told.resolve();
    };
    const watch = this.#open.watch({ prefix: '', fromRevision }, { onEvents, onError: told.reject });
    await told.promise;
    watch.close();
    expect(found).toEqual(wanted);
  }
}

function testFolder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'coxswain-life-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test(`whatever happens to a folder, it shows what was acknowledged and nothing else (${lives} lives)`, {
  timeout: 120_000 + lives * 10_000,
}, async () => {
  for (let seed = firstSeed; seed < firstSeed + lives; seed++) {
    try {
      await new Life(seed).live();
    } catch (error) {
      throw new Error(`Life ${seed}`, { cause: error });
    }
  }
});
