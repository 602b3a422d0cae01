/** Numbers by topology: a key of node labels and the value it has on a node. */
import type { NodeInfo } from '../model/node-info.ts';

/** Sums by the value of a node label, for any number of labels. */
export class TopologyCounts {
  readonly #counts = new Map<string, Map<string, number>>();

  /** Adds to the domain that the node is in; does nothing for a node without the key. */
  add(key: string, node: NodeInfo, amount: number): void {
    const value = labelOf(node, key);
    if (value === undefined) return;
    let ofKey = this.#counts.get(key);
    if (ofKey === undefined) {
      ofKey = new Map();
      this.#counts.set(key, ofKey);
    }
    ofKey.set(value, (ofKey.get(value) ?? 0) + amount);
  }

  /** The number of the node's domain: 0 where nothing was added or the node lacks the key. */
  of(key: string, node: NodeInfo): number {
    const value = labelOf(node, key);
    return value === undefined ? 0 : (this.#counts.get(key)?.get(value) ?? 0);
  }

  /** The numbers of the domains of one key. */
  domains(key: string): ReadonlyMap<string, number> {
    return this.#counts.get(key) ?? new Map();
  }

  keys(): Iterable<string> {
    return this.#counts.keys();
  }

  get isEmpty(): boolean {
    return this.#counts.size === 0;
  }
}

/** The node's value of a label. */
export function labelOf(node: NodeInfo, key: string): string | undefined {
  return Object.hasOwn(node.labels, key) ? node.labels[key] : undefined;
}
