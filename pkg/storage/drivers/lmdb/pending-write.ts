/** Writes that wait for an append, and how many of them one takes: what waits is bounded by who may ask, what goes to the disk at once by this. */
import { Deferred } from '#pkg/base/async.ts';
import { expiryOf } from '../../expiry.ts';
import type { KeyValue, WriteOperation, WriteResult } from '../../store.ts';
import type { ColdKey } from './cold-table.ts';

/** Most writes of one append, so that the first of them does not wait long for the last; more wait for the next one. */
const batchWritesMax = 1_024;

/** Most bytes of values of one append, for the same reason. */
const batchBytesMax = 16 * 1024 * 1024;

/** A write that is neither done nor refused yet. */
export interface PendingWrite {
  readonly operation: WriteOperation;
  readonly current: KeyValue | undefined;
  /** For a cold key: what the disk has of it. */
  readonly cold: false | { readonly previous: ColdKey | undefined };
  readonly outcome: Deferred<WriteResult>;
  /** Resolved, never rejected, once the outcome is known. */
  readonly settled: Deferred;
}

/** A write that nothing is known of yet. */
export function pendingWrite(of: Omit<PendingWrite, 'outcome' | 'settled'>): PendingWrite {
  return { ...of, outcome: new Deferred(), settled: new Deferred() };
}

/** Takes the writes of the next append out of the queue, oldest first: at least one, if there is one. */
export function takeBatch(queue: PendingWrite[]): PendingWrite[] {
  let bytes = 0;
  let count = 0;
  for (const { operation } of queue) {
    bytes += operation.type === 'put' ? operation.value.length : 0;
    if (count > 0 && (count >= batchWritesMax || bytes > batchBytesMax)) break;
    count++;
  }
  return queue.splice(0, count);
}

/** When what an operation writes expires, in milliseconds since the epoch; 0 for never. */
export function expiryOfWrite(operation: WriteOperation, nowMs: number): number {
  return operation.type === 'put' && operation.ttlMs !== undefined ? expiryOf(nowMs, operation.ttlMs) : 0;
}
