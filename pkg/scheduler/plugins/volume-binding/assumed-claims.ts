/**
 * What pods that have a node will have done for their claims: their volumes are taken, and other pods that share the claims have to go by it. It holds until the API shows
 * the claims bound, which may be a moment after they are.
 */
import type { PersistentVolume, PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
import type { ClaimDecision } from './bind-claims.ts';

/** What will be of a claim. */
export interface AssumedClaim {
  readonly nodeName: string;
  /** Undefined: one is made for the node. */
  readonly volume: PersistentVolume | undefined;
}

interface Assumption {
  readonly nodeName: string;
  readonly decisions: readonly ClaimDecision[];
  /** Whether all of it was done. */
  isDone: boolean;
}

/** All that is assumed, as of one look. */
export interface Assumed {
  /** Names of volumes. */
  readonly taken: ReadonlySet<string>;
  /** By `namespace/name`. */
  readonly claims: ReadonlyMap<string, AssumedClaim>;
}

/** `namespace/name` of a claim. */
export function claimKeyOf({ metadata }: PersistentVolumeClaim): string {
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
}

/** The assumptions, by the uid of their pods. */
export class AssumedClaims {
  readonly #byPod = new Map<string, Assumption>();

  /** What is to be done for a pod on its node, of which some may be seen to by pods before it. */
  set(uid: string, { nodeName, decisions }: Pick<Assumption, 'decisions' | 'nodeName'>): void {
    this.#byPod.set(uid, { nodeName, decisions, isDone: false });
  }

  decisionsOf(uid: string): readonly ClaimDecision[] | undefined {
    const assumption = this.#byPod.get(uid);
    return assumption?.isDone === false ? assumption.decisions : undefined;
  }

  /** All of it was done. */
  done(uid: string): void {
    const assumption = this.#byPod.get(uid);
    if (assumption !== undefined) assumption.isDone = true;
  }

  /** Nothing of it will be done, or was of use. */
  delete(uid: string): void {
    this.#byPod.delete(uid);
  }

  /** What is assumed of what the API does not show yet; `claim` finds claims there. */
  look(claim: (key: string) => PersistentVolumeClaim | undefined): Assumed {
    const taken = new Set<string>();
    const claims = new Map<string, AssumedClaim>();
    const isShown = (decision: ClaimDecision): boolean => {
      const shown = claim(claimKeyOf(decision.claim));
      return shown === undefined || (shown.spec?.volumeName ?? '') !== '';
    };
    for (const [uid, { nodeName, decisions, isDone }] of this.#byPod) {
      if (isDone && decisions.every(isShown)) {
        this.#byPod.delete(uid);
        continue;
      }
      for (const { claim: of, volume, isShared } of decisions) {
        if (volume !== undefined) taken.add(volume.metadata?.name ?? '');
        if (!isShared) claims.set(claimKeyOf(of), { nodeName, volume });
      }
    }
    return { taken, claims };
  }
}
