/** NodePools as they are served: made of data, since the table of API facts does not have the kind. Counterpart: the node groups of Kubernetes' cluster autoscaler. */
import { type NodePool, nodePools } from '#pkg/api/node-pool.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { at, invalid, pathsOf, required } from '#pkg/apimachinery/field-error.ts';
import type { ResourceDefinition } from '#pkg/apiserver/definition.ts';
import { rulesOf, type TablePrinter } from '#pkg/apiserver/strategy.ts';
import { structuralDefinition } from '#pkg/apiserver/structural-definition.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';
import { ownStatus } from '../status.ts';
import { conditions, count, flag, objectSchema } from '../vm/schemas.ts';
import { template, templateProblems } from './schemas.ts';

const path = pathsOf<NodePool>();
/** As many nodes as a cluster has at most. */
const number = { type: 'integer', format: 'int32', minimum: 0, maximum: 5_000 };
const seconds = { type: 'integer', format: 'int32', minimum: 0, maximum: 86_400 };
const time = { type: 'string', format: 'date-time' };

const spec = {
  type: 'object',
  required: ['maxNodes', 'template'],
  properties: {
    minNodes: { ...number, default: 0 },
    maxNodes: number,
    template: { ...template, required: ['capacity'] },
    provisionSeconds: { ...seconds, minimum: 1, default: 900 },
    scaleDown: {
      type: 'object',
      default: {},
      properties: {
        disabled: flag,
        utilizationThresholdPercent: { type: 'integer', format: 'int32', minimum: 0, maximum: 100, default: 50 },
        unneededSeconds: { ...seconds, default: 600 },
        delayAfterAddSeconds: { ...seconds, default: 600 },
        drainSeconds: { ...seconds, minimum: 1, default: 600 },
      },
    },
  },
};

const status = {
  type: 'object',
  properties: {
    observedGeneration: count,
    nodes: count,
    readyNodes: count,
    lastScaleUpTime: time,
    lastScaleDownTime: time,
    failures: count,
    backoffUntil: time,
    conditions,
  },
};

const table: TablePrinter<Given<NodePool>> = {
  columns: [nameColumn, column('Min'), column('Max'), column('Nodes'), column('Ready'), ageColumn],
  cells: (object, nowMs) => {
    const { minNodes = 0, maxNodes = 0 } = object.spec ?? {};
    const { nodes = 0, readyNodes = 0 } = object.status ?? {};
    const numbers = [minNodes, maxNodes, nodes, readyNodes].map(String);
    return [nameOf(object), ...numbers, age(object, nowMs)];
  },
};

const { group, resource, ...rules } = rulesOf(nodePools, {
  ...ownStatus(),
  validate: ({ spec: given }) => {
    const { minNodes = 0, maxNodes = 0 } = given ?? {};
    const { capacity = {} } = given?.template ?? {};
    // What pods would find there has to be known before there is a node.
    const missing = ['cpu', 'memory'].filter((name) => !Object.hasOwn(capacity, name));
    return [
      ...templateProblems(given?.template, path('spec.template')),
      ...missing.map((name) => required(at(path('spec.template.capacity'), name))),
      ...(minNodes <= maxNodes ? [] : [invalid(path('spec.minNodes'), minNodes, 'must not be more than `maxNodes`')]),
    ];
  },
  subresources: { status: {} },
  table,
});

/** The resource as it is served. */
export const nodePoolDefinition: ResourceDefinition = structuralDefinition({
  group,
  names: { plural: resource, kind: nodePools.kind },
  scope: 'Cluster',
  versions: [
    {
      name: 'v1alpha1',
      served: true,
      storage: true,
      schema: objectSchema(spec, status),
      subresources: { status: {} },
    },
  ],
  rules,
});
