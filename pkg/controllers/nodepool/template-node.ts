/** The node that a pool would add, as the scheduler sees nodes. Pure. Upstream counterpart: cluster-autoscaler `TemplateNodeInfo`. */
import { type NodeTemplate, poolLabel } from '#pkg/api/node-claim.ts';
import type { NodePool } from '#pkg/api/node-pool.ts';
import type { DaemonSet } from '#pkg/api/types/apps-v1.ts';
import type { Node } from '#pkg/api/types/core-v1.ts';
import { type PodInfo, podInfoOf } from '#pkg/scheduler/model/pod-info.ts';
import { placer } from '../daemon/placement.ts';

/** What every node offers beside what its template says. */
const usualCapacity = { pods: '110', 'ephemeral-storage': '10Gi' };

/** All labels that a node of the pool has beside those by which it says what it is. */
export function poolLabels(pool: string, template: NodeTemplate): Readonly<Record<string, string>> {
  return { ...template.labels, [poolLabel]: pool };
}

/** The node of that name. `like` is any node of the cluster: the machine is the same. */
export function templateNode({ metadata, spec }: NodePool, name: string, like: Node | undefined): Node {
  const { taints = [], capacity = {}, ...rest } = spec?.template ?? {};
  const { [archLabel]: arch = 'amd64', [osLabel]: os = 'linux' } = like?.metadata?.labels ?? {};
  const amounts = { ...usualCapacity, ...capacity };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        [archLabel]: arch,
        [osLabel]: os,
        ...poolLabels(metadata?.name ?? '', rest),
      },
    },
    ...(taints.length === 0 ? {} : { spec: { taints } }),
    status: { capacity: amounts, allocatable: amounts, conditions: [{ type: 'Ready', status: 'True' }] },
  };
}

const archLabel = 'kubernetes.io/arch';
const osLabel = 'kubernetes.io/os';

/** The pods that daemon sets would have on a node, which leave less of it for others. */
export function daemonsOf(node: Node, sets: readonly DaemonSet[]): readonly PodInfo[] {
  const nodeName = node.metadata?.name ?? '';
  return sets
    .filter((set) => set.metadata?.deletionTimestamp === undefined && placer(set)(node).runs)
    .map(({ metadata, spec }) => {
      const { name = '', namespace = '', uid = '' } = metadata ?? {};
      const owner = { apiVersion: 'apps/v1', kind: 'DaemonSet', name, uid, controller: true };
      return podInfoOf({
        metadata: { name: `${name}-${nodeName}`, namespace, uid: `${uid}/${nodeName}`, ownerReferences: [owner] },
        spec: { containers: [], ...spec?.template.spec },
      });
    });
}
