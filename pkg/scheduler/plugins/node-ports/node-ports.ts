/** Keeps two pods from taking the same port of a node. Upstream counterpart: `plugins/nodeports`. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { podOf } from '../../framework/events.ts';
import type { FilterPlugin } from '../../framework/plugin.ts';
import { success, unschedulable } from '../../framework/status.ts';
import { type PodInfo, podInfoOf } from '../../model/pod-info.ts';

const refusal = unschedulable("node(s) didn't have free ports for the requested pod ports");

/** The plugin. */
export const nodePorts: FilterPlugin = {
  name: 'NodePorts',
  events: [
    {
      resource: 'AssignedPod',
      actions: ['Delete'],
      hint: (pod, event) => (freesPortOf(pod, podOf(event)) ? 'Queue' : 'Skip'),
    },
    { resource: 'Node', actions: ['Add'] },
  ],
  filterMemo: { dependsOn: 'pods', sign: ({ hostPorts }) => JSON.stringify(hostPorts) },
  filter({ pod: { hostPorts } }) {
    if (hostPorts.length === 0) return undefined;
    return (node) => (hostPorts.some((port) => node.hasPortConflict(port)) ? refusal : success);
  },
};

function freesPortOf(pod: PodInfo, gone: Pod): boolean {
  return podInfoOf(gone).hostPorts.some((freed) =>
    pod.hostPorts.some((wanted) => wanted.port === freed.port && wanted.protocol === freed.protocol),
  );
}
