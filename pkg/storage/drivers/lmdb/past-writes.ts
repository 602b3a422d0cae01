/** What the disk has of past writes, those of the log, of the cold table and of the journal together, in revision order. Keeps nothing. */
import { CompactedError, type KeyValue, type StoreEvent } from '../../store.ts';
import type { ColdSpace } from './cold-space.ts';
import type { LmdbLog } from './lmdb-log.ts';
import type { WriteRecord } from './write-group.ts';

/** Reads the past of one store. */
export class PastWrites {
  readonly #log: LmdbLog;
  readonly #cold: ColdSpace;

  constructor(log: LmdbLog, cold: ColdSpace) {
    this.#log = log;
    this.#cold = cold;
  }

  /** All writes from `fromRevision` on that may concern a prefix; others may be among them. To be read to where it is wanted before anything else runs. */
  *from(fromRevision: number, prefix: string): Generator<WriteRecord> {
    const { unapplied } = this.#log;
    const ahead = unapplied.first;
    if (fromRevision < ahead)
      // A transaction may be there before what it brought is known to be.
      for (const write of this.#tables(fromRevision, prefix)) {
        if (write.revision >= ahead) break;
        yield write;
      }
    yield* unapplied.writes(fromRevision);
  }

  *#tables(fromRevision: number, prefix: string): Generator<WriteRecord> {
    const mayBeCold = this.#cold.has(prefix) || this.#cold.hasBelow(prefix);
    const puts = mayBeCold ? this.#log.cold.table.putsFrom(fromRevision) : [].values();
    let put = puts.next();
    for (const write of this.#log.writes(fromRevision)) {
      // The put itself is in the other table.
      if (write.type === 'cold') continue;
      for (; !put.done && put.value.revision < write.revision; put = puts.next()) yield put.value;
      yield write;
    }
    for (; !put.done; put = puts.next()) yield put.value;
  }

  /** The event that tells of a write. Throws `CompactedError` when what was before is no longer there. */
  eventOf(write: WriteRecord): StoreEvent {
    const { key, revision, previousRevision } = write;
    const previous = (): KeyValue => this.value(previousRevision, key);
    if (write.type === 'delete') return { type: 'delete', key, revision, previous: previous() };
    const kv = keyValueOf(write);
    return previousRevision === 0 ? { type: 'put', kv } : { type: 'put', kv, previous: previous() };
  }

  /** What the write of a revision, which was to `key`, has left. Throws `CompactedError` when it is no longer there. */
  value(revision: number, key: string): KeyValue {
    const write = this.#cold.has(key) ? this.#log.cold.put(revision) : this.#log.write(revision);
    if (write === undefined) throw new CompactedError(this.#log.compacted);
    return keyValueOf(write);
  }
}

/** What a write left, in memory of its own: a part of its group would keep all of that. */
function keyValueOf({ key, value, createRevision, revision }: WriteRecord): KeyValue {
  const own = Buffer.allocUnsafeSlow(value.length);
  own.set(value);
  return { key, value: own, createRevision, modRevision: revision };
}
