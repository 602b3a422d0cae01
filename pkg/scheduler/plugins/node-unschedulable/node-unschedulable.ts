/** Keeps pods away from cordoned nodes. Upstream counterpart: `plugins/nodeunschedulable`. */

import { toleratesTaint } from '#pkg/api/scheduling/tolerations.ts';
import type { Node, Taint } from '#pkg/api/types/core-v1.ts';
import { hintOfPassing } from '../../framework/events.ts';
import type { FilterPlugin } from '../../framework/plugin.ts';
import { success, unresolvable } from '../../framework/status.ts';
import type { PodInfo } from '../../model/pod-info.ts';

const cordonTaint: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
const refusal = unresolvable('node(s) were unschedulable');

/** The plugin. */
export const nodeUnschedulable: FilterPlugin = {
  name: 'NodeUnschedulable',
  events: [
    {
      resource: 'Node',
      actions: ['Add', 'UpdateNodeTaints'],
      hint: (_pod, event) => hintOfPassing(event, (node) => !isCordoned(node)),
    },
    {
      resource: 'TargetPod',
      actions: ['UpdatePodTolerations'],
      hint: (pod) => (toleratesCordon(pod) ? 'Queue' : 'Skip'),
    },
  ],
  filterMemo: { dependsOn: 'node', sign: (pod) => (toleratesCordon(pod) ? 'tolerates' : '') },
  filter: ({ pod }) => (toleratesCordon(pod) ? undefined : ({ node }) => (isCordoned(node) ? refusal : success)),
};

function isCordoned(node: Node | undefined): boolean {
  return node?.spec?.unschedulable === true;
}

function toleratesCordon({ pod }: PodInfo): boolean {
  return (pod.spec?.tolerations ?? []).some((toleration) => toleratesTaint(toleration, cordonTaint));
}
