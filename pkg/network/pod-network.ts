/**
 * Gives each pod of one node an address. Contract only; `loopback/` implements it without privileges.
 *
 * Laws:
 * 1. An address belongs to at most one owner at a time, and is not given again before the rest of the range was used.
 * 2. `allocate` and `release` are idempotent per owner.
 * 3. An address that was given before a restart is kept by `recover`, which must be called before the first `allocate`.
 */
export interface PodNetwork {
  /** Such as `loopback`. */
  readonly kind: string;
  /** Takes the node's range (`127.8.1.0/24`), which may come late. Throws for one that it cannot serve, or a second, different one. */
  configure(podCidr: string): void;
  /** The range, once it is known; before that no pod can be given an address. */
  readonly podCidr: string | undefined;
  /** The owner's address, made at first call. Throws `PodNetworkError` without a range and when it is used up. */
  allocate(owner: string): string;
  /** Gives the owner's address back; nothing for an owner that has none. */
  release(owner: string): void;
  /** Marks an address as the owner's; false when it is outside the range or another owner's. */
  recover(owner: string, address: string): boolean;
}

/** A pod could not be given an address. */
export class PodNetworkError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PodNetworkError';
  }
}
