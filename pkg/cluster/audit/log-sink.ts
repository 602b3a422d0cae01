/**
 * Audit events as lines of a file. `blocking` and `blocking-strict` write each within the request; `batch` lets them wait in a bounded buffer and writes many at once.
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
  return {
    record(event: AuditEvent) {
      const json = fitted(event, truncate, losses);
      if (json === undefined) return mode !== 'blocking-strict';
      if (batches !== undefined) {
        batches.add(json);
        return true;
      }
      return write(`${json}\n`, 1) || mode !== 'blocking-strict';
    },
    async end() {
      await batches?.end();
      await file.close();
    },
  };
}
