/** Replica sets. Source: upstream `pkg/apis/apps/v1/defaults.go`, `pkg/registry/apps/replicaset/strategy.go`. */

import type { ReplicaSetStatus } from '#pkg/api/types/apps-v1.ts';
import { replicaSets } from '#pkg/api/types/refs.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { setTemplateDefaults } from '../core/pod-defaults.ts';
import { setDefault } from '../draft.ts';
import { selectorScale } from '../printing/scale.ts';
import { ownStatus } from '../status.ts';
import { validateSelectorUnchanged } from './pod-template-rules.ts';
import { validateReplicaSet } from './replicas-validation.ts';
import { replicaSetStatus } from './status-validation.ts';
import { replicaSetTable } from './workload-tables.ts';

/** Fills in the template, and keeps the selector. */
export const replicaSetStrategy = rulesOf(replicaSets, {
  setDefaults(draft) {
    const spec = draft.spec;
    if (spec === undefined) return;
    setTemplateDefaults(spec);
    setDefault(spec, 'replicas', 1);
  },
  ...ownStatus<ReplicaSetStatus>({ replicas: 0 }),
  subresources: { status: replicaSetStatus },
  validate: validateReplicaSet,
  validateUpdate: validateSelectorUnchanged,
  selectableFields: (object) => ({ 'status.replicas': String(object.status?.replicas ?? 0) }),
  scale: selectorScale,
  table: replicaSetTable,
});
