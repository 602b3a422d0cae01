/**
 * Counts by topology that are kept between pods, brought up to date from the log of changes: of many pods that ask alike, each costs the nodes that changed
 * since the last one. How many questions are kept is bounded; one that is forgotten is asked of all nodes again.
 */
import type { NodeInfo } from '../model/node-info.ts';
import { type Contribution, TopologyCounts, type TopologyQuestion } from '../model/topology-counts.ts';
import type { TopologyDomains } from '../model/topology-domains.ts';
import type { ChangeLog } from './change-log.ts';

/** Questions kept. At 5,000 nodes one takes up to 1 MB. */
const questionsMax = 64;

/** What is counted. */
interface Nodes {
  readonly slots: readonly (NodeInfo | undefined)[];
  readonly podChanges: ChangeLog;
  readonly domains: TopologyDomains;
}

/** The answer to one question. */
class KeptCounts {
  #counts: TopologyCounts;
  /** By slot. */
  readonly #contributions: (Contribution | undefined)[] = [];
  /** Position in the log up to which all is right; -1 when nothing is. */
  #seen = -1;

  constructor({ domains }: Nodes) {
    this.#counts = new TopologyCounts(domains);
  }

  refresh({ slots, podChanges: log, domains }: Nodes, { ofNode }: TopologyQuestion): TopologyCounts {
    const update = (slot: number): void => {
      const before = this.#contributions[slot];
      if (before !== undefined) this.#counts.remove(before);
      const node = slots[slot];
      const amounts = node === undefined ? undefined : ofNode(node);
      const now = node === undefined || amounts === undefined ? undefined : this.#counts.contributionOf(node, amounts);
      this.#contributions[slot] = now;
      if (now !== undefined) this.#counts.add(now);
    };
    const isKept = this.#seen >= 0 && log.head - this.#seen <= slots.length && log.since(this.#seen, update);
    if (!isKept) {
      this.#counts = new TopologyCounts(domains);
      this.#contributions.length = 0;
      for (let slot = 0; slot < slots.length; slot++) update(slot);
    }
    this.#seen = log.head;
    return this.#counts;
  }
}

/** The answers of one table, those least recently asked for forgotten first. */
export class KeptTopology {
  readonly #kept = new Map<string, KeptCounts>();

  /** Right until a node or a pod changes. */
  of(nodes: Nodes, question: TopologyQuestion): TopologyCounts {
    const { signature } = question;
    const kept = this.#kept.get(signature) ?? new KeptCounts(nodes);
    this.#kept.delete(signature);
    if (this.#kept.size >= questionsMax) {
      const [oldest = ''] = this.#kept.keys();
      this.#kept.delete(oldest);
    }
    this.#kept.set(signature, kept);
    return kept.refresh(nodes, question);
  }

  clear(): void {
    this.#kept.clear();
  }
}
