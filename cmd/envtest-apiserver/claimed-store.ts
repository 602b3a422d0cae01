/**
 * A store that is there as long as its `etcd` stand-in is: what the API server of a suite has in place of a connection to etcd.
 *
 * Laws: while the stand-in is gone every call that asks the store fails with `StoreUnavailableError`, as those to an etcd that is gone do, and
 * watches stay and wait; once it is back with the same data all goes on; if other data is in its place the store has ended, as nothing that the
 * server remembers of the old data is true of it. Calls themselves go to the driver of this process: no byte of them goes through the stand-in.
 */
import { type ClaimResult, claimData } from '#cmd/common/etcd-claim.ts';
import { Deferred, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { gatedStore } from '#pkg/storage/gated-store.ts';
import { type Store, StoreUnavailableError } from '#pkg/storage/store.ts';

/** A claim that was made. */
export type HeldClaim = Extract<ClaimResult, { readonly kind: 'held' }>;

/** Between two looks whether the stand-in is back. */
const retryMs = 100;

/** What the store depends on. */
export interface ClaimedStoreOptions {
  readonly store: Store;
  readonly address: string;
  readonly claim: HeldClaim;
  readonly clock: Clock;
  /** Default: the claim of the network. */
  readonly claimAgain?: (address: string) => Promise<ClaimResult>;
}

/** The store under its claim. Closing it gives the claim back. */
export function claimedStore(options: ClaimedStoreOptions): Store {
  const { store, address } = options;
  const watcher = new ClaimWatcher(options);
  const gated = gatedStore(store, {
    ended: watcher.ended,
    check() {
      if (!watcher.isThere) throw new StoreUnavailableError(`Cannot reach the etcd stand-in at ${address}`);
    },
  });
  return {
    ...gated,
    async close() {
      watcher.stop();
      await gated.close();
      watcher.release();
    },
  };
}

/** Follows the claim, and makes it again. */
class ClaimWatcher {
  readonly #options: ClaimedStoreOptions;
  readonly #ended = new Deferred<StoreUnavailableError>();
  readonly #stopped = new AbortController();
  #claim: HeldClaim | undefined;

  constructor(options: ClaimedStoreOptions) {
    this.#options = options;
    this.#claim = options.claim;
    void this.#follow(options.claim);
  }

  get isThere(): boolean {
    return this.#claim !== undefined;
  }

  get ended(): Promise<StoreUnavailableError> {
    return this.#ended.promise;
  }

  /** No claim is made again from now on. */
  stop(): void {
    this.#stopped.abort();
  }

  release(): void {
    this.#claim?.release();
  }

  async #follow(first: HeldClaim): Promise<void> {
    const { signal } = this.#stopped;
    for (let claim = first; ; ) {
      await claim.gone;
      this.#claim = undefined;
      const next = await this.#again();
      if (next === undefined) return;
      if (signal.aborted) return next.release();
      if (next.id !== first.id) {
        next.release();
        const { address } = this.#options;
        this.#ended.resolve(new StoreUnavailableError(`The etcd stand-in at ${address} holds other data now`));
        return;
      }
      claim = next;
      this.#claim = next;
    }
  }

  /** Undefined once nobody waits for it. */
  async #again(): Promise<HeldClaim | undefined> {
    const { address, clock, claimAgain = claimData } = this.#options;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const result = await claimAgain(address);
      if (result.kind === 'held') return result;
      await sleep(clock, retryMs, signal);
    }
    return undefined;
  }
}
