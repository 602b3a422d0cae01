/** Replication controllers. Source: upstream `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/replicationcontroller`. */
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { validateReplicationController } from '../apps/replicas-validation.ts';
import { replicaSetStatus } from '../apps/status-validation.ts';
import { replicationControllerTable } from '../apps/workload-tables.ts';
import { ensureObject, numberAt, objectAt, setDefault, stringMapAt } from '../draft.ts';
import { labelsScale } from '../printing/scale.ts';
import { ownStatus } from '../status.ts';
import { setTemplateDefaults } from './pod-defaults.ts';

/** Fills in selector and labels from the template. */
export const replicationControllerStrategy: Strategy = {
  group: '',
  resource: 'replicationcontrollers',
  keeping: { keyName: 'controllers' },
  setDefaults(draft) {
    const spec = objectAt(draft, 'spec');
    if (spec === undefined) return;
    setTemplateDefaults(spec);
    setDefault(spec, 'replicas', 1);
    const labels = stringMapAt(spec, 'template', 'metadata', 'labels');
    if (Object.keys(labels).length === 0) return;
    if (Object.keys(stringMapAt(spec, 'selector')).length === 0) spec.selector = { ...labels };
    const metadata = ensureObject(draft, 'metadata');
    if (metadata !== undefined && Object.keys(stringMapAt(metadata, 'labels')).length === 0) {
      metadata.labels = { ...labels };
    }
  },
  ...ownStatus({ replicas: 0 }),
  subresources: { status: replicaSetStatus },
  validate: validateReplicationController,
  selectableFields: (object) => ({ 'status.replicas': String(numberAt(object, 'status', 'replicas') ?? 0) }),
  scale: labelsScale,
  // Of core/v1 from the days before the garbage collector. Source: upstream `rcStrategy.DefaultGarbageCollectionPolicy`.
  dependents: 'orphan',
  table: replicationControllerTable,
};
