/**
 * Audit events as lines of a file. `blocking` and `blocking-strict` write them before the answer of their request leaves; `batch` lets them wait in a bounded buffer and writes many at once.
 * What `blocking` has to write of requests that end together is one write: it is made before any promise that one of them waits for is settled, so before their answers.
 * Upstream counterpart: apiserver `plugin/pkg/audit/log`.
 */
import type { AuditEvent } from '#pkg/apiserver/audit/event.ts';
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
  // Requests whose answer is still to come: what is told of their arrival is written with what is told next, at the latest in the next turn of the event loop.
  let pending = '';
  let pendingCount = 0;
  let isFlushing = false;
  let isTimed = false;
  const flush = (): boolean => {
    if (pendingCount === 0) return true;
    const lines = pending;
    const count = pendingCount;
    pending = '';
    pendingCount = 0;
    return write(lines, count);
  };
  /** Before what was answered by the caller is heard of: its answer is a promise, and this one is older. */
  const flushSoon = (): void => {
    if (isFlushing) return;
    isFlushing = true;
    void Promise.resolve().then(() => {
      isFlushing = false;
      flush();
    });
  };
  const flushByTimer = (): void => {
    if (isTimed) return;
    isTimed = true;
    batching.clock.setTimeout(() => {
      isTimed = false;
      flush();
    }, 0);
  };
  return {
    record(event: AuditEvent) {
      const json = fitted(event, truncate, losses);
      if (json === undefined) return mode !== 'blocking-strict';
      if (batches !== undefined) {
        batches.add(json);
        return true;
      }
      pending += `${json}\n`;
      pendingCount++;
      if (mode === 'blocking-strict') return flush();
      if (event.isFirst) flushByTimer();
      else flushSoon();
      return true;
    },
    async end() {
      await batches?.end();
      flush();
      await file.close();
    },
  };
}
