/**
 * What of the log and the cold table is dead and still there, and how it is taken out: at once (`compact`), or with the appends that come (`doom`), which
 * costs least, as lmdb goes through all that is free at each commit and gives to an append what it took out itself.
 *
 * In revision order: were a deletion gone before what it deleted, a crash in between would bring that back. What is cold goes first, as the log has
 * the only note that it is dead.
 */
import { assert } from '#pkg/base/assert.ts';
import { GroupIndex } from './group-index.ts';
import { joinWrites, type LoggedWrite, lastOf } from './write-group.ts';

/**
 * Groups that one transaction of a compaction changes, and bytes it writes: keeps the time short during which appends wait for it, and for
 * which the process does nothing else.
 */
const rewriteGroupsMax = 256;
const rewriteBytesMax = 1024 * 1024;

/** Dead writes that an append takes out for each of its own: more than one, so that what is doomed has an end. */
const doomedPerWrite = 2;

/** What a compaction removes. */
export interface DeadRevisions {
  /** Revisions of writes of the log. */
  readonly log: readonly number[];
  /** Revisions of puts of the cold table. */
  readonly cold: readonly number[];
}

/** The tables as they are changed here. */
export interface DeadTables {
  /** The group that a revision is in, if it is in any. */
  group(revision: number): { readonly key: number; readonly writes: readonly LoggedWrite[] } | undefined;
  putGroup(key: number, group: Buffer): Promise<boolean>;
  removeGroup(key: number): Promise<boolean>;
  forgetCold(revision: number): Promise<boolean>;
  /** Notes that everything before `revision` is forgotten. */
  noteCompacted(revision: number): Promise<boolean>;
  /** Does what `work` queues in one transaction. */
  transaction(work: () => readonly Promise<boolean>[]): Promise<void>;
}

/** What appends take out, and how far they have come. */
interface Doomed {
  readonly revision: number;
  readonly log: Float64Array;
  readonly cold: Float64Array;
  logAt: number;
  coldAt: number;
  /** That everything before `revision` is forgotten is on the disk. */
  isNoted: boolean;
}

/** Changes that belong into one transaction. */
interface Removal {
  readonly queue: readonly (() => Promise<boolean>)[];
  /** Where the next one goes on. */
  readonly at: number;
}

const nothingDoomed = { queue: [], done: () => {} };

/** Of one log. */
export class DeadWrites {
  readonly #tables: DeadTables;
  readonly #index = new GroupIndex();
  #doomed: Doomed | undefined;

  constructor(tables: DeadTables) {
    this.#tables = tables;
  }

  /** A group was appended, which is newer than all before. */
  added(start: number, count: number): void {
    this.#index.add(start, count);
  }

  /** Whether there is something left that the next appends take out. */
  get isTakingOut(): boolean {
    return this.#doomed !== undefined;
  }

  /** Everything before `revision` is forgotten: the appends that come note that and take `dead` out. Nothing may be left of an earlier one. */
  doom(revision: number, dead: DeadRevisions): void {
    assert(this.#doomed === undefined, 'writes were doomed before the last ones were gone');
    const [log, cold] = [sortedOf(dead.log), sortedOf(dead.cold)];
    this.#doomed = { revision, log, cold, logAt: 0, coldAt: 0, isNoted: false };
  }

  /**
   * Some of what is doomed, for a transaction that appends so many writes, and what to do once it is gone. Nothing before the tables have all that is forgotten, which
   * is up to revision `applied`.
   */
  some(writes: number, applied: number): { readonly queue: Removal['queue']; done(): void } {
    const doomed = this.#doomed;
    if (doomed === undefined || doomed.revision > applied) return nothingDoomed;
    const count = writes * doomedPerWrite;
    const noting = doomed.isNoted ? [] : [() => this.#tables.noteCompacted(doomed.revision)];
    const cold = doomed.cold.subarray(doomed.coldAt, doomed.coldAt + count);
    const coldAt = doomed.coldAt + cold.length;
    const rest = count - cold.length;
    const fromLog = rest > 0 ? this.#removal(doomed.log, doomed.logAt, rest) : { queue: [], at: doomed.logAt };
    const forgotten = Array.from(cold, (revision) => () => this.#tables.forgetCold(revision));
    return {
      queue: [...noting, ...forgotten, ...fromLog.queue],
      done: () => {
        doomed.isNoted = true;
        doomed.coldAt = coldAt;
        doomed.logAt = fromLog.at;
        if (coldAt >= doomed.cold.length && fromLog.at >= doomed.log.length) this.#doomed = undefined;
      },
    };
  }

  /** Notes that everything before `revision` is forgotten, then takes `dead` out, and what is left of what was doomed. The tables have all of it. */
  async compact(revision: number, dead: DeadRevisions): Promise<void> {
    const doomed = this.#doomed;
    this.#doomed = undefined;
    const log = sortedOf([...(doomed?.log.subarray(doomed.logAt) ?? []), ...dead.log]);
    const cold = sortedOf([...(doomed?.cold.subarray(doomed.coldAt) ?? []), ...dead.cold]);
    await this.#tables.noteCompacted(revision);
    for (let at = 0; at < cold.length; at += rewriteGroupsMax) {
      const some = [...cold.subarray(at, at + rewriteGroupsMax)];
      await this.#tables.transaction(() => some.map((each) => this.#tables.forgetCold(each)));
    }
    for (let at = 0; at < log.length; ) {
      const removal = this.#removal(log, at);
      await this.#tables.transaction(() => removal.queue.map((change) => change()));
      at = removal.at;
    }
  }

  /** Takes writes out of as many groups as are one transaction, or until `count` of `dead` from `start` on are done. */
  #removal(dead: Float64Array, start: number, count = Number.POSITIVE_INFINITY): Removal {
    const left = new Map<number, readonly LoggedWrite[]>();
    const end = Math.min(dead.length, start + count);
    let at = start;
    for (let bytes = 0; at < end && bytes < rewriteBytesMax && left.size < rewriteGroupsMax; ) {
      const whole = this.#index.wholeAt(dead, at);
      if (whole > 0) {
        left.set(dead[at]!, []);
        at += whole;
        continue;
      }
      const first = dead[at]!;
      const group = this.#tables.group(first);
      const writes = group?.writes ?? [];
      const kept: LoggedWrite[] = [];
      for (const write of writes) {
        while (at < dead.length && dead[at]! < write.revision) at++;
        if (dead[at] !== write.revision) kept.push(write);
      }
      // What is not there, as an earlier compaction had come so far, is passed over.
      while (at < dead.length && dead[at]! <= Math.max(lastOf(writes), first)) at++;
      if (group === undefined || kept.length === writes.length) continue;
      left.set(group.key, kept);
      bytes += kept.reduce((sum, write) => sum + write.encoded.length, 0);
    }
    const queue = [...left].map(
      ([key, kept]) =>
        () =>
          kept.length === 0 ? this.#tables.removeGroup(key) : this.#tables.putGroup(key, joinWrites(kept)),
    );
    return { queue, at };
  }
}

function sortedOf(revisions: readonly number[]): Float64Array {
  return Float64Array.from(revisions).sort();
}
