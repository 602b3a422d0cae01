/** How the kinds of `resource.k8s.io` are printed. Source: upstream `printResourceClaim`, `printResourceSlice`. */
import type { ResourceClaim, ResourceSlice } from '#pkg/api/types/resource-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';

function claimState(claim: Given<ResourceClaim>): string {
  const isDeleted = claim.metadata?.deletionTimestamp !== undefined;
  const states = isDeleted ? ['deleted'] : [];
  if (claim.status?.allocation === undefined) {
    if (!isDeleted) states.push('pending');
  } else {
    states.push('allocated');
    if ((claim.status?.reservedFor ?? []).length > 0) states.push('reserved');
  }
  return states.join(',');
}

/** Source: upstream `printResourceClaim`. */
export const resourceClaimTable: TablePrinter<Given<ResourceClaim>> = {
  columns: [nameColumn, column('State'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), claimState(object), age(object, nowMs)],
};

/** Source: upstream `printResourceSlice`. */
export const resourceSliceTable: TablePrinter<Given<ResourceSlice>> = {
  columns: [nameColumn, column('Node'), column('Driver'), column('Pool'), ageColumn],
  cells: (object, nowMs) => [
    nameOf(object),
    object.spec?.nodeName ?? '',
    object.spec?.driver ?? '',
    object.spec?.pool?.name ?? '',
    age(object, nowMs),
  ],
};
