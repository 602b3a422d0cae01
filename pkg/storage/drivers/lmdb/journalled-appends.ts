/**
 * Appends by way of the journal: each is acknowledged once the journal has it, and comes into the tables with others a moment later. One that the journal does not
 * take, as it is long, the journal is being made or there is none, goes straight into the tables, after all before it.
 *
 * Invariants: the tables get appends in order, each of them whole, and one transaction at a time. What the journal has and the tables do not is in `unapplied`. After a failure
 * nothing more is written, and the journal stays, for who opens the folder next.
 */
import { assert } from '#pkg/base/assert.ts';
import { Deferred } from '#pkg/base/async.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';
import { Journal, removeJournal } from './journal.ts';
import { type Append, lastRevision, Unapplied } from './unapplied.ts';

/** How long an append waits for the tables at most, in milliseconds, unless the journal has so many bytes before. */
const applyDelayMs = 500;
const applyBytesMin = 512 * 1024;

/** Writes of one transaction of those that the journal has: some milliseconds during which the process does nothing else. */
const applyWritesMax = 192;

/** Where appends go. */
export interface JournalledAppendsOptions {
  readonly directory: string;
  readonly clock: Clock;
  /** Whether there is a journal: what does not wait for the disk is no faster with it. */
  readonly isJournalled: boolean;
  /** Whether `recover` makes it, else it is made beside the first appends. */
  readonly waitsForJournal: boolean;
  /** Writes appends into the tables, in one transaction that is on the disk when the promise resolves. */
  readonly commit: (appends: readonly (readonly Append[])[]) => Promise<void>;
}

/** Of one folder. */
export class JournalledAppends {
  readonly #options: JournalledAppendsOptions;
  /** What the journal has and the tables do not. */
  readonly unapplied = new Unapplied();
  /** Made with the first append. */
  #journal: Journal | undefined;
  #makingJournal: Promise<void> | undefined;
  #applied = 0;
  #committing: Promise<void> | undefined;
  #appending: Promise<void> | undefined;
  /** The application that nobody waits for. Stays once it has failed. */
  #background: Promise<void> | undefined;
  #timer: Timer | undefined;
  readonly #failure = new Deferred<unknown>();
  /** Resolves with why something could not be written. */
  readonly failure = this.#failure.promise;
  #hasFailed = false;
  #isClosed = false;

  constructor(options: JournalledAppendsOptions) {
    this.#options = options;
    if (!options.isJournalled) this.#makingJournal = Promise.resolve();
  }

  /** The revision that the tables have come to. */
  get applied(): number {
    return this.#applied;
  }

  /** The tables, which have come to revision `applied`, get what a journal has that was left; then that goes. To be called first. */
  async recover(applied: number, left: readonly (readonly Append[])[]): Promise<void> {
    this.#applied = applied;
    for (const append of left) this.unapplied.add(append, 0);
    await this.applyTo(this.unapplied.last);
    await removeJournal(this.#options.directory);
    if (this.#options.waitsForJournal) this.#makingJournal ??= this.#makeJournal();
    await this.#makingJournal;
  }

  /** Does writes, whose revisions follow one another and all before. The one before must have ended. */
  append(writes: readonly Append[]): Promise<void> {
    assert(this.#appending === undefined, 'an append began before the last one ended');
    this.#appending = this.#append(writes).finally(() => {
      this.#appending = undefined;
    });
    return this.#appending;
  }

  async #append(writes: readonly Append[]): Promise<void> {
    if (this.#hasFailed) throw await this.failure;
    const records = writes.map(({ record }) => record);
    const journalling = this.#journal?.append(records, this.#applied);
    if (journalling === undefined) {
      this.#makingJournal ??= this.#makeJournal();
      await this.applyTo(this.unapplied.last);
      await this.exclusively(() => this.#commit([writes]));
      return;
    }
    try {
      this.unapplied.add(writes, await journalling);
    } catch (error) {
      // What it has of this is not known, so nothing may come after it.
      this.#fail(error);
      throw error;
    }
    this.#applySoon();
  }

  /** Makes the journal beside the appends that come meanwhile. */
  async #makeJournal(): Promise<void> {
    try {
      const journal = await Journal.create(this.#options.directory);
      if (this.#isClosed) await journal.remove();
      else this.#journal = journal;
    } catch {
      // It only saves time; a disk that takes nothing more tells the next append.
    }
  }

  #applySoon(): void {
    if (this.#background !== undefined) return;
    if (this.unapplied.bytes < applyBytesMin)
      this.#timer ??= this.#options.clock.setTimeout(() => this.#applyInBackground(), applyDelayMs);
    else this.#applyInBackground();
  }

  #applyInBackground(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const done = (): void => {
      this.#background = undefined;
      if (this.unapplied.last > this.#applied) this.#applySoon();
    };
    // Of a failure `failure` tells.
    this.#background ??= this.applyTo(this.unapplied.last).then(done, () => {});
  }

  /** Resolves once the tables have everything up to a revision. */
  async applyTo(revision: number): Promise<void> {
    while (this.#applied < revision) {
      await this.exclusively(async () => {
        const appends = this.unapplied.oldest(applyWritesMax);
        if (appends.length === 0) return;
        await this.#commit(appends);
        this.unapplied.drop(appends.length);
      });
    }
  }

  /** Does what no transaction of appends may be under way for. */
  async exclusively(work: () => Promise<void>): Promise<void> {
    while (this.#committing !== undefined) await this.#committing.catch(() => {});
    if (this.#hasFailed) throw await this.failure;
    this.#committing = work().finally(() => {
      this.#committing = undefined;
    });
    await this.#committing;
  }

  async #commit(appends: readonly (readonly Append[])[]): Promise<void> {
    try {
      await this.#options.commit(appends);
      this.#applied = lastRevision(appends);
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  #fail(cause: unknown): void {
    this.#hasFailed = true;
    this.#timer?.cancel();
    this.#failure.resolve(cause);
  }

  /** Ends it: the tables get what only the journal has. Returns what takes the journal away, for when they are closed; after a failure that leaves it. */
  async close(): Promise<() => Promise<void>> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#makingJournal;
    await this.applyTo(this.unapplied.last).catch(() => {});
    const journal = this.#journal;
    return async () => (this.#hasFailed ? journal?.close() : journal?.remove());
  }
}
