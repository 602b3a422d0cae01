/**
 * The built-in provisioner: a volume is a folder of one node, which that node's kubelet makes when it is first mounted and removes once the volume is
 * gone. What provisioners beside the cluster do in upstream (`local-path-provisioner`).
 */
import { nodeFolderDriver, storageClassOf, volumeAnnotations } from '#pkg/api/storage/volume-match.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
import type { StorageClass } from '#pkg/api/types/storage-v1.ts';
import { referenceTo } from './binding.ts';

const hostnameLabel = 'kubernetes.io/hostname';

/** Why the provisioner cannot make what the claim asks for; undefined where it can. */
export function unprovisionable({ spec }: PersistentVolumeClaim): string | undefined {
  if (spec?.volumeMode === 'Block') return `${nodeFolderDriver} does not support block volume provisioning`;
  if (spec?.selector !== undefined)
    return 'claim.Spec.Selector is not supported for dynamic provisioning on node folders';
  if (spec?.dataSource !== undefined || spec?.dataSourceRef !== undefined)
    return `${nodeFolderDriver} does not support data sources`;
  return undefined;
}

/** The name of the volume that is made for a claim. Source: `GetProvisionedVolumeNameForClaim`. */
export function provisionedName({ metadata }: PersistentVolumeClaim): string {
  return `pvc-${metadata?.uid ?? ''}`;
}

/** The volume for a claim on a node, its own from the start. */
export function provisionedVolume(
  claim: PersistentVolumeClaim,
  { storageClass, node }: { readonly storageClass: StorageClass; readonly node: Node },
): PersistentVolume {
  const name = provisionedName(claim);
  const hostname = node.metadata?.labels?.[hostnameLabel];
  const place =
    hostname === undefined
      ? { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node.metadata?.name ?? ''] }] }
      : { matchExpressions: [{ key: hostnameLabel, operator: 'In', values: [hostname] }] };
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, annotations: { [volumeAnnotations.provisionedBy]: nodeFolderDriver } },
    spec: {
      capacity: { storage: claim.spec?.resources?.requests?.storage ?? '0' },
      accessModes: claim.spec?.accessModes ?? [],
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      storageClassName: storageClassOf(claim),
      volumeMode: 'Filesystem',
      claimRef: referenceTo(claim),
      csi: { driver: nodeFolderDriver, volumeHandle: name },
      nodeAffinity: { required: { nodeSelectorTerms: [place] } },
    },
  };
}
