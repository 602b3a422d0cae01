/** Nodes. A node brings its own status when it registers. Source: upstream `pkg/registry/core/node/strategy.go`. */

import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { isTrueAt, objectAt } from '../draft.ts';
import { keepStatus } from '../status.ts';
import { coreKind, proxyVerbs } from './connections.ts';
import { nodeProxy } from './proxy.ts';
import { nodeTable } from './tables.ts';
import { validateNode, validateNodeUpdate } from './validation/node.ts';

/** Nodes, which may register with a status. */
export const nodeStrategy: Strategy = {
  group: '',
  resource: 'nodes',
  keeping: { keyName: 'minions' },
  tracksGeneration: false,
  setDefaults(draft) {
    const status = objectAt(draft, 'status');
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
    status: { validateUpdate: (node, old) => [...validateNode(node), ...validateNodeUpdate(node, old)] },
  },
  connects: { proxy: { kind: coreKind('NodeProxyOptions'), verbs: proxyVerbs, takesPath: true, connect: nodeProxy } },
  selectableFields: (node) => ({ 'spec.unschedulable': String(isTrueAt(node, 'spec', 'unschedulable')) }),
  table: nodeTable,
};
