/**
 * Claims that are ready on the node, with the pods that use them. Pure.
 *
 * Laws:
 * 1. A claim is noted before its drivers are asked to make it ready, and forgotten after they have given it back: one that is noted may be ready.
 * 2. It is its pods' until the last of them is over.
 * 3. What was written down gives the same again.
 *
 * Upstream counterpart: kubelet `cm/dra/claiminfo.go`.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { ClaimName, PreparedDevice } from './claim-messages.ts';

/** A claim on the node. */
export interface NotedClaim extends ClaimName {
  /** Devices that were made ready, by driver; empty until then. */
  readonly drivers: Readonly<Record<string, readonly PreparedDevice[]>>;
  readonly isReady: boolean;
  readonly podUids: readonly string[];
}

/** The claims by namespace and name. */
export class ClaimLedger {
  readonly #claims = new Map<string, NotedClaim>();

  get all(): readonly NotedClaim[] {
    return [...this.#claims.values()];
  }

  get({ namespace, name }: Omit<ClaimName, 'uid'>): NotedClaim | undefined {
    return this.#claims.get(`${namespace}/${name}`);
  }

  ofPod(podUid: string): readonly NotedClaim[] {
    return this.all.filter(({ podUids }) => podUids.includes(podUid));
  }

  /** Notes that a pod uses a claim. */
  note(claim: ClaimName, drivers: readonly string[], podUid: string): NotedClaim {
    const known = this.get(claim) ?? {
      ...claim,
      drivers: Object.fromEntries(drivers.map((driver) => [driver, []])),
      isReady: false,
      podUids: [],
    };
    return this.#set({ ...known, podUids: [...new Set([...known.podUids, podUid])] });
  }

  /** What a driver has made ready of it. */
  made(claim: ClaimName, driver: string, devices: readonly PreparedDevice[]): void {
    const known = this.get(claim);
    if (known !== undefined) this.#set({ ...known, drivers: { ...known.drivers, [driver]: devices } });
  }

  /** All drivers have. */
  ready(claim: ClaimName): void {
    const known = this.get(claim);
    if (known !== undefined) this.#set({ ...known, isReady: true });
  }

  /** The pod uses it no more. */
  leave(claim: ClaimName, podUid: string): void {
    const known = this.get(claim);
    if (known !== undefined) this.#set({ ...known, podUids: known.podUids.filter((uid) => uid !== podUid) });
  }

  /** Nothing of it is on the node any more. */
  forget({ namespace, name }: ClaimName): void {
    this.#claims.delete(`${namespace}/${name}`);
  }

  record(): object {
    return { claims: this.all };
  }

  /** Takes over what was written down; false for what is no such thing, of which nothing is taken. */
  restore(value: unknown): boolean {
    const claims = isObject(value) ? value['claims'] : undefined;
    if (!Array.isArray(claims) || !claims.every(isNoted)) return false;
    for (const claim of claims) this.#set(claim);
    return true;
  }

  #set(claim: NotedClaim): NotedClaim {
    this.#claims.set(`${claim.namespace}/${claim.name}`, claim);
    return claim;
  }
}

function isNoted(value: unknown): value is NotedClaim {
  if (!isObject(value) || !isObject(value['drivers']) || typeof value['isReady'] !== 'boolean') return false;
  const areTexts = [value['namespace'], value['name'], value['uid']].every((text) => typeof text === 'string');
  return areTexts && isTexts(value['podUids']) && Object.values(value['drivers']).every(areDevices);
}

function areDevices(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (device) =>
        isObject(device) &&
        typeof device['pool'] === 'string' &&
        typeof device['device'] === 'string' &&
        isTexts(device['requests']) &&
        isTexts(device['cdiDevices']),
    )
  );
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}
