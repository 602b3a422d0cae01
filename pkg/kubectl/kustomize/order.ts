/** The order in which objects are printed and applied. Source: kustomize `SortOrderTransformer`. */

import { isObject } from '#pkg/apimachinery/json.ts';
import type { Mapping } from './kustomization.ts';
import { textAt, textsAt } from './kustomization.ts';
import { idOf, type Resource } from './resource.ts';

const first = [
  ...['Namespace', 'ResourceQuota', 'StorageClass', 'CustomResourceDefinition', 'ServiceAccount', 'PodSecurityPolicy'],
  ...['Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding', 'ConfigMap', 'Secret', 'Endpoints', 'Service'],
  ...['LimitRange', 'PriorityClass', 'PersistentVolume', 'PersistentVolumeClaim', 'Deployment', 'StatefulSet'],
  ...['CronJob', 'PodDisruptionBudget'],
];
const last = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'];

/** By kind, what others need first, unless the kustomization wants the order in which they came. */
export function inOrder(resources: readonly Resource[], sortOptions: unknown): readonly Resource[] {
  const options: Mapping = isObject(sortOptions) ? sortOptions : {};
  if (textAt(options, 'order') === 'fifo') return resources;
  const legacy: Mapping = isObject(options.legacySortOptions) ? options.legacySortOptions : {};
  const hasOwn = isObject(options.legacySortOptions);
  const [before, after] = hasOwn ? [textsAt(legacy, 'orderFirst'), textsAt(legacy, 'orderLast')] : [first, last];
  const rank = (kind: string): number => {
    if (after.includes(kind)) return 1 + after.indexOf(kind);
    return before.includes(kind) ? before.indexOf(kind) - before.length : 0;
  };
  return resources
    .map((resource) => {
      const { group, version, kind, name, namespace } = idOf(resource.object);
      const type = [group || '~G', version || '~V', kind || '~K'].join('_');
      return { resource, rank: rank(kind), key: `${type}\0${namespace || '~X'}|${name || '~N'}` };
    })
    .sort((a, b) => a.rank - b.rank || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ resource }) => resource);
}
