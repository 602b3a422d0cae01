/**
 * VirtualMachineSnapshots as they are served: made of data, since the table of API facts does not have the kind. Counterpart: KubeVirt
 * `virtualmachinesnapshots.snapshot.kubevirt.io`.
 */
import { type VirtualMachineSnapshot, virtualMachineSnapshots } from '#pkg/api/virtual-machine-snapshot.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { invalid, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { ResourceDefinition } from '#pkg/apiserver/definition.ts';
import { rulesOf, type TablePrinter } from '#pkg/apiserver/strategy.ts';
import { structuralDefinition } from '#pkg/apiserver/structural-definition.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';
import { ownStatus } from '../status.ts';
import { count, flag, objectSchema, text } from './schemas.ts';

const path = pathsOf<VirtualMachineSnapshot>();

const spec = {
  type: 'object',
  required: ['vmName'],
  properties: { vmName: { type: 'string', minLength: 1, maxLength: 253 } },
};

const status = {
  type: 'object',
  properties: {
    phase: { type: 'string', enum: ['InProgress', 'Succeeded', 'Failed'] },
    readyToUse: flag,
    reason: text,
    message: text,
    machineUid: text,
    podName: text,
    nodeName: text,
    machine: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    creationTime: { type: 'string', format: 'date-time' },
    result: {
      type: 'object',
      required: ['outcome'],
      properties: { outcome: { type: 'string', enum: ['completed', 'failed'] }, reason: text, sizeBytes: count },
    },
  },
};

const schema = objectSchema(spec, status);

const table: TablePrinter<Given<VirtualMachineSnapshot>> = {
  columns: [
    nameColumn,
    column('Machine'),
    column('Phase'),
    column('Ready'),
    column('Node'),
    column('Size'),
    column('Reason'),
    ageColumn,
  ],
  cells: (object, nowMs) => {
    const { phase = '', readyToUse = false, nodeName = '', reason = '', result } = object.status ?? {};
    const isReady = readyToUse ? 'True' : 'False';
    const size = result?.sizeBytes === undefined ? '' : `${Math.ceil(result.sizeBytes / 1024)}Ki`;
    return [nameOf(object), object.spec?.vmName ?? '', ...[phase, isReady, nodeName, size, reason], age(object, nowMs)];
  },
};

const { group, resource, ...rules } = rulesOf(virtualMachineSnapshots, {
  ...ownStatus(),
  validateUpdate: (draft, old) =>
    deepEqual(draft.spec, old.spec) ? [] : [invalid(path('spec'), draft.spec, 'a snapshot never changes')],
  subresources: { status: {} },
  table,
});

/** The resource as it is served. */
export const virtualMachineSnapshotDefinition: ResourceDefinition = structuralDefinition({
  group,
  names: { plural: resource, kind: virtualMachineSnapshots.kind, shortNames: ['vmsnapshot', 'vmsnapshots'] },
  scope: 'Namespaced',
  versions: [{ name: 'v1alpha1', served: true, storage: true, schema, subresources: { status: {} } }],
  rules,
});
