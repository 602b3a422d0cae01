/** How long, and where beside the store, the objects of a resource are kept: the part of a `Strategy` that storage reads. */

/** How the objects of a resource are kept, for all of its versions. */
export interface KeepingRules {
  /**
   * `none`: lists and watches read the store, and memory holds nothing of them. For resources with many objects and few readers. Default
   * `all`.
   */
  readonly watchCache?: 'all' | 'none';
  /**
   * Without a cache: a text that stored objects of the resource have much in common with, in the order of their fields, so that the store can
   * leave out what all of them say.
   */
  readonly sample?: string;
  /** How long an object lives after it was last written. Source: `registry.Store.TTLFunc`. */
  readonly ttlMs?: number;
  /** What the keys of such objects go on with after `/registry/`. Default: the name of the resource. Source: `specialDefaultResourcePrefixes`. */
  readonly keyName?: string;
}
