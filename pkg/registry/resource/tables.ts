/** How the kinds of `resource.k8s.io` are printed. Source: upstream `printResourceClaim`, `printResourceSlice`. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { listAt, objectAt, stringAt } from '../draft.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';

function claimState(claim: KubeObject): string {
  const isDeleted = claim.metadata?.deletionTimestamp !== undefined;
  const states = isDeleted ? ['deleted'] : [];
  if (objectAt(claim, 'status', 'allocation') === undefined) {
    if (!isDeleted) states.push('pending');
  } else {
    states.push('allocated');
    if (listAt(claim, 'status', 'reservedFor').length > 0) states.push('reserved');
  }
  return states.join(',');
}

/** Source: upstream `printResourceClaim`. */
export const resourceClaimTable: TablePrinter = {
  columns: [nameColumn, column('State'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), claimState(object), age(object, nowMs)],
};

/** Source: upstream `printResourceSlice`. */
export const resourceSliceTable: TablePrinter = {
  columns: [nameColumn, column('Node'), column('Driver'), column('Pool'), ageColumn],
  cells: (object, nowMs) => [
    nameOf(object),
    stringAt(object, 'spec', 'nodeName'),
    stringAt(object, 'spec', 'driver'),
    stringAt(object, 'spec', 'pool', 'name'),
    age(object, nowMs),
  ],
};
