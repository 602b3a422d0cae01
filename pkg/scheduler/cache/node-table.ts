/**
 * The nodes in numbered slots, so that what is kept per node can live in plain arrays. A slot number stays with its node while the
 * node exists; freed numbers are used again, lowest first.
 */
import { doubleOf } from '#pkg/apimachinery/json.ts';
import { Heap } from '#pkg/base/heap.ts';
import type { ClusterView, ImageUse } from '../model/cluster-view.ts';
import type { NodeInfo } from '../model/node-info.ts';
import type { TopologyCounts, TopologyQuestion } from '../model/topology-counts.ts';
import { TopologyDomains } from '../model/topology-domains.ts';
import { ChangeLog } from './change-log.ts';
import { KeptTopology } from './kept-topology.ts';

/** Values of labels that are numbered, of which most may be of nodes that are gone; beyond it all are numbered anew. */
const domainsMost = (slots: number): number => 4_096 + 16 * slots;

const noLabels: Readonly<Record<string, string>> = {};

/** The nodes of one cache, read by the plugins and changed by the cache alone. */
export class NodeTable implements ClusterView {
  /** By slot; undefined where a slot is free. */
  readonly slots: (NodeInfo | undefined)[] = [];
  /** Changes of what nodes say of themselves. */
  readonly nodeChanges = new ChangeLog();
  /** Changes of nodes or of the pods on them. */
  readonly podChanges = new ChangeLog();
  readonly #slotOf = new Map<string, number>();
  readonly #withAffinity = new Set<NodeInfo>();
  readonly #withSoftTaints = new Set<NodeInfo>();
  readonly #free = new Heap<number>((a, b) => a - b);
  /** By name, as of `#imagesAt` in the log of node changes. */
  #images = new Map<string, ImageUse>();
  #imagesAt = -1;
  /** The numbers of the domains that are counted by. */
  readonly domains = new TopologyDomains();
  readonly #topology = new KeptTopology();
  readonly #namespaceLabels = new Map<string, Readonly<Record<string, string>>>();

  get nodeCount(): number {
    return this.#slotOf.size;
  }

  node(name: string): NodeInfo | undefined {
    const slot = this.#slotOf.get(name);
    return slot === undefined ? undefined : this.slots[slot];
  }

  slotOf(name: string): number | undefined {
    return this.#slotOf.get(name);
  }

  *nodes(): IterableIterator<NodeInfo> {
    for (const node of this.slots) if (node !== undefined) yield node;
  }

  get hasPodAffinity(): boolean {
    return this.#withAffinity.size > 0;
  }

  get hasSoftTaints(): boolean {
    return this.#withSoftTaints.size > 0;
  }

  topologyCounts(question: TopologyQuestion): TopologyCounts {
    return this.#topology.of(this, question);
  }

  /** Counted when it is asked for after a node has changed: only some ways of scheduling ask. */
  imageUse(name: string): ImageUse | undefined {
    if (this.#imagesAt !== this.nodeChanges.head) {
      this.#images = imagesOf(this.nodes());
      this.#imagesAt = this.nodeChanges.head;
    }
    return this.#images.get(name);
  }

  namespaceLabels(name: string): Readonly<Record<string, string>> {
    return this.#namespaceLabels.get(name) ?? noLabels;
  }

  /** Takes over the labels of a namespace; undefined when it is gone. */
  setNamespaceLabels(name: string, labels: Readonly<Record<string, string>> | undefined): void {
    // Terms with selectors of namespaces were counted by them.
    this.#topology.clear();
    if (labels === undefined) this.#namespaceLabels.delete(name);
    else this.#namespaceLabels.set(name, labels);
  }

  /** Puts a node into a slot, or notes that the one there changed. */
  put(node: NodeInfo): void {
    let slot = this.#slotOf.get(node.name);
    if (slot === undefined) {
      slot = this.#free.pop() ?? this.slots.length;
      this.#slotOf.set(node.name, slot);
    }
    this.slots[slot] = node;
    if (this.domains.size > domainsMost(this.slots.length)) {
      this.#topology.clear();
      this.domains.clear();
    }
    this.#noteAffinity(node);
    if (node.taints.some(({ effect }) => effect === 'PreferNoSchedule')) this.#withSoftTaints.add(node);
    else this.#withSoftTaints.delete(node);
    this.nodeChanges.push(slot);
    this.podChanges.push(slot);
  }

  remove(name: string): void {
    const slot = this.#slotOf.get(name);
    if (slot === undefined) return;
    this.#withAffinity.delete(this.slots[slot]!);
    this.#withSoftTaints.delete(this.slots[slot]!);
    this.slots[slot] = undefined;
    this.#slotOf.delete(name);
    this.#free.push(slot);
    this.nodeChanges.push(slot);
    this.podChanges.push(slot);
  }

  /** Notes that the pods on a node changed; does nothing for a node that does not exist. */
  touch(name: string): void {
    const slot = this.#slotOf.get(name);
    if (slot === undefined) return;
    this.#noteAffinity(this.slots[slot]!);
    this.podChanges.push(slot);
  }

  #noteAffinity(node: NodeInfo): void {
    if (node.podsWithAffinity.size > 0) this.#withAffinity.add(node);
    else this.#withAffinity.delete(node);
  }
}

function imagesOf(nodes: Iterable<NodeInfo>): Map<string, ImageUse> {
  const images = new Map<string, ImageUse>();
  for (const { node } of nodes) {
    for (const { names, sizeBytes = 0 } of node?.status?.images ?? []) {
      for (const name of names ?? []) {
        const known = images.get(name);
        images.set(name, { bytes: known?.bytes ?? doubleOf(sizeBytes), nodes: (known?.nodes ?? 0) + 1 });
      }
    }
  }
  return images;
}
