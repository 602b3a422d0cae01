/**
 * Taints a new node until it has said that it is ready, so that nothing is scheduled to it in between.
 * Source: upstream `plugin/pkg/admission/nodetaint`.
 */
import type { AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { ensureObject, objectsAt } from '../draft.ts';

const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' } as const;

/** Adds the taint `not-ready` to new nodes. */
export const taintNodesByConditionPlugin: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  handles: ({ group, resource, subresource, operation }) =>
    group === '' && resource === 'nodes' && subresource === '' && operation === 'CREATE',
  admit({ draft }) {
    const spec = draft === undefined ? undefined : ensureObject(draft, 'spec');
    if (spec === undefined) return Promise.resolve();
    const taints = objectsAt(spec, 'taints');
    const isTainted = taints.some((present) => present.key === taint.key && present.effect === taint.effect);
    if (!isTainted) spec.taints = [...taints, { ...taint }];
    return Promise.resolve();
  },
};
