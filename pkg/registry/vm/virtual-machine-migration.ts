/**
 * VirtualMachineMigrations as they are served: made of data, since the table of API facts does not have the kind. Counterpart: KubeVirt
 * `virtualmachineinstancemigrations.kubevirt.io`.
 */
import { type VirtualMachineMigration, virtualMachineMigrations } from '#pkg/api/virtual-machine-migration.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { invalid, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { parseQuantity, quantityValue } from '#pkg/apimachinery/quantity.ts';
import type { ResourceDefinition } from '#pkg/apiserver/definition.ts';
import { rulesOf, type TablePrinter } from '#pkg/apiserver/strategy.ts';
import { structuralDefinition } from '#pkg/apiserver/structural-definition.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';
import { ownStatus } from '../status.ts';
import { conditions, flag, intervalMs, objectSchema, quantity, takeoverMs, text } from './schemas.ts';

const path = pathsOf<VirtualMachineMigration>();
/** With less, a page is on its way for seconds. */
const bandwidthMin = 4096;
const time = { type: 'string', format: 'date-time' };

const spec = {
  type: 'object',
  required: ['vmName'],
  properties: {
    vmName: { type: 'string', minLength: 1, maxLength: 253 },
    targetNode: { type: 'string', minLength: 1, maxLength: 253 },
    mode: {
      type: 'string',
      enum: ['pre-copy', 'post-copy', 'hybrid', 'suspend', 'cold', 'standby'],
      default: 'pre-copy',
    },
    bandwidth: { ...quantity, default: '64Mi' },
    downtimeMs: { type: 'integer', format: 'int32', minimum: 1, maximum: 60_000, default: 20 },
    roundsMax: { type: 'integer', format: 'int32', minimum: 1, maximum: 1000, default: 30 },
    throttle: { ...flag, default: true },
    push: { ...flag, default: true },
    prePaging: { ...flag, default: true },
    compress: { ...flag, default: true },
    abort: flag,
    intervalMs,
    takeoverMs,
    takeOver: flag,
  },
};

const end = {
  type: 'object',
  required: ['node'],
  properties: {
    node: text,
    address: text,
    outcome: { type: 'string', enum: ['completed', 'aborted'] },
    reason: text,
    figures: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  },
};

const status = {
  type: 'object',
  properties: {
    phase: {
      type: 'string',
      enum: ['Pending', 'Preparing', 'Running', 'TakingOver', 'Switching', 'Succeeded', 'Failed', 'Aborted'],
    },
    reason: text,
    message: text,
    machineUid: text,
    sourcePod: text,
    sourceNode: text,
    targetPod: text,
    targetNode: text,
    startTime: time,
    completionTime: time,
    source: end,
    target: end,
    conditions,
  },
};

const schema = objectSchema(spec, status);

const table: TablePrinter<Given<VirtualMachineMigration>> = {
  columns: [
    nameColumn,
    column('Machine'),
    column('Mode'),
    column('Phase'),
    column('From'),
    column('To'),
    column('Reason'),
    ageColumn,
  ],
  cells: (object, nowMs) => {
    const { vmName = '', mode = '' } = object.spec ?? {};
    const { phase = '', sourceNode = '', targetNode = '', reason = '' } = object.status ?? {};
    return [nameOf(object), vmName, mode, phase, sourceNode, targetNode, reason, age(object, nowMs)];
  },
};

const { group, resource, ...rules } = rulesOf(virtualMachineMigrations, {
  ...ownStatus(),
  validate: ({ spec }) => {
    const given = parseQuantity(spec?.bandwidth ?? bandwidthMin);
    const { mode, takeOver = false } = spec ?? {};
    if (takeOver && mode !== 'standby')
      return [invalid(path('spec.takeOver'), takeOver, 'only what stands by can take over')];
    if (given === undefined || quantityValue(given) >= bandwidthMin) return [];
    return [invalid(path('spec.bandwidth'), spec?.bandwidth, `must be at least ${bandwidthMin} bytes a second`)];
  },
  validateUpdate: (draft, old) => {
    const { abort = false, takeOver: _, ...now } = draft.spec ?? {};
    const { abort: wasAborted = false, takeOver: __, ...before } = old.spec ?? {};
    if (!deepEqual(now, before)) return [invalid(path('spec'), now, 'only `abort` and `takeOver` may change')];
    return wasAborted && !abort ? [invalid(path('spec.abort'), abort, 'an abort cannot be taken back')] : [];
  },
  subresources: { status: {} },
  table,
});

/** The resource as it is served. */
export const virtualMachineMigrationDefinition: ResourceDefinition = structuralDefinition({
  group,
  names: { plural: resource, kind: virtualMachineMigrations.kind, shortNames: ['vmm', 'vmms'] },
  scope: 'Namespaced',
  versions: [{ name: 'v1alpha1', served: true, storage: true, schema, subresources: { status: {} } }],
  rules,
});
