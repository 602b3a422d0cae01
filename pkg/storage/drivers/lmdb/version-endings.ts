/**
 * When versions of keys ended, and how: what reads of the past need beside the log, where their values are. Keys that are in memory and cold ones have a
 * history each. Bounded by `pastLimitsDefault`: `excess` says what is to be forgotten.
 */
import { forgottenShare, KeyHistory, pastLimitsDefault } from '../../key-history.ts';
import { valueSize } from '../../late-value.ts';
import type { KeyValue } from '../../store.ts';
import type { DeadRevisions } from './dead-writes.ts';
import type { WriteHead } from './write-group.ts';

/** How a version ended: a deletion leaves a record of its own to remove. */
export type Ending = 'deleted' | 'replaced';

/** The past of one store. */
export class VersionEndings {
  readonly hot = new KeyHistory<Ending>();
  readonly cold = new KeyHistory<Ending>();

  /** Notes that `previous` ended with the write of revision `until`. */
  add(
    previous: KeyValue,
    { until, by, isCold }: { readonly until: number; readonly by: 'delete' | 'put'; readonly isCold: boolean },
  ): void {
    const ending = by === 'put' ? 'replaced' : 'deleted';
    const { key, modRevision: from } = previous;
    (isCold ? this.cold : this.hot).add({ key, from, until, value: ending, bytes: valueSize(previous) });
  }

  /** Of a cold key the log says only when a version ended. */
  addLogged({ type, key, revision, previousRevision }: WriteHead): void {
    const ending = type === 'delete' ? 'deleted' : 'replaced';
    this.cold.add({ key, from: previousRevision, until: revision, value: ending, bytes: 0 });
  }

  /** Takes everything before `revision` out; returns what the disk need not keep. */
  forget(revision: number): DeadRevisions {
    // What ended with the write of `revision` itself stays, so that a watch from there can tell what was before.
    const hot = this.hot.compact(revision - 1);
    const cold = this.cold.compact(revision - 1);
    // The log has a note of its own of every deletion, and of every cold key that was replaced.
    const noted = hot.flatMap(({ from, until, value }) => (value === 'deleted' ? [from, until] : [from]));
    return { log: [...noted, ...cold.map(({ until }) => until)], cold: cold.map(({ from }) => from) };
  }

  /** The revision to forget everything before, when there is too much of the past; 0 when there is not. */
  excess(): number {
    const full = [this.hot, this.cold].find((history) => history.isFull(pastLimitsDefault));
    return full?.revisionAfter(forgottenShare) ?? 0;
  }
}
