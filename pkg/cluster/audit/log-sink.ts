/**
 * Audit events as lines of a file. `blocking` and `blocking-strict` write them before the answer of their request leaves; `batch` lets them wait in a bounded buffer and writes many at once.
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
  const flush = (): boolean => {
    if (pendingCount === 0) return true;
    const lines = pending;
    const count = pendingCount;
    pending = '';
    pendingCount = 0;
    return write(lines, count);
  };
  return {
    record(event: AuditEvent) {
      const json = fitted(event, truncate, losses);
      if (json === undefined) return mode !== 'blocking-strict';
      if (batches !== undefined) {
        batches.add(json);
        return true;
      }
      if (pendingCount === 0 && event.isFirst && mode === 'blocking') batching.clock.setTimeout(flush, 0);
      pending += `${json}\n`;
      pendingCount++;
      if (event.isFirst && mode === 'blocking') return true;
      return flush() || mode !== 'blocking-strict';
    },
    async end() {
      await batches?.end();
      flush();
      await file.close();
    },
  };
}
