/** A watch whose events are opened before its sink is told: at once as long as that can be, else in order, one batch after the other. */
import { type StoreEvent, StoreUnavailableError, type Watch, type WatchSink } from '../store.ts';

/** Batches of events that may wait for one that is being opened, for which a KMS has seconds. With one more the watch fails, and whoever has it begins anew. */
const waitingMax = 10_000;

interface Batch {
  readonly events: readonly StoreEvent[];
  readonly revision: number;
}

/** What a watch needs of the store that it is of. */
export interface OpeningWatchParts {
  readonly sink: WatchSink;
  /** Throws, or rejects, for what cannot be opened. */
  readonly open: (events: readonly StoreEvent[]) => Promise<readonly StoreEvent[]> | readonly StoreEvent[];
  /** The watches that wait; a watch is there as long as it does. */
  readonly late: Set<OpeningWatch>;
  readonly fromRevision: number;
}

/** Takes what the store below tells, and tells it on. */
export class OpeningWatch implements Watch, WatchSink {
  readonly #parts: OpeningWatchParts;
  #watch: Watch | undefined;
  #isOver = false;
  readonly #waiting: Batch[] = [];
  #draining: Promise<void> | undefined;
  /** Up to where the sink has been told. */
  toldRevision: number;

  constructor(parts: OpeningWatchParts) {
    this.#parts = parts;
    this.toldRevision = parts.fromRevision - 1;
  }

  /** Takes over the watch that tells this one. */
  start(watch: Watch): void {
    this.#watch = watch;
    if (this.#isOver) watch.close();
  }

  onEvents(events: readonly StoreEvent[], revision: number): void {
    if (this.#isOver) return;
    const batch = { events, revision };
    if (this.#draining !== undefined) {
      this.#waiting.push(batch);
      if (this.#waiting.length > waitingMax)
        this.#fail(new StoreUnavailableError('Cannot open values as fast as they come'));
      return;
    }
    try {
      const opened = this.#parts.open(events);
      if (opened instanceof Promise) {
        this.#parts.late.add(this);
        this.#draining = this.#drain(opened, batch);
      } else this.#tell(opened, revision);
    } catch (error) {
      this.#fail(error);
    }
  }

  onError(error: Error): void {
    this.#fail(error);
  }

  close(): void {
    this.#isOver = true;
    this.#parts.late.delete(this);
    this.#watch?.close();
  }

  /** Resolves once nothing waits. */
  async told(): Promise<void> {
    await this.#draining;
  }

  async #drain(first: Promise<readonly StoreEvent[]>, { revision }: Batch): Promise<void> {
    try {
      this.#tell(await first, revision);
      for (let next = this.#waiting.shift(); next !== undefined && !this.#isOver; next = this.#waiting.shift())
        this.#tell(await this.#parts.open(next.events), next.revision);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#draining = undefined;
      this.#parts.late.delete(this);
    }
  }

  #tell(events: readonly StoreEvent[], revision: number): void {
    if (this.#isOver) return;
    this.toldRevision = revision;
    this.#parts.sink.onEvents(events, revision);
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.close();
    this.#parts.sink.onError(error instanceof Error ? error : new Error(String(error)));
  }
}
