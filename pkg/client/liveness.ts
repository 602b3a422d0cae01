/**
 * How a candidate learns that the process which holds a Lease has ended, long before the Lease runs out: a contract, so that elections work on virtual
 * time and without a network too. `pkg/component/beacon.ts` does it with connections. No upstream counterpart: there a Lease always runs out.
 */

/**
 * Tells others that this process lives, and learns of others that they do not any more.
 *
 * Law: what is said to have ended has. Whoever is only silent, stopped, slow or out of reach is never said to have, as its work may go on; then the Lease
 * decides alone, as it does without any of this.
 */
/** How a candidate shows that it lives, and learns that the holder does not. */
export interface Liveness {
  /** Where others find that this process lives. It stands in the Lease, as the annotation `livenessAnnotation`. */
  readonly address: string;
  /**
   * Resolves with true once the process of that identity, which was seen alive at `address` before, has ended; with false once aborted. Never rejects.
   * Calls `onSeen`, if there is such, when it is seen alive: from then on its end will be known.
   */
  ended(holder: WatchedHolder, signal: AbortSignal): Promise<boolean>;
}

/** Whose end is to be known. */
export interface WatchedHolder {
  readonly address: string;
  readonly identity: string;
  onSeen?(): void;
}

/** Annotation of a Lease: the address at which its holder is seen to live. */
export const livenessAnnotation = 'coxswain.dev/alive-at';
