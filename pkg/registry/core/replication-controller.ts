/** Replication controllers. Source: upstream `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/replicationcontroller`. */
import type { ReplicationControllerStatus } from '#pkg/api/types/core-v1.ts';
import { replicationControllers } from '#pkg/api/types/refs.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { validateReplicationController } from '../apps/replicas-validation.ts';
import { replicaSetStatus } from '../apps/status-validation.ts';
import { replicationControllerTable } from '../apps/workload-tables.ts';
import { setDefault } from '../draft.ts';
import { labelsScale } from '../printing/scale.ts';
import { ownStatus } from '../status.ts';
import { setTemplateDefaults } from './pod-defaults.ts';

/** Fills in selector and labels from the template. */
export const replicationControllerStrategy = rulesOf(replicationControllers, {
  keeping: { keyName: 'controllers' },
  setDefaults(draft) {
    const spec = draft.spec;
    if (spec === undefined) return;
    setTemplateDefaults(spec);
    setDefault(spec, 'replicas', 1);
    const labels = spec.template?.metadata?.labels ?? {};
    if (Object.keys(labels).length === 0) return;
    if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
    draft.metadata ??= {};
    if (Object.keys(draft.metadata.labels ?? {}).length === 0) draft.metadata.labels = { ...labels };
  },
  ...ownStatus<ReplicationControllerStatus>({ replicas: 0 }),
  subresources: { status: replicaSetStatus },
  validate: validateReplicationController,
  selectableFields: (object) => ({ 'status.replicas': String(object.status?.replicas ?? 0) }),
  scale: labelsScale,
  // Of core/v1 from the days before the garbage collector. Source: upstream `rcStrategy.DefaultGarbageCollectionPolicy`.
  dependents: 'orphan',
  table: replicationControllerTable,
});
