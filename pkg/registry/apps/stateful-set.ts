/** Stateful sets. Source: upstream `pkg/apis/apps/v1/defaults.go`, `pkg/registry/apps/statefulset/strategy.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { setTemplateDefaults } from '../core/pod-defaults.ts';
import { ensureObject, objectAt, objectsAt, setDefault } from '../draft.ts';
import { selectorScale } from '../printing/scale.ts';
import { ownStatus } from '../status.ts';
import { validateStatefulSet, validateStatefulSetUpdate } from './stateful-set-validation.ts';
import { statefulSetStatus } from './status-validation.ts';
import { statefulSetTable } from './workload-tables.ts';

function setDefaults(draft: JsonObject): void {
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return;
  setTemplateDefaults(spec);
  setDefault(spec, 'podManagementPolicy', 'OrderedReady');
  setDefault(spec, 'replicas', 1);
  setDefault(spec, 'revisionHistoryLimit', 10);
  const update = ensureObject(spec, 'updateStrategy');
  if (update !== undefined) {
    setDefault(update, 'type', 'RollingUpdate');
    if (update.type === 'RollingUpdate') {
      const rolling = ensureObject(update, 'rollingUpdate');
      if (rolling !== undefined) {
        setDefault(rolling, 'partition', 0);
        setDefault(rolling, 'maxUnavailable', 1);
      }
    }
  }
  const retention = ensureObject(spec, 'persistentVolumeClaimRetentionPolicy');
  if (retention !== undefined) {
    setDefault(retention, 'whenDeleted', 'Retain');
    setDefault(retention, 'whenScaled', 'Retain');
  }
  for (const claim of objectsAt(spec, 'volumeClaimTemplates')) setClaimTemplateDefaults(claim);
}

/** A template is stored as a whole claim, as clients expect to read it back. */
function setClaimTemplateDefaults(claim: JsonObject): void {
  claim.apiVersion = 'v1';
  claim.kind = 'PersistentVolumeClaim';
  const spec = objectAt(claim, 'spec');
  if (spec !== undefined) setDefault(spec, 'volumeMode', 'Filesystem');
  const status = ensureObject(claim, 'status');
  if (status !== undefined) setDefault(status, 'phase', 'Pending');
}

/** Fills in how a stateful set is updated and what becomes of its claims. */
export const statefulSetStrategy: Strategy = {
  group: 'apps',
  resource: 'statefulsets',
  nameRule: 'dns1123Label',
  setDefaults,
  ...ownStatus({ replicas: 0, availableReplicas: 0 }),
  subresources: { status: statefulSetStatus },
  validate: validateStatefulSet,
  validateUpdate: validateStatefulSetUpdate,
  scale: selectorScale,
  table: statefulSetTable,
};
