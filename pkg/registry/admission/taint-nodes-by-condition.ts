/**
 * Taints a new node until it has said that it is ready, so that nothing is scheduled to it in between.
 * Source: upstream `plugin/pkg/admission/nodetaint`.
 */
import { nodes } from '#pkg/api/types/refs.ts';
import { type AdmissionPlugin, about } from '#pkg/apiserver/strategy.ts';

const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' } as const;

/** Adds the taint `not-ready` to new nodes. */
export const taintNodesByConditionPlugin: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  handles: (attributes) => attributes.operation === 'CREATE' && about(attributes, nodes) !== undefined,
  admit(attributes) {
    const draft = about(attributes, nodes)?.draft;
    if (draft === undefined) return;
    draft.spec ??= {};
    const { spec } = draft;
    const taints = spec.taints ?? [];
    const isTainted = taints.some((present) => present.key === taint.key && present.effect === taint.effect);
    if (!isTainted) spec.taints = [...taints, { ...taint }];
  },
};
