/**
 * Values of a folder that was opened, which stay on the disk until somebody reads one; then those that were written together with it are read too. A start
 * that has tens of thousands of objects reads few of them before it is done, and what nobody reads takes no memory.
 *
 * Invariant: a value can be read as long as its version lives, since nothing of a log is taken out before that has ended; whoever ends it reads it first
 * (`readNow`), as others may still hold it.
 */
import { assert } from '#pkg/base/assert.ts';
import { LateKeyValue } from '../../late-value.ts';
import { Slabs } from '../../slabs.ts';
import type { KeyValue, LateValue } from '../../store.ts';
import type { WriteHead } from './write-group.ts';

/** There may be tens of thousands of values. */
const slabSizes = { slabBytes: 64 * 1024, sharedBytesMax: 8 * 1024 };

/** Gives the values of the writes that lie together with that of a revision, whose bytes are good until `take` returns. */
type ReadGroup = (revision: number, take: (revision: number, value: Buffer) => void) => void;

/** All values that were there when the folder was opened. */
export class LoggedValues {
  readonly #read: ReadGroup;
  readonly #slabs = new Slabs(slabSizes);
  #group: Group;

  constructor(read: ReadGroup) {
    this.#read = read;
    this.#group = new Group(this.#read, this.#slabs);
  }

  /** What is added from here on lies in another group. */
  nextGroup(): void {
    this.#group = new Group(this.#read, this.#slabs);
  }

  /** What a put has left. */
  add({ key, revision, createRevision, valueBytes }: WriteHead): KeyValue {
    const late = new LoggedValue(this.#group, revision, valueBytes);
    this.#group.unread.push(late);
    return new LateKeyValue({ key, late, createRevision, modRevision: revision });
  }

  /** The value is one that nobody will read: a later write was found while the folder is opened. */
  drop({ late }: KeyValue): void {
    if (late instanceof LoggedValue) late.isDropped = true;
  }
}

/** Has the value in memory, as its version ends. */
export function readNow({ late }: KeyValue): void {
  if (late instanceof LoggedValue) late.read();
}

/** What was written together. */
class Group {
  unread: LoggedValue[] = [];
  readonly #read: ReadGroup;
  readonly #slabs: Slabs;

  constructor(read: ReadGroup, slabs: Slabs) {
    this.#read = read;
    this.#slabs = slabs;
  }

  /** Reads all values of the group that may still be asked for. */
  load(revision: number): void {
    const unread = new Map(this.unread.filter(({ isDropped }) => !isDropped).map((one) => [one.revision, one]));
    this.#read(revision, (each, value) => unread.get(each)?.take(this.#slabs.copy(value)));
    this.unread = this.unread.filter(({ isUnread }) => isUnread);
  }
}

class LoggedValue implements LateValue {
  readonly revision: number;
  readonly size: number;
  isDropped = false;
  /** Until it was read. */
  #group: Group | undefined;
  #bytes: Uint8Array | undefined;

  constructor(group: Group, revision: number, size: number) {
    this.#group = group;
    this.revision = revision;
    this.size = size;
  }

  get isUnread(): boolean {
    return this.#group !== undefined && !this.isDropped;
  }

  get bytes(): Uint8Array {
    this.read();
    assert(this.#bytes !== undefined, 'a value that lives is not in the log');
    return this.#bytes;
  }

  read(): void {
    this.#group?.load(this.revision);
  }

  take(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#group = undefined;
  }
}
