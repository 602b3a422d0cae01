/**
 * Audit events as lines of a file. `blocking` and `blocking-strict` write them before the answer of their request leaves; `batch` lets them wait in a bounded buffer and writes many at once.
 * What `blocking` has to write of requests that end together is one write: it is made before any promise that one of them waits for is settled, so before their answers;
 * or, where these are held, by the server before it sends them.
 * Upstream counterpart: apiserver `plugin/pkg/audit/log`.
 */
import type { AuditEvent } from '#pkg/apiserver/audit/event.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { Batches, type BatchesOptions } from './batches.ts';
import { fitted, type Sink, type SinkLosses, type TruncateSettings } from './sink.ts';

/** Where lines go: a file, or the standard output. */
export interface LineFile {
  /** Throws what the system says. */
  write(lines: string): void;
  close(): Promise<void>;
}

/** How events get there. */
export interface LogSinkOptions {
  readonly file: LineFile;
  readonly mode: 'batch' | 'blocking' | 'blocking-strict';
  readonly batching: Omit<BatchesOptions, 'lost' | 'send'>;
  readonly truncate: TruncateSettings | undefined;
  readonly losses: SinkLosses;
}

/** Makes the sink. Whoever made it ends it. */
export function logSink({ file, mode, batching, truncate, losses }: LogSinkOptions): Sink {
  const write = (lines: string, count: number): boolean => {
    try {
      file.write(lines);
      return true;
    } catch (error) {
      losses.lost('log', count, error);
      return false;
    }
  };
  const batches =
    mode === 'batch'
      ? new Batches({
          ...batching,
          send: async (events) => void write(`${events.join('\n')}\n`, events.length),
          lost: (count) => losses.lost('buffered', count, 'the buffer is full'),
        })
      : undefined;
  const lines = new PendingLines(write, batching.clock);
  return {
    record(event: AuditEvent) {
      const json = fitted(event, truncate, losses);
      if (json === undefined) return mode !== 'blocking-strict';
      if (batches !== undefined) {
        batches.add(json);
        return true;
      }
      lines.add(json);
      if (mode === 'blocking-strict') return lines.flush();
      if (event.isFirst || event.isHeld) lines.flushByTimer();
      else lines.flushSoon();
      return true;
    },
    settle() {
      lines.flush();
    },
    async end() {
      await batches?.end();
      lines.flush();
      await file.close();
    },
  };
}

/** Lines of requests whose answer is still to come: what is told of their arrival is written with what is told next, at the latest by a timer. */
class PendingLines {
  readonly #write: (lines: string, count: number) => boolean;
  readonly #clock: Clock;
  #lines = '';
  #count = 0;
  #isFlushing = false;
  #isTimed = false;

  constructor(write: (lines: string, count: number) => boolean, clock: Clock) {
    this.#write = write;
    this.#clock = clock;
  }

  add(line: string): void {
    this.#lines += `${line}\n`;
    this.#count++;
  }

  /** False when what there was to write is lost. */
  flush(): boolean {
    if (this.#count === 0) return true;
    const lines = this.#lines;
    const count = this.#count;
    this.#lines = '';
    this.#count = 0;
    return this.#write(lines, count);
  }

  /** Before what was answered by the caller is heard of: its answer is a promise, and this one is older. */
  flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    void Promise.resolve().then(() => {
      this.#isFlushing = false;
      this.flush();
    });
  }

  flushByTimer(): void {
    if (this.#isTimed) return;
    this.#isTimed = true;
    this.#clock.setTimeout(() => {
      this.#isTimed = false;
      this.flush();
    }, 0);
  }
}
