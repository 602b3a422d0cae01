/**
 * What the containers of a node use, and at which rate: the runtime counts processor time since the start, and a rate is what two looks at it tell.
 * Nobody looks while nobody asks: the first question after a while takes two looks of its own, a second apart, and so does one right after a start.
 *
 * Invariant: a rate is never of less than `windowMsMin`, and says of which time it is. Holds one look at the node's running containers.
 * Upstream counterpart: cadvisor's housekeeping, whose intervals are 10 s.
 */
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import type { ContainerStats, RuntimeContainer } from '../runtime/runtime.ts';

/** What one container uses. */
export interface ContainerUsage extends ContainerStats {
  readonly name: string;
  readonly startedAtMs: number;
  readonly timeMs: number;
  /** Of which time before `timeMs` the rate is. */
  readonly windowMs: number;
  /** Rate of processor time: 1e9 is one core. Undefined until there were two looks. */
  readonly cpuNanoCores: number | undefined;
}

/** What the containers of one pod use: those that run and of which something is known. */
export interface PodUsage {
  readonly worker: PodWorker;
  readonly containers: readonly ContainerUsage[];
  /** Containers that run, whether anything is known of them or not. */
  readonly running: number;
}

/** Answers given again while they are not older: several who ask together look once. */
const freshMs = 5_000;
/** A look that is older tells nothing of now. */
const staleMs = 60_000;
/** Least time of which a rate is told. */
const windowMsMin = 1_000;

interface Look {
  readonly timeMs: number;
  readonly pods: readonly PodUsage[];
  /** Processor time by container id. */
  readonly cpu: ReadonlyMap<string, { readonly nanoseconds: number; readonly timeMs: number }>;
}

/** The samples of one node. */
export class UsageSampler {
  readonly #clock: Clock;
  readonly #workers: () => readonly PodWorker[];
  #last: Look | undefined;
  #looking: { readonly look: Promise<Look>; readonly stop: AbortController; askers: number } | undefined;

  /** `workers` are the pods of the node at any time. */
  constructor(clock: Clock, workers: () => readonly PodWorker[]) {
    this.#clock = clock;
    this.#workers = workers;
  }

  /** What is used now, or was some seconds ago. Throws when `signal` is aborted; a look that nobody waits for any more ends. */
  async usage(signal: AbortSignal): Promise<readonly PodUsage[]> {
    signal.throwIfAborted();
    const last = this.#last;
    if (last !== undefined && this.#clock.monotonicMs() - last.timeMs < freshMs) return last.pods;
    const looking = this.#looking ?? this.#begin();
    looking.askers++;
    const leave = (): void => {
      if (--looking.askers === 0) looking.stop.abort();
    };
    signal.addEventListener('abort', leave, { once: true });
    try {
      const { pods } = await looking.look;
      signal.throwIfAborted();
      return pods;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  #begin() {
    const stop = new AbortController();
    const look = this.#look(stop.signal).finally(() => {
      this.#looking = undefined;
    });
    this.#looking = { look, stop, askers: 0 };
    return this.#looking;
  }

  async #look(signal: AbortSignal): Promise<Look> {
    let before = this.#last;
    if (before === undefined || this.#clock.monotonicMs() - before.timeMs > staleMs) {
      before = await this.#sample(undefined);
      const isAnyKnown = before.pods.some(({ containers }) => containers.length > 0);
      if (isAnyKnown) await sleep(this.#clock, windowMsMin, signal);
      if (signal.aborted) return before;
    }
    let look = await this.#sample(before);
    // The node would be of unknown use for as long as this look is told of.
    if (look.pods.some(({ containers }) => containers.some(({ cpuNanoCores }) => cpuNanoCores === undefined))) {
      await sleep(this.#clock, windowMsMin, signal);
      if (signal.aborted) return look;
      look = await this.#sample(before);
    }
    this.#last = look;
    return look;
  }

  async #sample(before: Look | undefined): Promise<Look> {
    const cpu = new Map<string, { readonly nanoseconds: number; readonly timeMs: number }>();
    const workers = this.#workers().filter(({ finished }) => !finished);
    const pods = await Promise.all(
      workers.map(async (worker): Promise<PodUsage> => {
        const running = runningContainers(worker);
        const found = await Promise.all(running.map((container) => this.#usageOf(worker, { container, before, cpu })));
        const still = new Set(runningContainers(worker).map(({ id }) => id));
        // One that has ended meanwhile leaves nothing unknown.
        const counted = running.filter(({ id }, index) => found[index] !== undefined || still.has(id)).length;
        return { worker, containers: found.filter((usage) => usage !== undefined), running: counted };
      }),
    );
    return { timeMs: this.#clock.monotonicMs(), pods, cpu };
  }

  async #usageOf(
    { runtime }: PodWorker,
    {
      container,
      before,
      cpu,
    }: {
      readonly container: RuntimeContainer;
      readonly before: Look | undefined;
      readonly cpu: Map<string, { readonly nanoseconds: number; readonly timeMs: number }>;
    },
  ): Promise<ContainerUsage | undefined> {
    const { id, name, startedAtMs = 0 } = container;
    // Of some nothing is known.
    const stats = await runtime.inspection.stats(id).catch(() => undefined);
    if (stats === undefined) return undefined;
    const timeMs = this.#clock.nowMs();
    cpu.set(id, { nanoseconds: stats.cpuNanoseconds, timeMs });
    // What has started since the last look has used nothing before its start.
    const from = before?.cpu.get(id) ?? { nanoseconds: 0, timeMs: startedAtMs };
    const windowMs = timeMs - from.timeMs;
    const used = Math.max(0, stats.cpuNanoseconds - from.nanoseconds);
    const cpuNanoCores = windowMs < windowMsMin ? undefined : Math.round((used / windowMs) * 1_000);
    return { ...stats, name, startedAtMs, timeMs, windowMs, cpuNanoCores };
  }
}

/** Those of a pod that run now: its containers, and init containers that go on beside them. */
function runningContainers(worker: PodWorker): readonly RuntimeContainer[] {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = worker.pod.spec ?? {};
  return [...initContainers, ...containers, ...ephemeralContainers].flatMap(({ name }) => {
    const container = worker.container(name, { previous: false });
    return container?.state === 'running' ? [container] : [];
  });
}
