/** Processors and memory of containers' own, and what keeps them near each other, as the rest of one run of a kubelet sees them: parts that settings do not ask for are not there, and then nobody has any. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { CpuManager, CpuManagerDeps } from '../cpus/cpu-manager.ts';
import type { MemoryManager, MemoryManagerDeps } from '../memory/memory-manager.ts';
import type { MemoryBlock } from '../memory/static-memory.ts';
import type { ContainerResources } from '../runtime/container-config.ts';
import type { PodFailure } from '../status/pod-status-input.ts';
import type { NumaMask } from '../topology/numa-hints.ts';
import { type NumaResource, TopologyManager, type TopologySettings } from '../topology/topology-manager.ts';

/** What settings ask for. */
export interface PinningOptions {
  /** Makes what gives containers processors for themselves, for one run of the kubelet. Absent where nobody has any. */
  readonly cpus?: (deps: CpuManagerDeps) => CpuManager;
  /** Makes what keeps containers to some of the machine's memory. Absent where all may have all. */
  readonly memory?: (deps: MemoryManagerDeps) => MemoryManager;
  /** How processors, memory and devices of a container are kept near each other. Default: they are where they are. */
  readonly topology?: TopologySettings;
}

/** What it works on. */
export interface PinningDeps extends Omit<CpuManagerDeps, 'nearOf'> {
  /** What a pod wants of plugins. */
  devicesOf(pod: Pod): readonly NumaResource[];
}

/** They, for one kubelet. */
export class Pinning {
  readonly #cpus: CpuManager | undefined;
  readonly #memory: MemoryManager | undefined;
  readonly #topology: TopologyManager | undefined;

  constructor(deps: PinningDeps, { cpus, memory, topology }: PinningOptions) {
    const nearOf = (podUid: string, container: string): NumaMask | undefined => this.nearOf(podUid, container);
    this.#cpus = cpus?.({ ...deps, nearOf });
    this.#memory = memory?.({ ...deps, nearOf, isNearOnly: () => this.isNearOnly });
    if (topology === undefined) return;
    const resourcesOf = (pod: Pod): readonly NumaResource[] =>
      [this.#cpus?.wishedBy(pod) ?? [], this.#memory?.wishedBy(pod) ?? [], deps.devicesOf(pod)].flat();
    this.#topology = new TopologyManager({ resourcesOf, isOver: (uid) => deps.isOver(uid) }, topology);
  }

  /** NUMA nodes that a container's resources are to be near to; undefined where it does not matter. */
  nearOf(podUid: string, container: string): NumaMask | undefined {
    return this.#topology?.nearOf(podUid, container);
  }

  /** Whether a container is to have nothing that is elsewhere. */
  get isNearOnly(): boolean {
    return this.#topology?.isStrict === true;
  }

  /** Gives a pod what its containers ask for, or says why not. One that runs already goes on with what it has, or with what is shared. */
  admit(pod: Pod, { isNew }: { readonly isNew: boolean }): PodFailure | undefined {
    const refusal = isNew ? this.#topology?.admit(pod) : undefined;
    return refusal ?? this.#cpus?.admit(pod) ?? this.#memory?.admit(pod);
  }

  /** Whose policy keeps a pod from being resized; undefined where none does. */
  pinnedBy(pod: Pod): string | undefined {
    if (this.#cpus?.isPinned(pod) === true) return 'CPU Manager';
    return this.#memory?.isPinned(pod) === true ? 'Memory Manager' : undefined;
  }

  /** Limits of a container, with where it is kept to. */
  fitContainer(pod: Pod, container: string, resources: ContainerResources): ContainerResources {
    const fitting = this.#cpus?.fitContainer(pod, container, resources) ?? resources;
    return this.#memory?.fitContainer(pod, container, fitting) ?? fitting;
  }

  /** Limits of a pod as a whole. */
  fitPod(pod: Pod, resources: ContainerResources): ContainerResources {
    return this.#cpus?.fitPod(pod, resources) ?? resources;
  }

  /** Processors that a container has for itself. */
  cpusOf(podUid: string, container: string): readonly number[] {
    return this.#cpus?.ownOf(podUid, container) ?? [];
  }

  /** Memory to which a container is kept. */
  memoryOf(podUid: string, container: string): readonly MemoryBlock[] {
    return this.#memory?.blocksOf(podUid, container) ?? [];
  }

  /** What may be given to containers. */
  get givable(): { readonly cpus: readonly number[]; readonly memory: readonly MemoryBlock[] } {
    return { cpus: this.#cpus?.givable ?? [], memory: this.#memory?.givable ?? [] };
  }

  /** All pods that there were before have been seen. */
  settle(): void {
    this.#cpus?.settle();
    this.#memory?.settle();
  }

  /** A pod may be over. */
  wake(): void {
    this.#cpus?.wake();
    this.#memory?.wake();
  }

  /** Brings containers to what is theirs until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#cpus?.run(signal);
  }
}
