/** Keeps pods away from cordoned nodes. Upstream counterpart: `plugins/nodeunschedulable`. */
import type { Node, Taint } from '#pkg/api/types/core-v1.ts';
import { nodeOf } from '../../framework/events.ts';
import type { FilterPlugin } from '../../framework/plugin.ts';
import type { PodInfo } from '../../framework/pod-info.ts';
import { success, unresolvable } from '../../framework/status.ts';
import { toleratesTaint } from '../../framework/tolerations.ts';

const cordonTaint: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
const refusal = unresolvable('node(s) were unschedulable');

export const nodeUnschedulable: FilterPlugin = {
  name: 'NodeUnschedulable',
  events: [
    {
      resource: 'Node',
      actions: ['Add', 'UpdateNodeTaints'],
      hint: (pod, event) => (isCordoned(nodeOf(event)) && !toleratesCordon(pod) ? 'Skip' : 'Queue'),
    },
  ],
  filterMemo: { dependsOn: 'node', sign: (pod) => (toleratesCordon(pod) ? 'tolerates' : '') },
  filter: ({ pod }) =>
    toleratesCordon(pod) ? undefined : (node) => (node.node?.spec?.unschedulable === true ? refusal : success),
};

function isCordoned(node: Node): boolean {
  return node.spec?.unschedulable === true;
}

function toleratesCordon({ pod }: PodInfo): boolean {
  return (pod.spec?.tolerations ?? []).some((toleration) => toleratesTaint(toleration, cordonTaint));
}
