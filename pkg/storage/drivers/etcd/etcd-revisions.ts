/**
 * Revisions as this driver shows them. etcd gives one number to all writes of a transaction, and a transaction here has the writes of many callers; but who
 * has seen one of them and goes on from its revision must be given the next. So each revision of etcd's is shown as a thousand, of which its writes have
 * one each, in the order in which every watch is told of them.
 *
 * Invariant: a write is shown with the same number to everybody. A put's place in its transaction is kept behind its value, unless it is the first place;
 * deletions go alone, and where a lease deletes many keys each is one more than the one before, in the order in which watches have them. What is behind a
 * value is known by bytes that UTF-8 does not have, and a value that ends so by itself is marked in any case.
 */

/** Numbers for each revision of etcd's: more than a transaction has operations, and than keys end with one lease. */
const numbersPerRevision = 1024;

/** What is behind a value: these, and the place in two bytes. */
const mark = Buffer.from([0xff, 0xc0, 0xfe, 0xc1]);
const markedBytes = mark.length + 2;

/** The write at a place of a revision of etcd's. Whoever writes more keys at once than there are numbers has the last ones share one. */
export function shownRevision(revision: number, place: number): number {
  return revision * numbersPerRevision + Math.min(place, numbersPerRevision - 1);
}

/** What is shown of when a key was made: the first number of etcd's revision, as the place in it is not kept. */
export function startOfRevision(shown: number): number {
  return shown - (shown % numbersPerRevision);
}

/** What is shown once all of a revision of etcd's is seen. */
export function endOfRevision(revision: number): number {
  return shownRevision(revision, numbersPerRevision - 1);
}

/** The revision of etcd's that a shown one is part of: 1 at least, as 0 has a meaning of its own there. */
export function etcdRevision(shown: number): number {
  return Math.max(1, Math.floor(shown / numbersPerRevision));
}

/** Whether a key can be at a shown revision: not at one that is not etcd's. */
export function isOfEtcd(shown: number): boolean {
  return shown >= numbersPerRevision;
}

/** What is to be put behind a value at a place of a transaction; nothing behind most of those in the first place. */
export function markFor(value: Uint8Array, place: number): Uint8Array | undefined {
  if (place === 0 && !isMarked(value)) return undefined;
  return Buffer.from([...mark, place >> 8, place & 255]);
}

/** A value without its mark, and the place that it tells. */
export function placedValue(stored: Uint8Array): { readonly value: Uint8Array; readonly place: number } {
  if (!isMarked(stored)) return { value: stored, place: 0 };
  const end = stored.length;
  const place = (stored[end - 2] ?? 0) * 256 + (stored[end - 1] ?? 0);
  return { value: stored.subarray(0, end - markedBytes), place };
}

function isMarked(value: Uint8Array): boolean {
  const start = value.length - markedBytes;
  return start >= 0 && mark.every((byte, i) => value[start + i] === byte);
}
