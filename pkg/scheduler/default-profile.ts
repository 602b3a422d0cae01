/** The table of plugins that a scheduler runs unless it is given another. A plugin is added by a folder and a line here. */
import type { ProfileEntry } from './framework/profile.ts';
import { createDefaultBinder, type SendBinding } from './plugins/default-binder/default-binder.ts';
import {
  createDefaultPreemption,
  type DefaultPreemptionOptions,
} from './plugins/default-preemption/default-preemption.ts';
import { dynamicResources } from './plugins/dynamic-resources/dynamic-resources.ts';
import { interPodAffinity } from './plugins/inter-pod-affinity/inter-pod-affinity.ts';
import { nodeAffinity } from './plugins/node-affinity/node-affinity.ts';
import { nodeName } from './plugins/node-name/node-name.ts';
import { nodePorts } from './plugins/node-ports/node-ports.ts';
import { nodeResourcesFit } from './plugins/node-resources-fit/node-resources-fit.ts';
import { nodeUnschedulable } from './plugins/node-unschedulable/node-unschedulable.ts';
import { podTopologySpread } from './plugins/pod-topology-spread/pod-topology-spread.ts';
import { prioritySort } from './plugins/priority-sort/priority-sort.ts';
import { schedulingGates } from './plugins/scheduling-gates/scheduling-gates.ts';
import { taintToleration } from './plugins/taint-toleration/taint-toleration.ts';
import { createVolumeBinding, type VolumeSource } from './plugins/volume-binding/volume-binding.ts';

/** What the default plugins need. */
export interface DefaultProfileOptions extends DefaultPreemptionOptions {
  readonly sendBinding: SendBinding;
  readonly volumes: VolumeSource;
}

/** The default plugins, in upstream's order and with its weights. */
export function defaultProfile(options: DefaultProfileOptions): readonly ProfileEntry[] {
  return [
    { plugin: schedulingGates },
    { plugin: prioritySort },
    { plugin: nodeUnschedulable },
    { plugin: nodeName },
    { plugin: taintToleration, weight: 3 },
    { plugin: nodeAffinity, weight: 2 },
    { plugin: nodePorts },
    { plugin: nodeResourcesFit, weight: 1 },
    { plugin: createVolumeBinding(options.volumes) },
    { plugin: dynamicResources },
    { plugin: podTopologySpread, weight: 2 },
    { plugin: interPodAffinity, weight: 2 },
    { plugin: createDefaultPreemption(options) },
    { plugin: createDefaultBinder(options.sendBinding) },
  ];
}
