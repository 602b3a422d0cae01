/** What a snapshot is made of: a store's state at one revision, whoever writes to it meanwhile. Each driver that outlives its process has one. */
import type { SnapshotItem } from './snapshot-format.ts';

/** The state, until it is closed. */
export interface SnapshotSource {
  readonly revision: number;
  /** The format in which the driver's folder is, where that is one of before which it reads and does not open. */
  readonly olderFormat?: number;
  /** Every key that exists at `revision`, once. To be read once. Fails with `CompactedError` where the store has forgotten that state meanwhile. */
  items(): AsyncIterable<SnapshotItem>;
  close(): Promise<void>;
}
