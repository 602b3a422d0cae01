/** Holds a pod to the node that its spec names. Upstream counterpart: `plugins/nodename`. */
import { nodeOf } from '../../framework/events.ts';
import type { FilterPlugin } from '../../framework/plugin.ts';
import { success, unresolvable } from '../../framework/status.ts';

const refusal = unresolvable("node(s) didn't match the requested node name");

/** The plugin. */
export const nodeName: FilterPlugin = {
  name: 'NodeName',
  events: [
    {
      resource: 'Node',
      actions: ['Add'],
      hint: ({ pod }, event) => (pod.spec?.nodeName === nodeOf(event).metadata?.name ? 'Queue' : 'Skip'),
    },
  ],
  filter({ pod: { pod } }) {
    const wanted = pod.spec?.nodeName;
    return wanted ? (node) => (node.name === wanted ? success : refusal) : undefined;
  },
};
