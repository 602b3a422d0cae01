/**
 * Keeps containers to the NUMA nodes on which their memory is, from before they are made. What was given is written down first, so that the next kubelet knows. Containers that are
 * given none may have memory of all nodes, also of what is promised to others. Upstream counterpart: kubelet `cm/memorymanager/memory_manager.go`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { canPin } from '../cpus/cpu-manager.ts';
import type { ContainerResources } from '../runtime/container-config.ts';
import type { RuntimeCapabilities } from '../runtime/runtime.ts';
import type { PodFailure } from '../status/pod-status-input.ts';
import { KeptLedger } from '../topology/kept-ledger.ts';
import type { NumaMask } from '../topology/numa-hints.ts';
import type { NumaResource } from '../topology/topology-manager.ts';
import type { MemoryBlock, MemoryRecord, StaticMemory } from './static-memory.ts';

/** What it works on. */
export interface MemoryManagerDeps {
  readonly log: Logger;
  capabilitiesOf(pod: Pod): RuntimeCapabilities | undefined;
  /** Nothing of the pod runs any more, nor will. */
  isOver(podUid: string): boolean;
  /** NUMA nodes that a container's memory is to be on; undefined where it does not matter. */
  nearOf(podUid: string, container: string): NumaMask | undefined;
  /** Whether a container is to have no other. */
  isNearOnly(): boolean;
}

/** Where what was given is written down. */
export interface MemoryManagerSettings {
  readonly memory: StaticMemory;
  /** Throws where it cannot be written. */
  save(record: MemoryRecord): void;
}

/** The memory of one kubelet's pods. */
export class MemoryManager {
  readonly #deps: MemoryManagerDeps;
  readonly #memory: StaticMemory;
  readonly #kept: KeptLedger<MemoryRecord>;

  constructor(deps: MemoryManagerDeps, { memory, save }: MemoryManagerSettings) {
    this.#deps = deps;
    this.#memory = memory;
    this.#kept = new KeptLedger(memory, { ...deps, save, onChange: () => {} });
  }

  /** What a pod wants that has nothing yet. */
  wishedBy(pod: Pod): NumaResource | undefined {
    if (!canPin(this.#deps.capabilitiesOf(pod))) return undefined;
    this.#kept.forgetEnded();
    return this.#memory.wishedBy(pod);
  }

  /** Gives a pod what its containers ask for, near to what else they have. A pod whose runtime keeps nobody to memory has none. */
  admit(pod: Pod): PodFailure | undefined {
    if (!canPin(this.#deps.capabilitiesOf(pod))) return undefined;
    const uid = pod.metadata?.uid ?? '';
    const near = (container: string): NumaMask | undefined => this.#deps.nearOf(uid, container);
    return this.#kept.admit(pod, () => this.#memory.allocate(pod, { near, isNearOnly: this.#deps.isNearOnly() }));
  }

  /** Whether a container of it is kept to some nodes: then the pod is not resized. */
  isPinned(pod: Pod): boolean {
    return this.#memory.has(pod.metadata?.uid ?? '');
  }

  /** What a container has. */
  blocksOf(podUid: string, container: string): readonly MemoryBlock[] {
    return this.#memory.of(podUid, container);
  }

  /** What may be given to containers. */
  get givable(): readonly MemoryBlock[] {
    return this.#memory.givable;
  }

  /** Limits of a container, with its nodes. */
  fitContainer(pod: Pod, container: string, resources: ContainerResources): ContainerResources {
    const blocks = this.#memory.of(pod.metadata?.uid ?? '', container);
    const nodes = new Set(blocks.flatMap(({ numaAffinity }) => numaAffinity));
    return nodes.size === 0 ? resources : { ...resources, cpusetMems: [...nodes].sort((a, b) => a - b).join(',') };
  }

  /** All pods that there were before have been seen. */
  settle(): void {
    this.#kept.settle();
    this.wake();
  }

  /** A pod may be over. */
  wake(): void {
    this.#kept.forgetEnded();
  }
}
