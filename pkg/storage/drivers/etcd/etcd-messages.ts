/**
 * The messages of etcd's API that the driver sends and reads, by hand: there are few, and a write is one of each. What is not needed of an answer is passed
 * over. Revisions are etcd's in the messages, and as they are shown (`etcd-revisions.ts`) on this side of them. Source: etcd `api/etcdserverpb/rpc.proto`, `api/mvccpb/kv.proto`.
 */
import { endOfPrefix } from '../../prefix.ts';
import { compareKeys } from '../../sorted-map.ts';
import type { KeyValue, RangeOptions, StoreEvent } from '../../store.ts';
import { endOfRevision, etcdRevision, markFor, placedValue, shownRevision } from './etcd-revisions.ts';
import { eachField, type Message, made } from './etcd-wire.ts';
import type { EtcdWrite, EtcdWriteResult } from './write-groups.ts';

/** The calls. */
export const etcdCalls = {
  range: '/etcdserverpb.KV/Range',
  txn: '/etcdserverpb.KV/Txn',
  compact: '/etcdserverpb.KV/Compact',
  watch: '/etcdserverpb.Watch/Watch',
  grant: '/etcdserverpb.Lease/LeaseGrant',
  timeToLive: '/etcdserverpb.Lease/LeaseTimeToLive',
  authenticate: '/etcdserverpb.Auth/Authenticate',
} as const;

/** As the end of a range: no end. As its beginning: the first key that there can be. */
const zero = Buffer.from([0]);

/** etcd's range of the keys of `options`. */
export function rangeRequest({ prefix, startKey, limit = 0, revision }: RangeOptions): Uint8Array {
  const begin = startKey !== undefined && compareKeys(startKey, prefix) > 0 ? startKey : prefix;
  return made((message) => {
    if (revision !== undefined) message.number(4, etcdRevision(revision));
    if (limit > 0) message.number(3, limit);
    message.bytes(2, endOfPrefix(prefix) ?? zero);
    if (begin === '') message.bytes(1, zero);
    else message.string(1, begin);
  });
}

/** One key, now or as it was before all writes of the transaction that a revision is of. */
export function getRequest(key: string, beforeRevision?: number): Uint8Array {
  return made((message) => {
    if (beforeRevision !== undefined) message.number(4, etcdRevision(beforeRevision) - 1);
    message.string(1, key);
  });
}

/** A question whose answer has the revision, and nothing else. */
export const revisionRequest = made((message) => {
  message.number(9, 1);
  message.bytes(1, zero);
});

/**
 * Writes as one transaction: one that compares, writes, or reads what is in the way; of several each is such a transaction within it. With its lease a key
 * lives as long as that.
 */
export function txnRequest(writes: readonly EtcdWrite[]): Uint8Array {
  return made(
    (message) => {
      const [first] = writes;
      if (first !== undefined && writes.length === 1) {
        writeTxn(message, first, 0);
        return;
      }
      // Never done, as there is nothing to compare: it says in the outer transaction what those within it are about, so that etcd judges the whole as a write.
      if (first !== undefined)
        message.message(3, () => message.message(2, () => message.string(1, first.operation.key)));
      for (const [i, write] of [...writes.entries()].reverse())
        message.message(2, () => message.message(4, () => writeTxn(message, write, i)));
    },
    writes.reduce((sum, write) => sum + writeBytesMost(write), smallBytes),
  );
}

/** What a transaction has beside its writes, and each of these beside its key, which is there up to four times, and its value. */
const smallBytes = 128;

function writeBytesMost({ operation }: EtcdWrite): number {
  // A character is three bytes at most, and keys are mostly of those that are one.
  return smallBytes + 4 * operation.key.length + (operation.type === 'put' ? operation.value.length : 0);
}

/** The write at a place of a transaction. */
function writeTxn(message: Message, { operation, lease }: EtcdWrite, place: number): void {
  const { key, ifModRevision } = operation;
  message.message(3, () => message.message(1, () => message.string(1, key)));
  // When the key was made is only known to etcd.
  if (operation.type === 'put' && ifModRevision > 0) {
    message.message(2, () =>
      message.message(1, () => {
        message.number(8, 1);
        message.string(1, key);
      }),
    );
  }
  message.message(2, () => {
    if (operation.type === 'delete') {
      message.message(3, () => message.string(1, key));
      return;
    }
    message.message(2, () => {
      if (lease !== undefined) message.number(3, lease);
      message.value(operation.value, markFor(operation.value, place));
      message.string(1, key);
    });
  });
  message.message(1, () => {
    message.number(6, ifModRevision === 0 ? 0 : etcdRevision(ifModRevision));
    message.string(3, key);
    // The target is the revision of the last write; the comparison is equality, which is 0.
    message.number(2, 2);
  });
}

/** Forgets what is older. */
export function compactRequest(revision: number): Uint8Array {
  return made((message) => message.number(1, etcdRevision(revision)));
}

/** A watch of all keys from a revision on, which says what was there before, and from time to time how far it has come. */
export function watchRequest(fromRevision: number): Uint8Array {
  return made((message) =>
    message.message(1, () => {
      message.number(6, 1);
      message.number(4, 1);
      message.number(3, etcdRevision(fromRevision));
      message.bytes(2, zero);
      message.bytes(1, zero);
    }),
  );
}

/** A lease of that many seconds. */
export function grantRequest(id: number, seconds: number): Uint8Array {
  return made((message) => {
    message.number(2, id);
    message.number(1, seconds);
  });
}

/** A question for what is left of a lease. */
export function timeToLiveRequest(id: number): Uint8Array {
  return made((message) => message.number(1, id));
}

/** A name and its password, for a token. */
export function authenticateRequest(name: string, password: string): Uint8Array {
  return made((message) => {
    message.string(2, password);
    message.string(1, name);
  });
}

/** The revision in the header of an answer, which is its field 1. */
function headerRevision(bytes: Uint8Array): number {
  let revision = 0;
  eachField(bytes, (field, reader) => {
    if (field !== 3) return false;
    revision = reader.varint();
    return true;
  });
  return revision;
}

/** A key and its value, which is part of `bytes`. */
function keyValueOf(bytes: Uint8Array): KeyValue {
  let key = '';
  let stored: Uint8Array = new Uint8Array(0);
  let created = 0;
  let modified = 0;
  eachField(bytes, (field, reader) => {
    if (field === 1) key = reader.delimited().toString();
    else if (field === 2) created = reader.varint();
    else if (field === 3) modified = reader.varint();
    else if (field === 5) stored = reader.delimited();
    else return false;
    return true;
  });
  const { value, place } = placedValue(stored);
  return {
    key,
    value,
    // Its place in that revision is not known any more once the key has been written again.
    createRevision: shownRevision(created, 0),
    modRevision: shownRevision(modified, place),
  };
}

/** What a range, or a question for the revision, has come to. */
export interface EtcdRange {
  readonly items: readonly KeyValue[];
  readonly count: number;
  readonly revision: number;
}

/** Reads the answer to a range. */
export function rangeOf(bytes: Uint8Array): EtcdRange {
  const items: KeyValue[] = [];
  let count = 0;
  let revision = 0;
  eachField(bytes, (field, reader) => {
    if (field === 1) revision = headerRevision(reader.delimited());
    else if (field === 2) items.push(keyValueOf(reader.delimited()));
    else if (field === 4) count = reader.varint();
    else return false;
    return true;
  });
  return { items, count, revision: endOfRevision(revision) };
}

/** The leases of the keys of a range, in their order; 0 for a key that has none. */
export function leasesOf(bytes: Uint8Array): number[] {
  const leases: number[] = [];
  eachField(bytes, (field, reader) => {
    if (field !== 2) return false;
    let lease = 0;
    eachField(reader.delimited(), (which, kv) => {
      if (which !== 6) return false;
      lease = kv.varint();
      return true;
    });
    leases.push(lease);
    return true;
  });
  return leases;
}

/** Seconds that are left of a lease; less than 0 when it has ended. */
export function timeToLiveOf(bytes: Uint8Array): number {
  let seconds = 0;
  eachField(bytes, (field, reader) => {
    if (field !== 3) return false;
    seconds = reader.varint();
    return true;
  });
  return seconds > secondsMax ? -1 : seconds;
}

/** More than any lease lives: what less than nothing looks like, as a number without a sign. */
const secondsMax = 2 ** 40;

/** Reads the answer to a transaction of that many writes. */
export function txnResultsOf(bytes: Uint8Array, writes: number): readonly EtcdWriteResult[] {
  const { succeeded, revision, read, inner } = txnOf(bytes);
  if (writes === 1) return [{ succeeded, read, revision: shownRevision(revision, 0) }];
  return inner.map((part, place) => {
    const { succeeded: isWritten, read: found } = txnOf(part);
    return { succeeded: isWritten, read: found, revision: shownRevision(revision, place) };
  });
}

interface Txn {
  readonly succeeded: boolean;
  /** etcd's. */
  readonly revision: number;
  /** The key as it is read in the same moment, if it was. */
  readonly read: KeyValue | undefined;
  /** The answers of the transactions within it. */
  readonly inner: readonly Uint8Array[];
}

function txnOf(bytes: Uint8Array): Txn {
  let succeeded = false;
  let revision = 0;
  let read: KeyValue | undefined;
  const inner: Uint8Array[] = [];
  eachField(bytes, (field, reader) => {
    if (field === 1) revision = headerRevision(reader.delimited());
    else if (field === 2) succeeded = reader.varint() !== 0;
    else if (field === 3) {
      eachField(reader.delimited(), (which, response) => {
        if (which === 1) read = rangeOf(response.delimited()).items[0];
        else if (which === 4) inner.push(response.delimited());
        else return false;
        return true;
      });
    } else return false;
    return true;
  });
  return { succeeded, revision, read, inner };
}

/** Reads the token that a password was exchanged for. */
export function tokenOf(bytes: Uint8Array): string {
  let token = '';
  eachField(bytes, (field, reader) => {
    if (field !== 2) return false;
    token = reader.delimited().toString();
    return true;
  });
  return token;
}

/** What a watch says. */
export interface EtcdWatchResponse {
  readonly isCanceled: boolean;
  readonly cancelReason: string;
  readonly compactRevision: number;
  /** Undefined for a deletion of which etcd no longer knows what was deleted. */
  readonly events: readonly (StoreEvent | undefined)[];
}

/** Reads what a watch says: all writes of a revision of etcd's, or none. */
export function watchResponseOf(bytes: Uint8Array): EtcdWatchResponse {
  const events: (StoreEvent | undefined)[] = [];
  const deletions = new DeletionCount();
  let isCanceled = false;
  let cancelReason = '';
  let compactRevision = 0;
  eachField(bytes, (field, reader) => {
    if (field === 4) isCanceled = reader.varint() !== 0;
    else if (field === 5) compactRevision = reader.varint();
    else if (field === 6) cancelReason = reader.delimited().toString();
    else if (field === 11) events.push(eventOf(reader.delimited(), deletions));
    else return false;
    return true;
  });
  return {
    isCanceled,
    cancelReason,
    compactRevision: compactRevision > 0 ? shownRevision(compactRevision, 0) : 0,
    events,
  };
}

/** Which deletion of its revision one is, as they come one after the other. */
class DeletionCount {
  #revision = 0;
  #count = 0;

  next(revision: number): number {
    if (revision !== this.#revision) this.#count = 0;
    this.#revision = revision;
    return this.#count++;
  }
}

function eventOf(bytes: Uint8Array, deletions: DeletionCount): StoreEvent | undefined {
  let isDeletion = false;
  let kv: KeyValue | undefined;
  let previous: KeyValue | undefined;
  eachField(bytes, (field, reader) => {
    if (field === 1) isDeletion = reader.varint() !== 0;
    else if (field === 2) kv = keyValueOf(reader.delimited());
    else if (field === 3) previous = keyValueOf(reader.delimited());
    else return false;
    return true;
  });
  if (kv === undefined) return undefined;
  if (!isDeletion) return previous === undefined ? { type: 'put', kv } : { type: 'put', kv, previous };
  // The count goes on also where etcd no longer knows what was deleted.
  const revision = kv.modRevision + deletions.next(kv.modRevision);
  if (previous === undefined) return undefined;
  return { type: 'delete', key: kv.key, revision, previous };
}
