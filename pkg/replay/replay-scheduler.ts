/** The scheduler of a replay, in whose place one with other settings can come while the replay goes on. Pods that wait are the new one's, and those that run stay where they are. */
import { schedulerPart } from '#pkg/cluster/parts.ts';
import { schedulerSettings } from '#pkg/cluster/scheduler-flags.ts';
import { clusterTables } from '#pkg/cluster/tables.ts';
import type { TestCluster } from '#pkg/testing/cluster.ts';
import { contextOf, type RunningPart, start } from './parts.ts';

/** The scheduler of one run. */
export class ReplayScheduler {
  readonly #cluster: TestCluster;
  readonly #recordsEvents: boolean;
  #running: RunningPart | undefined;

  /** None runs before `use`. */
  constructor(cluster: TestCluster, { recordsEvents }: { readonly recordsEvents: boolean }) {
    this.#cluster = cluster;
    this.#recordsEvents = recordsEvents;
  }

  /** From now on pods are laid out so: `packing` or `spreading`. Default: packing. */
  async use(scheduling: string | undefined): Promise<void> {
    await this.close();
    const plugins = await clusterTables.schedulerPlugins();
    const settings = await schedulerSettings({ scheduling }, plugins);
    const context = { ...contextOf(this.#cluster, 'scheduler'), recordsEvents: this.#recordsEvents };
    this.#running = start(await schedulerPart(context, { plugins, settings }));
  }

  /** Resolves once none runs any more. */
  async close(): Promise<void> {
    this.#running?.stop.abort();
    await this.#running?.ended;
    this.#running = undefined;
  }
}
