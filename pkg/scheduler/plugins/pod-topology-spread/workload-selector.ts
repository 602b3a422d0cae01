/**
 * Which pods are of one kind with a pod: those that the Services with it select, and the controller that made it. Source: kube-scheduler
 * `plugins/helper/spread.go` `DefaultSelector`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { LabelSelector, LabelSelectorRequirement } from '#pkg/api/types/meta-v1.ts';
import { replicaSets, replicationControllers, services, statefulSets } from '#pkg/api/types/refs.ts';
import { controllerOf } from '#pkg/apimachinery/object.ts';
import type { PluginContext } from '../../framework/plugin-context.ts';

/** Where the selector is found. */
export interface WorkloadSource {
  /** All requirements of Services and the controller together; undefined where there are none. */
  selectorOf(pod: Pod): LabelSelector | undefined;
}

/** Where nobody asks. */
export const noWorkloads: WorkloadSource = { selectorOf: () => undefined };

/** Over the API. */
export function workloadSource({ lister }: Pick<PluginContext, 'lister'>): WorkloadSource {
  const [ofServices, controllers, sets, stateful] = [
    lister(services),
    lister(replicationControllers),
    lister(replicaSets),
    lister(statefulSets),
  ];
  return {
    selectorOf(pod) {
      const { namespace = '', labels = {} } = pod.metadata ?? {};
      const matchLabels: Record<string, string> = {};
      const matchExpressions: LabelSelectorRequirement[] = [];
      for (const { metadata, spec } of ofServices.list()) {
        const selector = Object.entries(spec?.selector ?? {});
        if (metadata?.namespace !== namespace || selector.length === 0) continue;
        if (selector.every(([key, value]) => labels[key] === value)) Object.assign(matchLabels, spec?.selector);
      }
      const { kind, name } = controllerOf(pod) ?? {};
      const key = `${namespace}/${name}`;
      if (kind === 'ReplicationController') Object.assign(matchLabels, controllers.get(key)?.spec?.selector);
      const set = kind === 'ReplicaSet' ? sets.get(key) : kind === 'StatefulSet' ? stateful.get(key) : undefined;
      Object.assign(matchLabels, set?.spec?.selector?.matchLabels);
      matchExpressions.push(...(set?.spec?.selector?.matchExpressions ?? []));
      if (Object.keys(matchLabels).length === 0 && matchExpressions.length === 0) return undefined;
      return { matchLabels, matchExpressions };
    },
  };
}
