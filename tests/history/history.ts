/** What clients of one collection saw of it: the record that `check.ts` judges. */

/** One call of a client. Times are places in the order in which calls began and ended, not milliseconds. */
export interface Call {
  readonly client: number;
  readonly kind: 'create' | 'delete' | 'get' | 'list' | 'update';
  /** The object, of all but a list. */
  readonly name: string;
  readonly began: number;
  /** Absent: the answer never came, or said that it is not known what happened; a write may then take effect at any time, or never. */
  readonly ended?: number;
  /** What a write writes: no other write of the history writes the same. */
  readonly value?: string;
  /** The revision that an update or a delete wants the object to have. */
  readonly precondition?: number;
  /** Of a write that was acknowledged, and of a list: the revision that the answer has. Deletes have none. */
  readonly revision?: number;
  /** What a get found; `undefined` for nothing. */
  readonly found?: Item;
  /** What a list found. */
  readonly items?: readonly Item[];
}

/** An object as it was read. */
export interface Item {
  readonly name: string;
  readonly value: string;
  readonly revision: number;
}

/** One event of a watch. */
export interface Seen {
  readonly type: 'ADDED' | 'DELETED' | 'MODIFIED';
  readonly name: string;
  readonly value: string;
  readonly revision: number;
}

/** A watch, over all the connections that it took. */
export interface Watch {
  readonly watcher: number;
  /** The revision of the list that it went on from. */
  readonly from: number;
  /** The last revision that it has seen everything of. */
  readonly to: number;
  readonly events: readonly Seen[];
}

/** All that was seen. */
export interface History {
  readonly calls: readonly Call[];
  readonly watches: readonly Watch[];
}
