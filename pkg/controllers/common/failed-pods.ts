/**
 * How long a pod that fails again and again is left where it is before it is made anew: not at all the first time, then 1 s, and twice as long
 * after each further time, up to a limit. Upstream counterpart: DaemonSet's `failedPodsBackoff`, client-go `util/flowcontrol` `Backoff`.
 */
const firstDelayMs = 1_000;

interface Entry {
  delayMs: number;
  sinceMs: number;
}

/** Where a pod failed. */
export interface FailedAt {
  /** Of its workload. */
  readonly uid: string;
  readonly generation: number;
  /** What its successor will have of it: its node, or its name. */
  readonly place: string;
}

/** Delays by workload and place; begun anew with each change of the workload. Bounded by the places with failures: `forget` when one is gone. */
export class FailedPods {
  readonly #delayMsMax: number;
  readonly #owners = new Map<string, { readonly generation: number; readonly places: Map<string, Entry> }>();

  constructor(delayMsMax: number) {
    this.#delayMsMax = delayMsMax;
  }

  /** Milliseconds for which the failed pod must stay; 0: it may go now, and the next one will have to wait longer. */
  waitMs({ uid, generation, place }: FailedAt, nowMs: number): number {
    let owner = this.#owners.get(uid);
    if (owner === undefined || owner.generation !== generation) {
      owner = { generation, places: new Map() };
      this.#owners.set(uid, owner);
    }
    const entry = owner.places.get(place);
    if (entry === undefined || nowMs - entry.sinceMs > 2 * this.#delayMsMax) {
      owner.places.set(place, { delayMs: firstDelayMs, sinceMs: nowMs });
      return 0;
    }
    const leftMs = entry.sinceMs + entry.delayMs - nowMs;
    if (leftMs > 0) return leftMs;
    entry.delayMs = Math.min(entry.delayMs * 2, this.#delayMsMax);
    entry.sinceMs = nowMs;
    return 0;
  }

  forget(uid: string): void {
    this.#owners.delete(uid);
  }
}
