/**
 * Numbers by topology: a key of node labels and the value it has on a node. Changed by whoever counts, read by plugins.
 * Invariant: a domain is there as long as a node of it contributes, be it 0.
 */
import type { NodeInfo } from './node-info.ts';
import type { TopologyDomains } from './topology-domains.ts';

/** What a node contributes to its domains, by topology key. */
export type TopologyAmounts = readonly (readonly [topologyKey: string, amount: number])[];

/** A question about every node, whose answers depend on the node, the pods on it and what the signature writes down. */
export interface TopologyQuestion {
  /** Equal for questions that get equal answers. */
  readonly signature: string;
  /** Undefined for a node that contributes to no domain. */
  ofNode(node: NodeInfo): TopologyAmounts | undefined;
}

/** What one node contributed, with the numbers of its domains at that time. */
export type Contribution = readonly (readonly [topologyKey: string, domain: number, amount: number])[];

const noSums: Float64Array = new Float64Array(0);
const domainsAtFirst = 8;

/** The domains of one key, by number. */
class DomainSums {
  sums: Float64Array = new Float64Array(domainsAtFirst);
  /** How many nodes contribute. */
  nodes: Int32Array = new Int32Array(domainsAtFirst);
  /** How many domains have a node that contributes. */
  count = 0;

  change(domain: number, { amount, nodes }: { readonly amount: number; readonly nodes: 1 | -1 }): void {
    if (domain >= this.sums.length) this.#grow(domain + 1);
    const before = this.nodes[domain] ?? 0;
    this.nodes[domain] = before + nodes;
    this.sums[domain] = (this.sums[domain] ?? 0) + amount;
    if (before === 0) this.count++;
    else if (before + nodes === 0) this.count--;
  }

  least(): number {
    let least = Number.POSITIVE_INFINITY;
    for (let domain = 0; domain < this.nodes.length; domain++) {
      const sum = this.sums[domain] ?? 0;
      if (this.nodes[domain] !== 0 && sum < least) least = sum;
    }
    return least;
  }

  clone(): DomainSums {
    const copy = new DomainSums();
    copy.sums = this.sums.slice();
    copy.nodes = this.nodes.slice();
    copy.count = this.count;
    return copy;
  }

  #grow(least: number): void {
    const length = Math.max(least, this.sums.length * 2);
    const [sums, nodes] = [this.sums, this.nodes];
    this.sums = new Float64Array(length);
    this.nodes = new Int32Array(length);
    this.sums.set(sums);
    this.nodes.set(nodes);
  }
}

/** Sums by the value of a node label, for any number of labels. */
export class TopologyCounts {
  readonly #byKey = new Map<string, DomainSums>();
  readonly #domains: TopologyDomains;

  /** `domains`: numbers the values, and forgets none of them while this is in use. */
  constructor(domains: TopologyDomains) {
    this.#domains = domains;
  }

  /** The number of the node's domain: 0 where nothing was added or the node lacks the key. */
  of(key: string, node: NodeInfo): number {
    const value = labelOf(node, key);
    const domain = value === undefined ? undefined : this.#domains.find(key, value);
    return domain === undefined ? 0 : (this.#byKey.get(key)?.sums[domain] ?? 0);
  }

  /** The numbers of the domains of one key, by the number of the domain; those that are beyond the end are 0. */
  sumsOf(key: string): Float64Array {
    return this.#byKey.get(key)?.sums ?? noSums;
  }

  /** How many domains of one key there are. */
  domainCount(key: string): number {
    return this.#byKey.get(key)?.count ?? 0;
  }

  /** The smallest number of the domains of one key; 0 where there are none. */
  least(key: string): number {
    return this.#byKey.get(key)?.least() ?? 0;
  }

  keys(): Iterable<string> {
    return this.#byKey.keys();
  }

  get isEmpty(): boolean {
    return this.#byKey.size === 0;
  }

  /** What a node contributes, for `add` and `remove`; keys that it lacks do not count. */
  contributionOf(node: NodeInfo, amounts: TopologyAmounts): Contribution {
    const contribution: (readonly [string, number, number])[] = [];
    for (const [key, amount] of amounts) {
      const value = labelOf(node, key);
      if (value !== undefined) contribution.push([key, this.#domains.numberOf(key, value), amount]);
    }
    return contribution;
  }

  add(contribution: Contribution): void {
    for (const [key, domain, amount] of contribution) {
      let ofKey = this.#byKey.get(key);
      if (ofKey === undefined) {
        ofKey = new DomainSums();
        this.#byKey.set(key, ofKey);
      }
      ofKey.change(domain, { amount, nodes: 1 });
    }
  }

  /** Takes back what was added. */
  remove(contribution: Contribution): void {
    for (const [key, domain, amount] of contribution) {
      const ofKey = this.#byKey.get(key);
      ofKey?.change(domain, { amount: -amount, nodes: -1 });
      if (ofKey?.count === 0) this.#byKey.delete(key);
    }
  }

  /** A copy, to see what would be. */
  clone(): TopologyCounts {
    const copy = new TopologyCounts(this.#domains);
    for (const [key, sums] of this.#byKey) copy.#byKey.set(key, sums.clone());
    return copy;
  }
}

/** The node's value of a label. */
export function labelOf(node: NodeInfo, key: string): string | undefined {
  return Object.hasOwn(node.labels, key) ? node.labels[key] : undefined;
}
