/**
 * Events that wait to be sent together. Limits: `bufferSize` events and `bufferBytesMax` bytes of them wait; what comes on top is lost and counted, as a server cannot
 * wait for whoever reads its audit. Batches leave when they are full or `maxWaitMs` after their first event, no more often than the throttle allows.
 * Upstream counterpart: apiserver `plugin/pkg/audit/buffered`.
 */
import { sleep } from '#pkg/base/async.ts';
import type { Clock, Timer } from '#pkg/base/clock.ts';

/** How events are put together. Source: `--audit-*-batch-*`. */
export interface BatchSettings {
  readonly bufferSize: number;
  readonly batchSize: number;
  readonly maxWaitMs: number;
  /** Batches a second, and how many of a pause may be caught up on; undefined: as they come. */
  readonly throttle: { readonly qps: number; readonly burst: number } | undefined;
  /** Batches that are under way at once. Upstream has no limit for webhooks, and one at a time for files. */
  readonly parallel: number;
}

/** What batches are made of and where they go. */
export interface BatchesOptions extends BatchSettings {
  readonly clock: Clock;
  /** Never rejects. `signal` is aborted when the server has no more time to wait. */
  send(events: readonly string[], signal: AbortSignal): Promise<void>;
  /** Told of events that were lost. */
  lost(count: number): void;
}

/** Bytes of all events that wait: those with whole objects are long. */
const bufferBytesMax = 64 * 1024 * 1024;

/** How long the last batches may take when the server stops. */
const lastMs = 5_000;

/** The buffer and who empties it. */
export class Batches {
  readonly #options: BatchesOptions;
  readonly #sending = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  #waiting: string[] = [];
  #bytes = 0;
  #timer: Timer | undefined;
  /** Sends of the throttle that are left, at `#tokensMs`. */
  #tokens: number;
  #tokensMs: number;
  #isEnded = false;

  constructor(options: BatchesOptions) {
    this.#options = options;
    this.#tokens = options.throttle?.burst ?? 0;
    this.#tokensMs = options.clock.monotonicMs();
  }

  /** Takes one event, or loses it. */
  add(event: string): void {
    const { bufferSize, batchSize, maxWaitMs, clock, lost } = this.#options;
    if (this.#isEnded || this.#waiting.length >= bufferSize || this.#bytes + event.length > bufferBytesMax) {
      lost(1);
      return;
    }
    this.#waiting.push(event);
    this.#bytes += event.length;
    if (this.#waiting.length >= batchSize) this.#flush();
    else if (this.#waiting.length === 1) this.#arm(clock, maxWaitMs);
  }

  /** Sends what waits; resolves once that is done, or time is up. */
  async end(): Promise<void> {
    this.#isEnded = true;
    this.#timer?.cancel();
    const { clock } = this.#options;
    const done = new AbortController();
    const timeUp = sleep(clock, lastMs, done.signal).then((isOver) => {
      if (isOver) this.#stopping.abort();
    });
    while (this.#waiting.length > 0 || this.#sending.size > 0) {
      if (this.#waiting.length > 0) this.#sendOne();
      await Promise.all(this.#sending);
    }
    done.abort();
    await timeUp;
  }

  #arm(clock: Clock, delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = clock.setTimeout(() => {
      this.#timer = undefined;
      this.#flush(true);
    }, delayMs);
  }

  /** Sends full batches, and with `isDue` one that is not full, as far as that is allowed now; then waits for when it is. */
  #flush(isDue = false): void {
    const { batchSize, parallel, clock, maxWaitMs } = this.#options;
    let due = isDue;
    while (this.#waiting.length >= batchSize || (due && this.#waiting.length > 0)) {
      // Whoever ends goes on with what waits.
      if (this.#sending.size >= parallel) return;
      const waitMs = this.#takeToken();
      if (waitMs > 0) {
        this.#arm(clock, waitMs);
        return;
      }
      this.#sendOne();
      due = false;
    }
    if (this.#waiting.length > 0 && this.#timer === undefined) this.#arm(clock, maxWaitMs);
  }

  /** 0 when a send is allowed, which is then taken; else how long it is not. */
  #takeToken(): number {
    const { throttle, clock } = this.#options;
    if (throttle === undefined) return 0;
    const nowMs = clock.monotonicMs();
    this.#tokens = Math.min(throttle.burst, this.#tokens + ((nowMs - this.#tokensMs) / 1_000) * throttle.qps);
    this.#tokensMs = nowMs;
    if (this.#tokens < 1) return Math.ceil(((1 - this.#tokens) / throttle.qps) * 1_000);
    this.#tokens--;
    return 0;
  }

  #sendOne(): void {
    const batch = this.#waiting.slice(0, this.#options.batchSize);
    this.#waiting = this.#waiting.slice(batch.length);
    for (const event of batch) this.#bytes -= event.length;
    const sent = this.#options.send(batch, this.#stopping.signal).finally(() => {
      this.#sending.delete(sent);
      if (!this.#isEnded) this.#flush(this.#timer === undefined);
    });
    this.#sending.add(sent);
  }
}
