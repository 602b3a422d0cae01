/**
 * Numbers by topology: a key of node labels and the value it has on a node. Changed by whoever counts, read by plugins.
 * Invariant: a domain is there as long as a node of it contributes, be it 0.
 */
import type { NodeInfo } from './node-info.ts';

/** What a node contributes to its domains, by topology key. */
export type TopologyAmounts = readonly (readonly [topologyKey: string, amount: number])[];

/** A question about every node, whose answers depend on the node, the pods on it and what the signature writes down. */
export interface TopologyQuestion {
  /** Equal for questions that get equal answers. */
  readonly signature: string;
  /** Undefined for a node that contributes to no domain. */
  ofNode(node: NodeInfo): TopologyAmounts | undefined;
}

/** What one node contributed, with the values of its labels at that time. */
export type Contribution = readonly (readonly [topologyKey: string, value: string, amount: number])[];

const noDomains: ReadonlyMap<string, number> = new Map();

/** Sums by the value of a node label, for any number of labels. */
export class TopologyCounts {
  readonly #sums = new Map<string, Map<string, number>>();
  readonly #contributors = new Map<string, Map<string, number>>();

  /** The number of the node's domain: 0 where nothing was added or the node lacks the key. */
  of(key: string, node: NodeInfo): number {
    const value = labelOf(node, key);
    return value === undefined ? 0 : (this.#sums.get(key)?.get(value) ?? 0);
  }

  /** The numbers of the domains of one key. */
  domains(key: string): ReadonlyMap<string, number> {
    return this.#sums.get(key) ?? noDomains;
  }

  keys(): Iterable<string> {
    return this.#sums.keys();
  }

  get isEmpty(): boolean {
    return this.#sums.size === 0;
  }

  /** Adds what a node contributes; keys that it lacks do not count. Returns what `remove` takes back. */
  add(node: NodeInfo, amounts: TopologyAmounts): Contribution {
    const contribution = amounts.flatMap(([key, amount]) => {
      const value = labelOf(node, key);
      return value === undefined ? [] : [[key, value, amount] as const];
    });
    for (const [key, value, amount] of contribution) {
      change(this.#sums, [key, value], amount);
      change(this.#contributors, [key, value], 1);
    }
    return contribution;
  }

  remove(contribution: Contribution): void {
    for (const [key, value, amount] of contribution) {
      change(this.#sums, [key, value], -amount);
      change(this.#contributors, [key, value], -1);
      if (this.#contributors.get(key)?.get(value) !== 0) continue;
      for (const counts of [this.#sums, this.#contributors]) {
        counts.get(key)?.delete(value);
        if (counts.get(key)?.size === 0) counts.delete(key);
      }
    }
  }

  /** A copy, to see what would be. */
  clone(): TopologyCounts {
    const copy = new TopologyCounts();
    for (const [key, sums] of this.#sums) copy.#sums.set(key, new Map(sums));
    for (const [key, counts] of this.#contributors) copy.#contributors.set(key, new Map(counts));
    return copy;
  }
}

function change(
  counts: Map<string, Map<string, number>>,
  [key, value]: readonly [string, string],
  amount: number,
): void {
  let ofKey = counts.get(key);
  if (ofKey === undefined) {
    ofKey = new Map();
    counts.set(key, ofKey);
  }
  ofKey.set(value, (ofKey.get(value) ?? 0) + amount);
}

/** The node's value of a label. */
export function labelOf(node: NodeInfo, key: string): string | undefined {
  return Object.hasOwn(node.labels, key) ? node.labels[key] : undefined;
}
