/** What the sinks of audit events have in common: how they end, how they tell of losses, how long events may be. */
import type { AuditSink } from '#pkg/apiserver/audit/auditor.ts';
import type { AuditEvent } from '#pkg/apiserver/audit/event.ts';

/** A sink with an end. */
export interface Sink extends AuditSink {
  /** Gives away what waits, and stops. Events that come afterwards are lost. */
  end(): Promise<void>;
}

/** Told of events that are lost, by the part that lost them. */
export interface SinkLosses {
  lost(part: 'buffered' | 'log' | 'truncate' | 'webhook', count: number, reason: unknown): void;
}

/** How long events and batches may be, in bytes. Source: `--audit-*-truncate-*`. */
export interface TruncateSettings {
  readonly eventBytesMax: number;
  readonly batchBytesMax: number;
}

/**
 * The event as it may be sent: without its objects where it is too long with them; undefined where it is too long even so.
 * Source: apiserver `plugin/pkg/audit/truncate`.
 */
export function fitted(
  event: AuditEvent,
  truncate: TruncateSettings | undefined,
  losses: SinkLosses,
): string | undefined {
  if (truncate === undefined || Buffer.byteLength(event.json) <= truncate.eventBytesMax) return event.json;
  const short = event.truncated();
  if (short !== undefined && Buffer.byteLength(short) <= truncate.eventBytesMax) return short;
  losses.lost('truncate', 1, 'event is too large even after truncating');
  return undefined;
}
