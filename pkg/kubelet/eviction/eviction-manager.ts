/**
 * Ends pods where the node has too little left, and those that have written more than they may. One pod at a time for the node, so that what it gives back is seen
 * before the next goes; all of those that broke limits of their own. Invariant: a condition of the node stays for the transition period after it was seen last, so
 * that it does not go to and fro. Looks every ten seconds and measures pods only where that decides something. Memory that goes faster is the kernel's to defend.
 * Upstream counterpart: kubelet `eviction/eviction_manager.go`.
 */
import { isStaticPod } from '#pkg/api/core/static-pods.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { formatQuantity, quantityOf } from '#pkg/apimachinery/quantity.ts';
import { repeat } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import type { PodFailure } from '../status/pod-status-input.ts';
import { beyondItsLimits, containerNotes, hasDiskLimits, type PodConsumption, ranked } from './pod-consumption.ts';
import {
  type EvictionThreshold,
  isMet,
  type Observations,
  type PressureKind,
  pressureOf,
  resourceOf,
} from './thresholds.ts';

/** Source: kubelet `evictionMonitoringPeriod`. */
const lookMs = 10_000;
/** The least that a pod gets to end. Source: kubelet `immediateEvictionGracePeriodSeconds`. */
const graceMsMin = 1_000;
/** Pods of this priority are the node's own. Source: `scheduling.SystemCriticalPriority`. */
const criticalPriority = 2_000_000_000;

/** When a node has too little. */
export interface EvictionSettings {
  readonly thresholds: readonly EvictionThreshold[];
  /** How long a condition of the node stays after it was seen last. */
  readonly transitionMs: number;
  /** Longest time that a pod gets to end for a threshold that had a time of its own. */
  readonly podGraceMsMax: number;
}

/** What it looks at and acts on. */
export interface EvictionManagerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: EvictionSettings;
  observe(): Promise<Observations>;
  workers(): readonly PodWorker[];
  /** What a pod's own volumes take on the disk, by name. */
  volumeBytes(pod: Pod): Promise<ReadonlyMap<string, number>>;
  /** The node's conditions have changed. */
  onPressure(): void;
  /** The node begins to take something back. */
  onReclaim(resource: string): void;
}

/** The evictions of one node. */
export class EvictionManager {
  readonly #deps: EvictionManagerDeps;
  /** When a threshold was first seen to be met, for as long as it is. */
  readonly #metSince = new Map<EvictionThreshold, number>();
  /** When the node was last seen to have too little. */
  readonly #pressedAt = new Map<PressureKind, number>();

  constructor(deps: EvictionManagerDeps) {
    this.#deps = deps;
  }

  /** What the node has too little of, as its conditions say it. */
  pressure(): ReadonlySet<PressureKind> {
    return new Set(this.#pressedAt.keys());
  }

  /** Why a pod is not taken while the node has too little; undefined when it is. Source: `managerImpl.Admit`. */
  refusal(pod: Pod): PodFailure | undefined {
    const kinds = this.pressure();
    if (kinds.size === 0 || isCritical(pod)) return undefined;
    if (kinds.size === 1 && kinds.has('memory')) {
      const tolerates = (pod.spec?.tolerations ?? []).some(
        ({ key, operator, effect }) =>
          (key === undefined || key === memoryTaint) && operator === 'Exists' && (!effect || effect === 'NoSchedule'),
      );
      if (pod.status?.qosClass !== 'BestEffort' || tolerates) return undefined;
    }
    const names = [...kinds].map((kind) => conditionNames[kind]).toSorted();
    return { reason: 'Evicted', message: `The node had condition: [${names.join(' ')}]. ` };
  }

  /** Looks until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#deps;
    await repeat(clock, { periodMs: () => lookMs, signal }, async () => {
      try {
        await this.look();
      } catch (error) {
        log.warn('The node was not looked at for eviction, will try again', { error });
      }
    });
  }

  /** Looks once. */
  async look(): Promise<void> {
    const { settings, workers, observe } = this.#deps;
    const running = workers().filter(({ finished, pod }) => !finished && !isCritical(pod));
    await this.#enforceLimits(running.filter(({ pod }) => hasDiskLimits(pod)));
    const observations = settings.thresholds.length === 0 ? new Map() : await observe();
    const due = this.#notice(observations);
    if (due === undefined) return;
    this.#deps.onReclaim(resourceOf(due.signal));
    const byPod = new Map<PodConsumption, PodWorker>();
    for (const worker of running) byPod.set(await this.#measure(worker), worker);
    for (const one of ranked([...byPod.keys()], due.signal)) {
      const observed = observations.get(due.signal)?.available ?? 0;
      const message =
        `The node was low on resource: ${resourceOf(due.signal)}. ` +
        `Threshold quantity: ${due.text}, available: ${formatQuantity(quantityOf(observed, 'BinarySI'))}. ` +
        containerNotes(one, due.signal);
      const graceMs = due.graceMs === 0 ? graceMsMin : settings.podGraceMsMax;
      if (byPod.get(one)?.evict(message, graceMs) === true) return;
    }
  }

  /** Those that have written more than they may. */
  async #enforceLimits(workers: readonly PodWorker[]): Promise<void> {
    for (const worker of workers) {
      const message = beyondItsLimits(await this.#measure(worker));
      if (message !== undefined) worker.evict(message, graceMsMin);
    }
  }

  /** Notes what is met, and says for which of those a pod has to go: hard ones before those that had their time. */
  #notice(observations: Observations): EvictionThreshold | undefined {
    const { clock, settings, onPressure } = this.#deps;
    const nowMs = clock.monotonicMs();
    const before = [...this.#pressedAt.keys()].join();
    const met = settings.thresholds.filter((threshold) => isMet(threshold, observations));
    for (const threshold of settings.thresholds) if (!met.includes(threshold)) this.#metSince.delete(threshold);
    for (const threshold of met) {
      if (!this.#metSince.has(threshold)) this.#metSince.set(threshold, nowMs);
      this.#pressedAt.set(pressureOf(threshold.signal), nowMs);
    }
    for (const [kind, atMs] of this.#pressedAt)
      if (nowMs - atMs >= settings.transitionMs && !met.some(({ signal }) => pressureOf(signal) === kind))
        this.#pressedAt.delete(kind);
    if ([...this.#pressedAt.keys()].join() !== before) onPressure();
    const due = met.filter((threshold) => nowMs - (this.#metSince.get(threshold) ?? nowMs) >= threshold.graceMs);
    // Memory first: what is short of it cannot wait. Source: kubelet `byEvictionPriority`.
    return due.toSorted(
      (a, b) =>
        a.graceMs - b.graceMs || Number(b.signal === 'memory.available') - Number(a.signal === 'memory.available'),
    )[0];
  }

  async #measure(worker: PodWorker): Promise<PodConsumption> {
    const { pod, runtime } = worker;
    const names = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].map(({ name }) => name);
    const found = await Promise.all(
      names.map(async (name) => {
        const container = worker.container(name, { previous: false });
        if (container?.state !== 'running') return [];
        // One that ends meanwhile takes nothing any more.
        const stats = await runtime.inspection.stats(container.id).catch(() => undefined);
        if (stats === undefined) return [];
        const {
          memoryBytes,
          workingSetBytes = memoryBytes,
          filesystemBytes = 0,
          filesystemInodes = 0,
          pids = 0,
        } = stats;
        return [
          { name, memoryBytes: workingSetBytes, diskBytes: filesystemBytes, inodes: filesystemInodes, processes: pids },
        ];
      }),
    );
    return { pod, containers: found.flat(), volumeBytes: await this.#deps.volumeBytes(pod) };
  }
}

const memoryTaint = 'node.kubernetes.io/memory-pressure';
const conditionNames: Readonly<Record<PressureKind, string>> = {
  disk: 'DiskPressure',
  memory: 'MemoryPressure',
  pid: 'PIDPressure',
};

/** Source: kubelet `types.IsCriticalPod`. */
function isCritical(pod: Pod): boolean {
  return (pod.spec?.priority ?? 0) >= criticalPriority || isStaticPod(pod);
}
