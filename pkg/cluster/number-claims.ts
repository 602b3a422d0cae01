/**
 * Claims of several API servers of one store to numbers that they give to Services: a key that only one of them can make, and that the store itself
 * removes after a while. Addresses need none: their objects are claims. Upstream counterpart: the allocation bitmap of node ports.
 */
import type { NumberClaims } from '#pkg/registry/core/service/port-allocation.ts';
import type { Store } from '#pkg/storage/store.ts';
import { claimsPrefix } from './store-keys.ts';

/** Longer than a Service takes to be written (its request ends after a minute) and to be seen by all servers. */
const claimMs = 120_000;

/** Claims in a store that several servers have; undefined for one that only this server can have, which needs none. */
export function numberClaims(store: Store): NumberClaims | undefined {
  if (store.localRevision !== undefined) return undefined;
  return {
    async take(name) {
      const operation = { type: 'put', key: claimsPrefix + name, value: new Uint8Array(0), ifModRevision: 0 } as const;
      return (await store.write({ ...operation, ttlMs: claimMs })).ok;
    },
    async release(name) {
      const key = claimsPrefix + name;
      const claim = await store.get(key);
      if (claim !== undefined) await store.write({ type: 'delete', key, ifModRevision: claim.modRevision });
    },
  };
}
