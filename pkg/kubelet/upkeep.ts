/** How a node keeps room for its pods: it ends some, and takes images away that nothing uses. Absent where its settings say nothing of that. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { EvictionManager } from './eviction/eviction-manager.ts';
import type { KubeletOptions } from './kubelet-options.ts';
import type { PodWorker } from './pods/pod-worker.ts';
import type { Runtime } from './runtime/runtime.ts';

/** What a run of the kubelet gives. */
export interface UpkeepDeps {
  readonly options: KubeletOptions;
  readonly log: Logger;
  workers(): readonly PodWorker[];
  volumeBytes(pod: Pod): Promise<ReadonlyMap<string, number>>;
  /** What the node has too little of has changed. */
  onPressure(): void;
  /** Records a warning about the node. */
  warn(event: { readonly reason: string; readonly message: string }): void;
}

/** What ends pods for the sake of the node. */
export function evictionFor(deps: UpkeepDeps): EvictionManager | undefined {
  const { eviction, deps: own } = deps.options;
  if (eviction === undefined) return undefined;
  return new EvictionManager({
    ...deps,
    clock: own.clock,
    settings: eviction,
    observe: eviction.observe,
    onReclaim: (resource) =>
      deps.warn({ reason: 'EvictionThresholdMet', message: `Attempting to reclaim ${resource}` }),
  });
}

/** Takes images away until `signal` is aborted, or does nothing where none can be. Loaded when there is something to do. */
export async function collectImages(
  { options, log, warn }: UpkeepDeps,
  runtimes: Readonly<Record<string, Runtime>>,
  signal: AbortSignal,
): Promise<void> {
  const { deps, imageCollection } = options;
  const services = Object.values(runtimes).map(({ images }) => images);
  if (imageCollection === undefined || services.every(({ removal }) => removal === undefined)) return;
  const { ImageCollector } = await import('./images/image-collector.ts');
  const collector = new ImageCollector({
    clock: deps.clock,
    log,
    settings: imageCollection,
    observe: imageCollection.observe,
    services,
    record: warn,
  });
  await collector.run(signal);
}
