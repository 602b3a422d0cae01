/** Nodes. A node brings its own status when it registers. Source: upstream `pkg/registry/core/node/strategy.go`. */

import { nodes } from '#pkg/api/types/refs.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { keepStatus } from '../status.ts';
import { coreKind, proxyVerbs } from './connections.ts';
import { nodeProxy } from './proxy.ts';
import { nodeTable } from './tables.ts';
import { validateNode, validateNodeStatusUpdate, validateNodeUpdate } from './validation/node.ts';

/** Nodes, which may register with a status. */
export const nodeStrategy = rulesOf(nodes, {
  keeping: { keyName: 'minions' },
  tracksGeneration: false,
  setDefaults(draft) {
    const status = draft.status;
    if (status?.capacity !== undefined && status.allocatable === undefined) {
      status.allocatable = structuredClone(status.capacity);
    }
  },
  // Kubelets register with it.
  createsWithStatus: true,
  prepareForUpdate: keepStatus,
  validate: validateNode,
  validateUpdate: validateNodeUpdate,
  subresources: {
    status: { validateUpdate: validateNodeStatusUpdate },
  },
  connects: { proxy: { kind: coreKind('NodeProxyOptions'), verbs: proxyVerbs, takesPath: true, connect: nodeProxy } },
  selectableFields: (node) => ({ 'spec.unschedulable': String(node.spec?.unschedulable === true) }),
  table: nodeTable,
});
