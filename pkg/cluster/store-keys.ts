/** What a cluster keeps in its store beside the objects, which are below `/registry/`. */
import type { Store } from '#pkg/storage/store.ts';

/** The id of the store. */
export const storeIdKey = '/coxswain/store-id';

/** API servers that are there, and numbers that they are about to give: keys that live for a minute or two. */
export const serversPrefix = '/coxswain/servers/';
/** See `serversPrefix`. */
export const claimsPrefix = '/coxswain/claims/';

/** How the keys of the objects are laid out: a number (`key-layout.ts`). */
export const layoutKey = '/coxswain/layout';

/** Whether values were ever stored unreadable (`encryption/encryption.ts`). */
export const encryptionKey = '/coxswain/encryption';

/** The layout of this version. */
export const keyLayout = 3;

/** In an etcd that a snapshot was restored into: by how much revisions are shown greater than etcd's (`RevisionShift` as JSON). */
export const revisionsKey = '/coxswain/revisions';

/** In an etcd that a snapshot is being restored into: what for. */
export const restoringKey = '/coxswain/restoring';

/** What the keys of a cluster begin with, the id last. */
export const clusterPrefixes = ['/registry/', '/coxswain/'] as const;

/** Whether a key is about the store itself or who uses it now, and so no part of what is moved to another. */
export function isOfStoreAlone(key: string): boolean {
  return key === revisionsKey || key === restoringKey || key.startsWith(serversPrefix) || key.startsWith(claimsPrefix);
}

/**
 * Notes this version's layout in a store that has no objects yet, or none that lie otherwise, in place of what was noted at `ifModRevision`. Where it is
 * noted already another server was faster.
 */
export async function writeLayout(store: Store, ifModRevision = 0): Promise<void> {
  await store.write({ type: 'put', key: layoutKey, value: Buffer.from(String(keyLayout)), ifModRevision });
}
