/** The part of a store that the objects of one resource need, of which there is a second one: that of versions that somebody else converts. */
import type { Store } from '#pkg/storage/store.ts';

/** Reads and writes of a store. */
export type ObjectKeeper = Pick<Store, 'allocate' | 'get' | 'guard' | 'range' | 'takesLate' | 'write' | 'writeNow'>;
