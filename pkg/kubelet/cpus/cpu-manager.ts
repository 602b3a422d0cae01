/**
 * Keeps containers to their processors: those of a container's own, or those that are shared, which change as pods come and go. What was given is written down before a
 * container is made of it, so that the next kubelet knows. Invariant: a container that is made begins on its processors; those that run are brought to theirs at every
 * change, and looked at every ten seconds, as one that was being made meanwhile may have begun on what was shared before.
 * Upstream counterpart: kubelet `cm/cpumanager/cpu_manager.go`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { ContainerResources } from '../runtime/container-config.ts';
import { KubeletStoppingError } from '../runtime/leaving-runtime.ts';
import { type Runtime, type RuntimeCapabilities, RuntimeError } from '../runtime/runtime.ts';
import type { PodFailure } from '../status/pod-status-input.ts';
import { KeptLedger } from '../topology/kept-ledger.ts';
import type { NumaMask } from '../topology/numa-hints.ts';
import type { NumaResource } from '../topology/topology-manager.ts';
import { formatCpus } from './cpu-set.ts';
import type { CpuRecord, StaticCpus } from './static-cpus.ts';

/** Source: kubelet default `cpuManagerReconcilePeriod`. */
const periodMs = 10_000;

/** What it works on. */
export interface CpuManagerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly runtimes: readonly Runtime[];
  capabilitiesOf(pod: Pod): RuntimeCapabilities | undefined;
  /** Nothing of the pod runs any more, nor will. */
  isOver(podUid: string): boolean;
  /** NUMA nodes that a container's processors are to be near to; undefined where it does not matter. */
  nearOf(podUid: string, container: string): NumaMask | undefined;
}

/** Where what was given is written down. */
export interface CpuManagerSettings {
  readonly cpus: StaticCpus;
  /** Throws where it cannot be written. */
  save(record: CpuRecord): void;
}

/** The processors of one kubelet's pods. */
export class CpuManager {
  readonly #deps: CpuManagerDeps;
  readonly #settings: CpuManagerSettings;
  readonly #kept: KeptLedger<CpuRecord>;
  #changed = Promise.withResolvers<void>();

  constructor(deps: CpuManagerDeps, settings: CpuManagerSettings) {
    this.#deps = deps;
    this.#settings = settings;
    const { cpus, save } = settings;
    this.#kept = new KeptLedger(cpus, { ...deps, save, onChange: () => this.wake() });
  }

  /** What a pod wants that has nothing yet. */
  wishedBy(pod: Pod): NumaResource | undefined {
    return canPin(this.#deps.capabilitiesOf(pod)) ? this.#settings.cpus.wishedBy(pod) : undefined;
  }

  /** Gives a pod what its containers ask for, near to what else they have. A pod whose runtime keeps nobody to processors has none. */
  admit(pod: Pod): PodFailure | undefined {
    const uid = pod.metadata?.uid ?? '';
    if (!canPin(this.#deps.capabilitiesOf(pod))) return undefined;
    const near = (container: string): NumaMask | undefined => this.#deps.nearOf(uid, container);
    return this.#kept.admit(pod, () => this.#settings.cpus.allocate(pod, near));
  }

  /** Whether a container of it has processors of its own: then the pod is not resized. */
  isPinned(pod: Pod): boolean {
    return this.#settings.cpus.has(pod.metadata?.uid ?? '');
  }

  /** Processors that a container has for itself. */
  ownOf(podUid: string, container: string): readonly number[] {
    return this.#settings.cpus.of(podUid, container) ?? [];
  }

  /** Those that may be given to containers. */
  get givable(): readonly number[] {
    return this.#settings.cpus.givable;
  }

  /** Limits of a container, with its processors: who has some alone is not held back on them. Source: kubelet `DisableCPUQuotaWithExclusiveCPUs`. */
  fitContainer(pod: Pod, container: string, resources: ContainerResources): ContainerResources {
    const { cpus } = this.#settings;
    const own = cpus.of(pod.metadata?.uid ?? '', container);
    if (own === undefined) {
      if (!canPin(this.#deps.capabilitiesOf(pod))) return resources;
      return { ...resources, cpusetCpus: formatCpus(cpus.shared) };
    }
    return { ...withoutQuota(resources), cpusetCpus: formatCpus(own) };
  }

  /** Limits of a pod as a whole. */
  fitPod(pod: Pod, resources: ContainerResources): ContainerResources {
    return this.isPinned(pod) ? withoutQuota(resources) : resources;
  }

  /** All pods that there were before have been seen. */
  settle(): void {
    this.#kept.settle();
    this.wake();
  }

  /** A pod may be over. */
  wake(): void {
    this.#changed.resolve();
  }

  /** Brings containers to their processors until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#changed = Promise.withResolvers();
      this.#kept.forgetEnded();
      for (const runtime of this.#deps.runtimes) if (canPin(runtime.capabilities)) await this.#bring(runtime, signal);
      await Promise.race([this.#changed.promise, sleep(this.#deps.clock, periodMs, signal)]);
    }
  }

  async #bring({ containers }: Runtime, signal: AbortSignal): Promise<void> {
    for (const { id, podUid, name, state, resources } of await containers.list()) {
      if (state !== 'running' || signal.aborted) continue;
      const { cpus } = this.#settings;
      const wanted = formatCpus(cpus.of(podUid, name) ?? cpus.shared);
      if (resources.cpusetCpus === wanted) continue;
      try {
        await containers.update(id, { cpusetCpus: wanted });
      } catch (error) {
        if (error instanceof KubeletStoppingError) return;
        if (!(error instanceof RuntimeError)) throw error;
        // One that has ended meanwhile; of others the next look.
        this.#deps.log.debug('Processors of a container not changed', { container: id, error });
      }
    }
  }
}

/** Whether a runtime keeps containers to processors and to memory. */
export function canPin(capabilities: RuntimeCapabilities | undefined): boolean {
  return capabilities?.features.has('cpusets') === true && capabilities.features.has('update');
}

function withoutQuota({ cpuQuotaUs: _, cpuPeriodUs: __, ...resources }: ContainerResources): ContainerResources {
  return resources;
}
