/**
 * How long a daemon that fails again and again is left where it is before it is made anew: 1 s after the first time, twice as long after each
 * further one, at most 15 minutes. Upstream counterpart: `failedPodsBackoff`, client-go `util/flowcontrol` `Backoff`.
 */
const firstDelayMs = 1_000;
const delayMsMax = 15 * 60_000;

interface Entry {
  delayMs: number;
  sinceMs: number;
}

/** Delays by daemon set and node; begun anew with each change of the set. Bounded by the nodes with failures: `forget` when a set is gone. */
export class FailedPods {
  readonly #sets = new Map<string, { readonly generation: number; readonly nodes: Map<string, Entry> }>();

  /** Milliseconds for which the failed pod must stay; 0: it may go now, and the next one will have to wait longer. */
  waitMs(at: { readonly uid: string; readonly generation: number; readonly node: string }, nowMs: number): number {
    let set = this.#sets.get(at.uid);
    if (set === undefined || set.generation !== at.generation) {
      set = { generation: at.generation, nodes: new Map() };
      this.#sets.set(at.uid, set);
    }
    const entry = set.nodes.get(at.node);
    if (entry === undefined || nowMs - entry.sinceMs > 2 * delayMsMax) {
      set.nodes.set(at.node, { delayMs: firstDelayMs, sinceMs: nowMs });
      return 0;
    }
    const leftMs = entry.sinceMs + entry.delayMs - nowMs;
    if (leftMs > 0) return leftMs;
    entry.delayMs = Math.min(entry.delayMs * 2, delayMsMax);
    entry.sinceMs = nowMs;
    return 0;
  }

  forget(uid: string): void {
    this.#sets.delete(uid);
  }
}
