/**
 * Whether there is room for a volume that is to be made: drivers that say so publish how much there is for a class in which part of the cluster.
 * Source: kube-scheduler `volumebinding` `hasEnoughCapacity`; KEP-1472.
 */
import type { PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
import type { CSIDriver, CSIStorageCapacity, StorageClass } from '#pkg/api/types/storage-v1.ts';
import { compiledLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import { compareQuantity, parseQuantity } from '#pkg/apimachinery/quantity.ts';
import type { NodeInfo } from '../../model/node-info.ts';

/** Where it is found what drivers say. */
export interface CapacitySource {
  driver(name: string): CSIDriver | undefined;
  capacities(): readonly CSIStorageCapacity[];
}

/** Per node, for one claim of a class; undefined where nothing has to be looked at: the driver does not say how much it has. */
export function roomFor(
  claim: PersistentVolumeClaim,
  { provisioner, metadata }: StorageClass,
  source: CapacitySource,
): ((node: NodeInfo) => boolean) | undefined {
  const wanted = parseQuantity(claim.spec?.resources?.requests?.storage ?? '');
  if (wanted === undefined || source.driver(provisioner)?.spec.storageCapacity !== true) return undefined;
  const enough = source.capacities().filter(({ storageClassName, capacity, maximumVolumeSize }) => {
    const most = parseQuantity(maximumVolumeSize ?? capacity ?? '');
    return storageClassName === metadata?.name && most !== undefined && compareQuantity(most, wanted) >= 0;
  });
  // One without a topology is for no node.
  const selectors = enough.flatMap(({ nodeTopology }) => (nodeTopology ? [compiledLabelSelector(nodeTopology)] : []));
  return ({ labels }) => selectors.some((selector) => selector.matches(labels));
}
