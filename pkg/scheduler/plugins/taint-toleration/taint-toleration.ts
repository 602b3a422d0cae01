/**
 * Keeps pods away from nodes with taints that they do not tolerate, and prefers nodes with fewer `PreferNoSchedule` taints.
 * Upstream counterpart: `plugins/tainttoleration`.
 */

import { toleratesTaint, untoleratedTaint } from '#pkg/api/scheduling/tolerations.ts';
import type { Toleration } from '#pkg/api/types/core-v1.ts';
import { jsonText } from '#pkg/apimachinery/json.ts';
import { hintOfPassing } from '../../framework/events.ts';
import { normalizeLowest } from '../../framework/normalize.ts';
import type { FilterPlugin, Memo, NormalizeScorePlugin, ScorePlugin } from '../../framework/plugin.ts';
import { success, unresolvable } from '../../framework/status.ts';
import type { PodInfo } from '../../model/pod-info.ts';

const refusal = unresolvable('node(s) had untolerated taint(s)');

const memo: Memo = { dependsOn: 'node', sign: (pod) => jsonText(tolerationsOf(pod)) };

/** The plugin. */
export const taintToleration: FilterPlugin & NormalizeScorePlugin & ScorePlugin = {
  name: 'TaintToleration',
  events: [
    {
      resource: 'Node',
      actions: ['Add', 'UpdateNodeTaints'],
      hint: (pod, event) =>
        hintOfPassing(event, ({ spec }) => untoleratedTaint(spec?.taints ?? [], tolerationsOf(pod)) === undefined),
    },
    { resource: 'TargetPod', actions: ['UpdatePodTolerations'] },
  ],
  filterMemo: memo,
  filter({ pod }) {
    const tolerations = tolerationsOf(pod);
    return (node) =>
      node.taints.length === 0 || untoleratedTaint(node.taints, tolerations) === undefined ? success : refusal;
  },
  scoreMemo: memo,
  score({ pod, cluster }) {
    if (!cluster.hasSoftTaints) return undefined;
    const soft = tolerationsOf(pod).filter(({ effect }) => !effect || effect === 'PreferNoSchedule');
    return (node) => {
      let count = 0;
      for (const taint of node.taints) {
        if (taint.effect !== 'PreferNoSchedule') continue;
        if (!soft.some((toleration) => toleratesTaint(toleration, taint))) count++;
      }
      return count;
    };
  },
  normalize: (scores) => normalizeLowest(scores),
};

function tolerationsOf({ pod }: PodInfo): readonly Toleration[] {
  return pod.spec?.tolerations ?? [];
}
