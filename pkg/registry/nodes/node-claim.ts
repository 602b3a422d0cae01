/** NodeClaims as they are served: made of data, since the table of API facts does not have the kind. Counterpart: Karpenter `nodeclaims.karpenter.sh`. */
import { type NodeClaim, nodeClaims, poolLabel, startedCondition } from '#pkg/api/node-claim.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { invalid, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import type { ResourceDefinition } from '#pkg/apiserver/definition.ts';
import { rulesOf, type TablePrinter } from '#pkg/apiserver/strategy.ts';
import { structuralDefinition } from '#pkg/apiserver/structural-definition.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';
import { ownStatus } from '../status.ts';
import { conditions, objectSchema } from '../vm/schemas.ts';
import { template, templateProblems } from './schemas.ts';

const path = pathsOf<NodeClaim>();

const table: TablePrinter<Given<NodeClaim>> = {
  columns: [nameColumn, column('Pool'), column('Started'), column('Reason'), ageColumn],
  cells: (object, nowMs) => {
    const { status = '', reason = '' } = object.status?.conditions?.find(({ type }) => type === startedCondition) ?? {};
    return [nameOf(object), object.metadata?.labels?.[poolLabel] ?? '', status, reason, age(object, nowMs)];
  },
};

const { group, resource, ...rules } = rulesOf(nodeClaims, {
  ...ownStatus(),
  validate: ({ spec }) => templateProblems(spec, path('spec')),
  validateUpdate: ({ spec }, old) =>
    deepEqual(spec, old.spec) ? [] : [invalid(path('spec'), spec, 'field is immutable')],
  subresources: { status: {} },
  table,
});

/** The resource as it is served. */
export const nodeClaimDefinition: ResourceDefinition = structuralDefinition({
  group,
  names: { plural: resource, kind: nodeClaims.kind },
  scope: 'Cluster',
  versions: [
    {
      name: 'v1alpha1',
      served: true,
      storage: true,
      schema: objectSchema(template, { type: 'object', properties: { conditions } }),
      subresources: { status: {} },
    },
  ],
  rules,
});
