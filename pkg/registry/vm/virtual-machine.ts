/** VirtualMachines as they are served: made of data, since the table of API facts does not have the kind. Counterpart: KubeVirt `virtualmachines.kubevirt.io`. */
import { type VirtualMachine, virtualMachines } from '#pkg/api/virtual-machine.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { type FieldError, invalid, pathsOf } from '#pkg/apimachinery/field-error.ts';
import type { ResourceDefinition } from '#pkg/apiserver/definition.ts';
import { rulesOf, type TablePrinter } from '#pkg/apiserver/strategy.ts';
import { structuralDefinition } from '#pkg/apiserver/structural-definition.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';
import { ownStatus } from '../status.ts';
import { conditions, count, flag, intervalMs, objectSchema, quantity, takeoverMs, text } from './schemas.ts';

const path = pathsOf<VirtualMachine>();
const texts = { type: 'object', additionalProperties: text };

const spec = {
  type: 'object',
  required: ['image'],
  properties: {
    runStrategy: { type: 'string', enum: ['Always', 'Halted', 'Manual', 'RerunOnFailure'], default: 'Always' },
    image: { type: 'string', minLength: 1 },
    paused: flag,
    snapshotName: { type: 'string', minLength: 1, maxLength: 253 },
    args: { type: 'array', items: text },
    memory: { ...quantity, default: '64Mi' },
    cpu: quantity,
    limits: {
      type: 'object',
      properties: {
        ingressBandwidth: quantity,
        egressBandwidth: quantity,
        diskBytesPerSecond: quantity,
        diskRequestsPerSecond: quantity,
      },
    },
    ports: {
      type: 'array',
      items: {
        type: 'object',
        required: ['port'],
        properties: { name: text, port: { type: 'integer', format: 'int32', minimum: 1, maximum: 65_535 } },
      },
    },
    nodeSelector: texts,
    runtimeClassName: { type: 'string', default: 'vm' },
    terminationGracePeriodSeconds: { ...count, default: 30 },
    evictionStrategy: { type: 'string', enum: ['LiveMigrate', 'None'], default: 'LiveMigrate' },
    standby: {
      type: 'object',
      properties: {
        node: { type: 'string', minLength: 1, maxLength: 253 },
        intervalMilliseconds: intervalMs,
        takeoverMilliseconds: takeoverMs,
      },
    },
    labels: texts,
  },
};

const status = {
  type: 'object',
  properties: {
    observedGeneration: count,
    created: flag,
    ready: flag,
    printableStatus: text,
    podName: text,
    paused: flag,
    nodeName: text,
    address: text,
    evacuationNodeName: text,
    runs: count,
    failures: count,
    migration: {
      type: 'object',
      required: ['name', 'uid', 'sourcePod', 'targetPod'],
      properties: {
        name: text,
        uid: text,
        sourcePod: text,
        targetPod: text,
        mode: { type: 'string', enum: ['standby'] },
        owner: { type: 'string', enum: ['', 'handover', 'source', 'target'] },
      },
    },
    stateChangeRequests: {
      type: 'array',
      items: {
        type: 'object',
        required: ['action'],
        properties: { action: { type: 'string', enum: ['Start', 'Stop'] } },
      },
    },
    conditions,
  },
};

const schema = objectSchema(spec, status);

const table: TablePrinter<Given<VirtualMachine>> = {
  columns: [
    nameColumn,
    column('Status'),
    column('Ready'),
    column('Node'),
    column('Address'),
    column('Runs'),
    ageColumn,
  ],
  cells: (object, nowMs) => {
    const { printableStatus = '', ready = false, nodeName = '', address = '', runs = 0 } = object.status ?? {};
    const isReady = ready ? 'True' : 'False';
    return [nameOf(object), printableStatus, isReady, nodeName, address, String(runs), age(object, nowMs)];
  },
};

/** Who has the machine by a migration is said once, if with a handover before: so two ends that claim it at the same time cannot both be told that they have it. */
function keepsOwner(draft: Given<VirtualMachine>, old: Given<VirtualMachine>): readonly FieldError[] {
  const { uid, owner: before = '' } = old.status?.migration ?? {};
  const now = draft.status?.migration;
  if (before === '' || now?.uid !== uid || now?.owner === before) return [];
  if (before === 'handover') {
    if (now?.owner === 'source' || now?.owner === 'target') return [];
    return [invalid(path('status.migration.owner'), now?.owner ?? '', 'a handover ends with the source or the target')];
  }
  return [invalid(path('status.migration.owner'), now?.owner ?? '', `the machine is the ${before}'s already`)];
}

const { group, resource, ...rules } = rulesOf(virtualMachines, {
  ...ownStatus(),
  subresources: { status: { validateUpdate: keepsOwner } },
  table,
});

/** The resource as it is served. */
export const virtualMachineDefinition: ResourceDefinition = structuralDefinition({
  group,
  names: { plural: resource, kind: virtualMachines.kind, shortNames: ['vm', 'vms'] },
  scope: 'Namespaced',
  versions: [{ name: 'v1alpha1', served: true, storage: true, schema, subresources: { status: {} } }],
  rules,
});
