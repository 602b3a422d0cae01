/** The table of plugins that a scheduler has unless it is given another. A plugin is added by a folder and a line here. */
import type { PluginEntry } from './framework/plugin-context.ts';
import { defaultBinder } from './plugins/default-binder/default-binder.ts';
import { defaultPreemption } from './plugins/default-preemption/default-preemption.ts';
import { dynamicResources } from './plugins/dynamic-resources/dynamic-resources.ts';
import { imageLocality } from './plugins/image-locality/image-locality.ts';
import { interPodAffinity } from './plugins/inter-pod-affinity/inter-pod-affinity.ts';
import { nodeAffinity } from './plugins/node-affinity/node-affinity.ts';
import { nodeName } from './plugins/node-name/node-name.ts';
import { nodePorts } from './plugins/node-ports/node-ports.ts';
import { nodeResourcesBalancedAllocation } from './plugins/node-resources-balanced-allocation/node-resources-balanced-allocation.ts';
import { nodeResourcesFit } from './plugins/node-resources-fit/node-resources-fit.ts';
import { nodeUnschedulable } from './plugins/node-unschedulable/node-unschedulable.ts';
import { nodeVolumeLimits } from './plugins/node-volume-limits/node-volume-limits.ts';
import { podTopologySpread } from './plugins/pod-topology-spread/pod-topology-spread.ts';
import { prioritySort } from './plugins/priority-sort/priority-sort.ts';
import { schedulingGates } from './plugins/scheduling-gates/scheduling-gates.ts';
import { taintToleration } from './plugins/taint-toleration/taint-toleration.ts';
import { volumeBinding } from './plugins/volume-binding/volume-binding.ts';
import { volumeRestrictions } from './plugins/volume-restrictions/volume-restrictions.ts';
import { volumeZone } from './plugins/volume-zone/volume-zone.ts';

/** The default plugins, in upstream's order and with its weights. What works against packing takes part only in spreading. */
export const pluginTable: readonly PluginEntry[] = [
  { plugin: schedulingGates },
  { plugin: prioritySort },
  { plugin: nodeUnschedulable },
  { plugin: nodeName },
  { plugin: taintToleration, weight: 3 },
  nodeAffinity,
  { plugin: nodePorts },
  nodeResourcesFit,
  volumeRestrictions,
  nodeVolumeLimits,
  volumeBinding,
  volumeZone,
  podTopologySpread,
  interPodAffinity,
  dynamicResources,
  defaultPreemption,
  nodeResourcesBalancedAllocation,
  { plugin: imageLocality, scheduling: 'spreading' },
  defaultBinder,
];
