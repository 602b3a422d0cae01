/** The tables of what components are made of, as they see them: a component knows nothing of the other components, nor of the store. */
import type { ResourceDefinition } from '#pkg/apiserver/definition.ts';
import type { ControllerTable } from '#pkg/controllers/common/controller.ts';
import type { VolumePlugin } from '#pkg/kubelet/volumes/volume-plugin.ts';
import type { PluginEntry } from '#pkg/scheduler/framework/plugin-context.ts';
import type { NetworkTable } from './networks.ts';
import type { ProxyBackendTable } from './proxy-backends.ts';
import type { RuntimeTable } from './runtimes.ts';

/** One table for each sort of part. Those of code are loaded when they are asked for. */
export interface PartTables {
  readonly runtimes: RuntimeTable;
  readonly networks: NetworkTable;
  readonly proxyBackends: ProxyBackendTable;
  /** Resources beside those of the table of API facts. */
  readonly definitions: () => Promise<readonly ResourceDefinition[]>;
  readonly controllers: () => Promise<ControllerTable>;
  readonly schedulerPlugins: () => Promise<readonly PluginEntry[]>;
  readonly volumePlugins: () => Promise<readonly VolumePlugin[]>;
}
