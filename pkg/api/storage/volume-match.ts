/**
 * Which volume a claim may have: what the binder and the scheduler agree on. Pure.
 * Source: component-helpers `storage/volume`; API reference `PersistentVolumeClaimSpec`.
 */
import { compiledLabelSelector } from '#pkg/apimachinery/label-selector.ts';
import { compareQuantity, parseQuantity, type Quantity, zeroQuantity } from '#pkg/apimachinery/quantity.ts';
import { matchesNodeSelector, type SelectableNode } from '../scheduling/node-selector.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../types/core-v1.ts';

/** How the class was named before there was a field for it. */
const oldClassAnnotation = 'volume.beta.kubernetes.io/storage-class';

/** Annotations by which binder, scheduler and provisioners tell each other how far they are. */
export const volumeAnnotations = {
  bindCompleted: 'pv.kubernetes.io/bind-completed',
  boundByController: 'pv.kubernetes.io/bound-by-controller',
  provisionedBy: 'pv.kubernetes.io/provisioned-by',
  provisioner: 'volume.kubernetes.io/storage-provisioner',
  oldProvisioner: 'volume.beta.kubernetes.io/storage-provisioner',
  selectedNode: 'volume.kubernetes.io/selected-node',
} as const;

/** The provisioner of classes whose volumes people make. */
export const noProvisioner = 'kubernetes.io/no-provisioner';

/** The built-in provisioner: its volumes are folders of one node, known to that node's kubelet by their handle. */
export const nodeFolderDriver = 'node-folder.coxswain.dev';

/** The storage class of a claim or a volume; `''` for none. */
export function storageClassOf({ metadata, spec }: PersistentVolume | PersistentVolumeClaim): string {
  return metadata?.annotations?.[oldClassAnnotation] ?? spec?.storageClassName ?? '';
}

/** Whether a volume was promised to the claim, by whoever made it or by a binder. */
export function isPromisedTo({ spec }: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const ref = spec?.claimRef;
  if (ref === undefined || ref === null) return false;
  const { name, namespace, uid } = claim.metadata ?? {};
  return (
    ref.name === name && ref.namespace === namespace && (ref.uid === undefined || ref.uid === '' || ref.uid === uid)
  );
}

/** How much a volume holds. */
function capacityOf({ spec }: PersistentVolume): Quantity {
  return parseQuantity(spec?.capacity?.storage ?? '0') ?? zeroQuantity;
}

/** Why a volume does not do for a claim, in upstream's words; undefined where it does. Whose it is is not looked at. */
export function misfit(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  const wanted = parseQuantity(claim.spec?.resources?.requests?.storage ?? '0') ?? zeroQuantity;
  if (compareQuantity(capacityOf(volume), wanted) < 0) return 'requested PV is too small';
  if (storageClassOf(volume) !== storageClassOf(claim)) return 'storageClassName does not match';
  if ((volume.spec?.volumeAttributesClassName ?? '') !== (claim.spec?.volumeAttributesClassName ?? ''))
    return 'volumeAttributesClassName does not match';
  if ((volume.spec?.volumeMode ?? 'Filesystem') !== (claim.spec?.volumeMode ?? 'Filesystem'))
    return 'incompatible volumeMode';
  const modes = volume.spec?.accessModes ?? [];
  if (!(claim.spec?.accessModes ?? []).every((mode) => modes.includes(mode))) return 'incompatible accessMode';
  return undefined;
}

/** Whether a node can reach a volume. */
export function isReachable({ spec }: PersistentVolume, node: SelectableNode): boolean {
  const required = spec?.nodeAffinity?.required;
  return required === undefined || matchesNodeSelector(required, node);
}

/** Among which volumes a claim's is looked for. */
export interface MatchOptions {
  /** It has to be reached from there. */
  readonly node?: SelectableNode;
  /** Names of volumes that are as good as taken. */
  readonly taken?: ReadonlySet<string>;
}

/**
 * The volume that was promised to the claim, else the smallest free one that does, of equal ones the first by name. Source: upstream
 * `FindMatchingVolume`.
 */
export function matchVolume(
  claim: PersistentVolumeClaim,
  volumes: Iterable<PersistentVolume>,
  { node, taken }: MatchOptions = {},
): PersistentVolume | undefined {
  const selector = compiledLabelSelector(claim.spec?.selector);
  let best: PersistentVolume | undefined;
  for (const volume of volumes) {
    const { metadata = {}, spec, status } = volume;
    if (metadata.deletionTimestamp !== undefined || taken?.has(metadata.name ?? '') === true) continue;
    if (misfit(volume, claim) !== undefined) continue;
    if (node !== undefined && !isReachable(volume, node)) continue;
    if (isPromisedTo(volume, claim)) return volume;
    if (spec?.claimRef !== undefined || (node === undefined && status?.phase !== 'Available')) continue;
    if (claim.spec?.selector !== undefined && !selector.matches(metadata.labels ?? {})) continue;
    if (best === undefined || isBetter(volume, best)) best = volume;
  }
  return best;
}

function isBetter(a: PersistentVolume, b: PersistentVolume): boolean {
  const order = compareQuantity(capacityOf(a), capacityOf(b));
  return order !== 0 ? order < 0 : (a.metadata?.name ?? '') < (b.metadata?.name ?? '');
}
