/**
 * The best node for all pods of one signature: what every node comes to, and a tournament over that, in typed arrays. Brought up to date from the log
 * of changes, so that of many alike pods each costs the nodes that changed since the last one and a dozen comparisons for each of these.
 *
 * Invariant: the winner is the node with the highest total, of equal ones that in the lowest slot, as when all are gone through in order.
 */
import type { ChangeLog } from '../cache/change-log.ts';
import type { NodeTable } from '../cache/node-table.ts';
import type { NodeInfo } from '../model/node-info.ts';
import type { SlotCheck } from './plugin.ts';

/** What a node that is refused comes to. */
export const refused = Number.NEGATIVE_INFINITY;

/** What a node comes to, `refused` for one that may not be taken. Must say the same each time of a node that is not in the log of changes. */
export type Rate = (node: NodeInfo) => number;

/** Rankings kept. At 5,000 nodes one takes 100 kB. */
const rankingsMax = 128;
/** Signatures that were seen once, of which there is no ranking yet: of a pod that is like no other it would be made for nothing. */
const seenOnceMax = 1_024;

/** One ranking. */
export class Ranking {
  /** By slot. */
  #totals = new Float64Array(0);
  /** By place in the tournament, 1 being the last match: the slot that won it. */
  #winners = new Int32Array(0);
  /** A power of two: so many slots take part. */
  #width = 0;
  /** Position in the log up to which all is right; -1 when nothing is. */
  #seen = -1;

  /** The slot of the best node; undefined when all are refused. */
  best({ slots, podChanges }: Pick<NodeTable, 'podChanges' | 'slots'>, rate: Rate): number | undefined {
    this.#refresh(slots, podChanges, rate);
    const winner = this.#width === 1 ? 0 : (this.#winners[1] ?? 0);
    return this.#totals[winner] === refused ? undefined : winner;
  }

  /** As `best`, of the nodes that pass. */
  bestOf(
    { slots, podChanges }: Pick<NodeTable, 'podChanges' | 'slots'>,
    rate: Rate,
    passes: SlotCheck,
  ): number | undefined {
    this.#refresh(slots, podChanges, rate);
    const totals = this.#totals;
    let best: number | undefined;
    let most = refused;
    for (let slot = 0; slot < slots.length; slot++) {
      const total = totals[slot] ?? refused;
      if (total <= most || !passes(slot)) continue;
      most = total;
      best = slot;
    }
    return best;
  }

  #refresh(slots: readonly (NodeInfo | undefined)[], log: ChangeLog, rate: Rate): void {
    const behind = log.head - this.#seen;
    const isKept = this.#seen >= 0 && slots.length <= this.#width && behind * 2 <= this.#width;
    const update = (slot: number): void => {
      this.#totals[slot] = totalOf(slots[slot], rate);
      this.#playFrom(slot);
    };
    if (!isKept || !log.since(this.#seen, update)) this.#playAll(slots, rate);
    this.#seen = log.head;
  }

  #playAll(slots: readonly (NodeInfo | undefined)[], rate: Rate): void {
    if (slots.length > this.#width || this.#width === 0) {
      this.#width = 1;
      while (this.#width < slots.length) this.#width *= 2;
      this.#totals = new Float64Array(this.#width).fill(refused);
      this.#winners = new Int32Array(this.#width);
    }
    for (let slot = 0; slot < slots.length; slot++) this.#totals[slot] = totalOf(slots[slot], rate);
    for (let match = this.#width - 1; match >= 1; match--) this.#winners[match] = this.#winnerOf(match);
  }

  /** Plays the matches again that depend on a slot. */
  #playFrom(slot: number): void {
    const winners = this.#winners;
    for (let match = (slot + this.#width) >> 1; match >= 1; match >>= 1) {
      const before = winners[match];
      const winner = this.#winnerOf(match);
      winners[match] = winner;
      // Between others nothing has changed.
      if (winner === before && winner !== slot) return;
    }
  }

  #winnerOf(match: number): number {
    const width = this.#width;
    const left = match * 2;
    const one = left >= width ? left - width : (this.#winners[left] ?? 0);
    const other = left >= width ? left + 1 - width : (this.#winners[left + 1] ?? 0);
    return (this.#totals[one] ?? refused) >= (this.#totals[other] ?? refused) ? one : other;
  }
}

function totalOf(node: NodeInfo | undefined, rate: Rate): number {
  return node === undefined ? refused : rate(node);
}

/** The rankings of one decider by signature, those least recently used forgotten first. */
export class Rankings {
  readonly #rankings = new Map<string, Ranking>();
  readonly #seenOnce = new Set<string>();

  /** Undefined for a signature that comes for the first time. */
  of(signature: string): Ranking | undefined {
    let ranking = this.#rankings.get(signature);
    if (ranking !== undefined) this.#rankings.delete(signature);
    else if (!this.#wasSeen(signature)) return undefined;
    else {
      if (this.#rankings.size >= rankingsMax) this.#forgetOldest();
      ranking = new Ranking();
    }
    this.#rankings.set(signature, ranking);
    return ranking;
  }

  #wasSeen(signature: string): boolean {
    if (this.#seenOnce.delete(signature)) return true;
    if (this.#seenOnce.size >= seenOnceMax) this.#seenOnce.clear();
    this.#seenOnce.add(signature);
    return false;
  }

  #forgetOldest(): void {
    const [oldest = ''] = this.#rankings.keys();
    this.#rankings.delete(oldest);
  }
}
