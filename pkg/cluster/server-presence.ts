/**
 * Which API servers of one store are there: each keeps a key alive that the store removes when nobody does. Where only this server can have the store it is
 * the one, and nothing is written. Upstream counterpart: `controlplane/reconcilers/lease.go` (`/masterleases/`).
 */
import type { Store } from '#pkg/storage/store.ts';
import { serversPrefix } from './store-keys.ts';

/** Where an API server answers. */
export interface ServerAddress {
  readonly address: string;
  readonly port: number;
}

/** This server among all of them. */
export interface ServerPresence {
  /** Says that this server is there; returns all that are, in a steady order. */
  renew(): Promise<readonly ServerAddress[]>;
  /** Says that it is about to go; returns the others, of which there are none where it is the only one. */
  leave(): Promise<readonly ServerAddress[]>;
}

/** How long a server counts that says nothing. Source: upstream's `DefaultEndpointReconcilerTTL`. */
const presenceMs = 15_000;

/** The presence of the server at `own`. Rejects with what the store does. */
export function serverPresence(store: Store, own: ServerAddress): ServerPresence {
  if (store.localRevision !== undefined) return { renew: async () => [own], leave: async () => [] };
  const key = `${serversPrefix}${own.address} ${own.port}`;
  const all = async (): Promise<readonly ServerAddress[]> => {
    const { items } = await store.range({ prefix: serversPrefix });
    return items.map((item) => {
      const [address = '', port] = item.key.slice(serversPrefix.length).split(' ');
      return { address, port: Number(port) };
    });
  };
  return {
    async renew() {
      const held = await store.get(key);
      const ifModRevision = held?.modRevision ?? 0;
      await store.write({ type: 'put', key, value: new Uint8Array(0), ifModRevision, ttlMs: presenceMs });
      return all();
    },
    async leave() {
      const held = await store.get(key);
      if (held !== undefined) await store.write({ type: 'delete', key, ifModRevision: held.modRevision });
      return all();
    },
  };
}
