/** The one list of admission plugins, in the order they run. */

import type { AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { defaultStorageClassPlugin } from './default-storage-class.ts';
import { defaultTolerationSecondsPlugin } from './default-toleration-seconds.ts';
import { limitRangerPlugin } from './limit-ranger.ts';
import { namespaceLifecyclePlugin } from './namespace-lifecycle.ts';
import { podTopologyLabelsPlugin } from './pod-topology-labels.ts';
import { priorityPlugin } from './priority.ts';
import { runtimeClassPlugin } from './runtime-class.ts';
import { serviceAccountPlugin } from './service-account.ts';
import { taintNodesByConditionPlugin } from './taint-nodes-by-condition.ts';

/** Which of the plugins run. */
export interface AdmissionOptions {
  /** Names of plugins that do not run, such as `ServiceAccount` where no controller makes service accounts. */
  readonly disabled?: readonly string[];
}

const plugins: readonly AdmissionPlugin[] = [
  namespaceLifecyclePlugin,
  limitRangerPlugin,
  serviceAccountPlugin,
  taintNodesByConditionPlugin,
  priorityPlugin,
  defaultTolerationSecondsPlugin,
  defaultStorageClassPlugin,
  runtimeClassPlugin,
  podTopologyLabelsPlugin,
];

/** The plugins of a server. */
export function createAdmissionPlugins(options: AdmissionOptions = {}): readonly AdmissionPlugin[] {
  const disabled = new Set(options.disabled);
  return plugins.filter((plugin) => !disabled.has(plugin.name));
}
