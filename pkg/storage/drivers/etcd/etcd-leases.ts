/**
 * Leases for keys with a time to live. One lease serves all that is put within a while, as each costs etcd a write of its own and it ends
 * only so many a second. Upstream counterpart: apiserver `storage/etcd3/lease_manager.go`.
 */
import type { Clock } from '#pkg/base/clock.ts';
import { expiryLatenessMsMax } from '../../store.ts';

/** How much longer than wanted a lease lives, so that later puts can share it: this share of the time, and a minute at most. */
const spareShare = 0.05;

/** Keys of one lease: etcd deletes them in one transaction. Source: `--lease-max-object-count`. */
const keysMax = 1_000;

interface Lease {
  readonly id: number;
  readonly expiresMs: number;
  keys: number;
}

/** How leases are asked for. */
export interface EtcdLeasesOptions {
  readonly clock: Clock;
  /** Asks etcd for a lease; resolves with its id. */
  readonly grant: (seconds: number) => Promise<number>;
}

/** The leases of one store. */
export class EtcdLeases {
  readonly #options: EtcdLeasesOptions;
  /** The last lease for each time to live, of which there are as many as callers have. */
  readonly #last = new Map<number, Promise<Lease>>();

  constructor(options: EtcdLeasesOptions) {
    this.#options = options;
  }

  /** The id of a lease that lives at least `ttlMs` from now. Counts a key for it, whatever becomes of that. */
  async take(ttlMs: number): Promise<number> {
    for (;;) {
      const last = this.#last.get(ttlMs);
      const lease = await last?.catch(() => undefined);
      // Another caller may have begun a new one meanwhile.
      if (this.#last.get(ttlMs) !== last) continue;
      if (lease !== undefined && lease.keys < keysMax && lease.expiresMs >= this.#options.clock.monotonicMs() + ttlMs) {
        lease.keys++;
        return lease.id;
      }
      this.#last.set(ttlMs, this.#grant(ttlMs));
      // A refusal is that of the caller who asked.
      const granted = await this.#last.get(ttlMs)!;
      granted.keys++;
      return granted.id;
    }
  }

  async #grant(ttlMs: number): Promise<Lease> {
    const { clock, grant } = this.#options;
    const seconds = Math.ceil((ttlMs + Math.min(expiryLatenessMsMax, ttlMs * spareShare)) / 1_000);
    // Counted from before the question: etcd counts from when it hears it.
    const expiresMs = clock.monotonicMs() + seconds * 1_000;
    return { id: await grant(seconds), expiresMs, keys: 0 };
  }
}
