/**
 * On which NUMA nodes the memory of containers is: each of a guaranteed pod is kept to the fewest that have as much as it asks for, and near to what else it has. Pure.
 *
 * Laws:
 * 1. What containers are promised of a node is never more than it has beside what is reserved.
 * 2. What an init container was promised its pod's later ones have again, on the same nodes.
 * 3. A pod gets all that its containers ask for or nothing; what it has stays the same until it is released.
 * 4. What was written down gives the same again; what contradicts the machine is refused and nothing of it is taken.
 *
 * Source: kubelet `cm/memorymanager/policy_static.go`.
 */
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { quantityValue } from '../model/amounts.ts';
import type { PodFailure } from '../status/pod-status-input.ts';
import { containersInOrder } from '../topology/containers-in-order.ts';
import { atOnce } from '../topology/counted-resource.ts';
import { bits, maskOf, type NumaHint, type NumaMask } from '../topology/numa-hints.ts';
import type { NumaResource } from '../topology/topology-manager.ts';
import { allocatableOf, type MemoryAmounts, type MemoryNode, MemoryState, nodesIn } from './memory-state.ts';

/** The name of the policy, also in what is written down. */
const staticPolicy = 'Static';

/** What a container has of one kind of memory, in the form of upstream's checkpoint. */
export interface MemoryBlock {
  readonly numaAffinity: readonly number[];
  readonly type: string;
  /** In bytes; of an init container what its pod's later ones do not have. */
  readonly size: number;
}

/** What is written down of it. */
export interface MemoryRecord {
  readonly policyName: string;
  readonly machineState: Readonly<Record<string, object>>;
  /** By pod and container. */
  readonly entries: Readonly<Record<string, Readonly<Record<string, readonly MemoryBlock[]>>>>;
}

/** Near to what a container's memory is to be. */
export interface MemoryWish {
  near(container: string): NumaMask | undefined;
  /** Whether a container is not to have any that is elsewhere. */
  readonly isNearOnly: boolean;
}

type PodMemory = ReadonlyMap<string, readonly MemoryBlock[]>;

/** The memory of a node. */
export class StaticMemory {
  readonly #nodes: readonly MemoryNode[];
  readonly #byPod = new Map<string, PodMemory>();

  constructor(nodes: readonly MemoryNode[]) {
    this.#nodes = nodes;
  }

  /** What a container has; nothing where it may have memory of all nodes. */
  of(podUid: string, container: string): readonly MemoryBlock[] {
    return this.#byPod.get(podUid)?.get(container) ?? [];
  }

  has(podUid: string): boolean {
    return this.#byPod.has(podUid);
  }

  get podUids(): readonly string[] {
    return [...this.#byPod.keys()];
  }

  /** What may be given of each node. */
  get givable(): readonly MemoryBlock[] {
    return this.#nodes.flatMap((node) =>
      [...allocatableOf(node)].flatMap(([type, size]) => (size === 0 ? [] : [{ numaAffinity: [node.id], type, size }])),
    );
  }

  /** What a pod wants of it, which has nothing yet; undefined where it wants nothing. */
  wishedBy(pod: Pod): NumaResource | undefined {
    const wishes = wishesOf(pod);
    if (wishes.length === 0 || this.has(pod.metadata?.uid ?? '')) return undefined;
    return new WishedMemory(wishes, this.#state());
  }

  /** Gives a pod what its containers ask for, or says why not. One that has it keeps it. */
  allocate(pod: Pod, { isNearOnly, near }: MemoryWish): PodFailure | undefined {
    const uid = pod.metadata?.uid ?? '';
    if (this.has(uid)) return undefined;
    const wished = new WishedMemory(wishesOf(pod), this.#state());
    for (const container of wished.containers) {
      const mask = chosen(wished.hintsFor(container), near(container), isNearOnly);
      if (typeof mask === 'string') return refusal(mask);
      wished.give(container, mask);
    }
    if (wished.given.size > 0) this.#byPod.set(uid, wished.given);
    return undefined;
  }

  /** Whether it had any. */
  release(podUid: string): boolean {
    return this.#byPod.delete(podUid);
  }

  record(): MemoryRecord {
    const entries = [...this.#byPod].map(([uid, given]) => [uid, Object.fromEntries(given)]);
    return {
      policyName: staticPolicy,
      machineState: this.#state().record(this.#nodes),
      entries: Object.fromEntries(entries),
    };
  }

  /** Takes over what was written down. Returns why it cannot, and is as it was then. */
  restore(value: unknown): string | undefined {
    const found = readRecord(value);
    if (found === undefined) return 'it is no record of memory';
    const state = new MemoryState(this.#nodes);
    for (const { numaAffinity, size, type } of blocksIn(found.values())) {
      const mask = maskOf(numaAffinity);
      if (!state.has(mask, type)) return `there is no ${type} of the NUMA nodes ${numaAffinity.join(', ')}`;
      if (state.freeOf(mask, type) < size)
        return `more ${type} is given of the NUMA nodes ${numaAffinity.join(', ')} than they have`;
      state.give(mask, type, size);
    }
    for (const [uid, given] of found) this.#byPod.set(uid, given);
    return undefined;
  }

  #state(): MemoryState {
    const state = new MemoryState(this.#nodes);
    for (const { numaAffinity, size, type } of blocksIn(this.#byPod.values()))
      state.give(maskOf(numaAffinity), type, size);
    return state;
  }
}

interface Wish {
  readonly container: string;
  readonly wanted: MemoryAmounts;
  readonly isInit: boolean;
}

/** What the containers of one pod want, as they get it one after the other. */
class WishedMemory implements NumaResource {
  readonly given = new Map<string, MemoryBlock[]>();
  readonly #wishes: readonly Wish[];
  readonly #state: MemoryState;
  /** What init containers leave, by nodes and kind. */
  readonly #again = new Map<string, number>();

  constructor(wishes: readonly Wish[], state: MemoryState) {
    this.#wishes = wishes;
    this.#state = state;
  }

  get containers(): readonly string[] {
    return this.#wishes.map(({ container }) => container);
  }

  hintsFor(container: string): readonly NumaHint[] {
    const { wanted = {} } = this.#wishOf(container) ?? {};
    return this.#state.hints(wanted, (mask, kind) => this.#againOf(mask, kind));
  }

  hintsForPod(): readonly NumaHint[] {
    const kinds = new Set(this.#wishes.flatMap(({ wanted }) => Object.keys(wanted)));
    const most = [...kinds].map((kind) => {
      const counts = this.#wishes.map(({ isInit, wanted }) => ({ isInit, count: wanted[kind] ?? 0 }));
      return [kind, atOnce(counts)];
    });
    return this.#state.hints(Object.fromEntries(most), () => 0);
  }

  take(container: string, near: NumaMask | undefined): void {
    const mask = chosen(this.hintsFor(container), near, false);
    if (typeof mask === 'number') this.give(container, mask);
  }

  /** Gives a container what it wants on these nodes. */
  give(container: string, mask: NumaMask): void {
    const { isInit = false, wanted = {} } = this.#wishOf(container) ?? {};
    for (const [kind, bytes] of Object.entries(wanted)) {
      const again = this.#againOf(mask, kind);
      const used = Math.min(again, bytes);
      this.#takeBack(mask, kind, used);
      this.#state.give(mask, kind, bytes - used);
      this.#again.set(`${mask} ${kind}`, isInit ? Math.max(again, bytes) : again - used);
    }
    const numaAffinity = nodesIn(mask);
    this.given.set(
      container,
      Object.entries(wanted).map(([type, size]) => ({ numaAffinity, type, size })),
    );
  }

  /** What is another's now is no longer that of the init containers before. */
  #takeBack(mask: NumaMask, kind: string, bytes: number): void {
    let left = bytes;
    for (const { container } of this.#wishes.filter(({ isInit }) => isInit)) {
      const blocks = this.given.get(container) ?? [];
      this.given.set(
        container,
        blocks.map((block) => {
          if (block.type !== kind || maskOf(block.numaAffinity) !== mask) return block;
          const taken = Math.min(block.size, left);
          left -= taken;
          return { ...block, size: block.size - taken };
        }),
      );
    }
  }

  #againOf(mask: NumaMask, kind: string): number {
    return this.#again.get(`${mask} ${kind}`) ?? 0;
  }

  #wishOf(container: string): Wish | undefined {
    return this.#wishes.find((one) => one.container === container);
  }
}

/** What containers want of memory that is somewhere: those of guaranteed pods alone. */
function wishesOf(pod: Pod): readonly Wish[] {
  if (pod.status?.qosClass !== 'Guaranteed') return [];
  return containersInOrder(pod).flatMap(({ container, isInit }) => {
    const wanted = wantedBy(container);
    return Object.keys(wanted).length === 0 ? [] : [{ container: container.name, wanted, isInit }];
  });
}

function wantedBy({ resources }: Container): MemoryAmounts {
  const { limits = {}, requests = limits } = resources ?? {};
  const kinds = Object.entries(requests).filter(([name]) => name === 'memory' || name.startsWith('hugepages-'));
  return Object.fromEntries(kinds.map(([name, amount]) => [name, Math.ceil(quantityValue(amount))]));
}

/** The nodes that a container gets: those that were agreed on, or the fewest with them that do. Else upstream's words for why there are none. */
function chosen(hints: readonly NumaHint[], near: NumaMask | undefined, isNearOnly: boolean): NumaMask | string {
  const masks = hints.flatMap(({ mask, isPreferred }) => (mask === undefined ? [] : [{ mask, isPreferred }]));
  if (near !== undefined && masks.some(({ mask }) => mask === near)) return near;
  const fitting = near === undefined ? masks : masks.filter(({ mask }) => (mask & near) === near);
  const [best] = fitting.toSorted(
    (a, b) => Number(b.isPreferred) - Number(a.isPreferred) || bits(a.mask) - bits(b.mask) || a.mask - b.mask,
  );
  if (best === undefined)
    return near === undefined
      ? 'failed to get the default NUMA affinity, no NUMA nodes with enough memory is available'
      : 'failed to find NUMA nodes to extend the current topology hint';
  if (best.isPreferred || !isNearOnly) return best.mask;
  return `failed to find the ${near === undefined ? 'default' : 'extended'} preferred hint`;
}

function refusal(why: string): PodFailure {
  const message = `Allocate failed due to [memorymanager] ${why}, which is unexpected`;
  return { reason: 'UnexpectedAdmissionError', message };
}

function blocksIn(pods: Iterable<PodMemory>): readonly MemoryBlock[] {
  return [...pods].flatMap((given) => [...given.values()].flat());
}

function readRecord(value: unknown): ReadonlyMap<string, PodMemory> | undefined {
  if (!isObject(value) || value['policyName'] !== staticPolicy || !isObject(value['entries'])) return undefined;
  const found = new Map<string, PodMemory>();
  for (const [uid, given] of Object.entries(value['entries'])) {
    if (!isObject(given)) return undefined;
    const own = new Map<string, readonly MemoryBlock[]>();
    for (const [name, blocks] of Object.entries(given)) {
      const read = Array.isArray(blocks) ? blocks.map(blockOf) : [undefined];
      const known = read.flatMap((one) => one ?? []);
      if (known.length < read.length) return undefined;
      own.set(name, known);
    }
    found.set(uid, own);
  }
  return found;
}

function blockOf(value: unknown): MemoryBlock | undefined {
  if (!isObject(value)) return undefined;
  const { numaAffinity, size, type } = value;
  if (typeof type !== 'string' || typeof size !== 'number' || size < 0 || !Array.isArray(numaAffinity))
    return undefined;
  const nodes = numaAffinity.flatMap((id: unknown) => (typeof id === 'number' && id >= 0 && id < 31 ? [id] : []));
  return nodes.length === 0 || nodes.length < numaAffinity.length ? undefined : { numaAffinity: nodes, type, size };
}
