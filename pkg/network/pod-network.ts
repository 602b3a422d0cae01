/**
 * Gives the pods of one node their addresses. Contract only; `loopback/` implements it without privileges, `conformance.ts` holds the laws.
 *
 * Laws:
 * 1. `attach` connects a sandbox that exists and resolves with its addresses, the pod's first one first: at least one, and at most one of each family.
 *    They answer once it has resolved, and stay the sandbox owner's until `detach`. Called again for an owner it gives the same addresses.
 * 2. An address belongs to at most one owner at a time, and is not given again before the rest of its range was used.
 * 3. `attach` rejects with `PodNetworkError` without a range, when it is used up, for what cannot be connected and when
 *    `signal` is aborted first; nothing is left of it then.
 * 4. `detach` gives everything back; it does nothing for an owner that has nothing. It may come before `attach` has resolved, which then rejects or
 *    leaves nothing behind.
 * 5. Addresses that were given before a restart are kept by `recover`, which must be called before the first `attach`.
 */

/** The sandbox to connect. */
export interface NetworkSandbox {
  /** Of the addresses: the pod's uid. */
  readonly owner: string;
  readonly id: string;
  /** Path of its network namespace; absent where pods share the node's. */
  readonly namespacePath?: string;
  /** What it is held to from its first packet on, where the network can (`limitsBandwidth`). */
  readonly bandwidth?: PodBandwidth;
}

/** Most bits a second in each direction; absent: no limit. */
export interface PodBandwidth {
  readonly toPod?: number;
  readonly fromPod?: number;
}

/** The network of one node; see the laws above. */
export interface PodNetwork {
  /** Such as `loopback`. */
  readonly kind: string;
  /**
   * Takes the node's ranges (`127.8.1.0/24`), at most one of each family, which may come late. Throws `PodNetworkError` for those that it cannot
   * serve, and for others while addresses of the first are in use.
   */
  configure(podCidrs: readonly string[]): void;
  /** Whether pods are held to their bandwidth, once one was attached. */
  readonly limitsBandwidth: boolean;
  /** The ranges, once they are known; none before, and then no pod can be given an address. */
  readonly podCidrs: readonly string[];
  attach(sandbox: NetworkSandbox, signal?: AbortSignal): Promise<readonly string[]>;
  detach(owner: string): Promise<void>;
  /** Marks addresses as the owner's; false, and nothing is marked, when one is outside of the ranges or another owner's. */
  recover(owner: string, addresses: readonly string[]): boolean;
}

/** A pod could not be given an address. */
export class PodNetworkError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PodNetworkError';
  }
}
