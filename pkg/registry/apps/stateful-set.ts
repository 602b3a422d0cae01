/** Stateful sets. Source: upstream `pkg/apis/apps/v1/defaults.go`, `pkg/registry/apps/statefulset/strategy.go`. */

import type { StatefulSet, StatefulSetStatus } from '#pkg/api/types/apps-v1.ts';
import type { PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
import { statefulSets } from '#pkg/api/types/refs.ts';
import type { Draft } from '#pkg/apimachinery/draft.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { setTemplateDefaults } from '../core/pod-defaults.ts';
import { setDefault } from '../draft.ts';
import { selectorScale } from '../printing/scale.ts';
import { ownStatus } from '../status.ts';
import { validateStatefulSet, validateStatefulSetUpdate } from './stateful-set-validation.ts';
import { statefulSetStatus } from './status-validation.ts';
import { statefulSetTable } from './workload-tables.ts';

function setDefaults(draft: Draft<StatefulSet>): void {
  const spec = draft.spec;
  if (spec === undefined) return;
  setTemplateDefaults(spec);
  setDefault(spec, 'podManagementPolicy', 'OrderedReady');
  setDefault(spec, 'replicas', 1);
  setDefault(spec, 'revisionHistoryLimit', 10);
  spec.updateStrategy ??= {};
  setDefault(spec.updateStrategy, 'type', 'RollingUpdate');
  if (spec.updateStrategy.type === 'RollingUpdate') {
    spec.updateStrategy.rollingUpdate ??= {};
    setDefault(spec.updateStrategy.rollingUpdate, 'partition', 0);
    setDefault(spec.updateStrategy.rollingUpdate, 'maxUnavailable', 1);
  }
  spec.persistentVolumeClaimRetentionPolicy ??= {};
  setDefault(spec.persistentVolumeClaimRetentionPolicy, 'whenDeleted', 'Retain');
  setDefault(spec.persistentVolumeClaimRetentionPolicy, 'whenScaled', 'Retain');
  for (const claim of spec.volumeClaimTemplates ?? []) setClaimTemplateDefaults(claim);
}

/** A template is stored as a whole claim, as clients expect to read it back. */
function setClaimTemplateDefaults(claim: Draft<PersistentVolumeClaim>): void {
  claim.apiVersion = 'v1';
  claim.kind = 'PersistentVolumeClaim';
  const spec = claim.spec;
  if (spec !== undefined) setDefault(spec, 'volumeMode', 'Filesystem');
  claim.status ??= {};
  setDefault(claim.status, 'phase', 'Pending');
}

/** Fills in how a stateful set is updated and what becomes of its claims. */
export const statefulSetStrategy = rulesOf(statefulSets, {
  nameRule: 'dns1123Label',
  setDefaults,
  ...ownStatus<StatefulSetStatus>({ replicas: 0, availableReplicas: 0 }),
  subresources: { status: statefulSetStatus },
  validate: validateStatefulSet,
  validateUpdate: validateStatefulSetUpdate,
  scale: selectorScale,
  table: statefulSetTable,
});
