/** Rules for the volumes of a pod. Source: upstream `ValidateVolumes`, `validateVolumeSource`. */
import type {
  ConfigMapVolumeSource,
  EmptyDirVolumeSource,
  EphemeralVolumeSource,
  GitRepoVolumeSource,
  ImageVolumeSource,
  PersistentVolumeClaim,
  PodSpec,
  SecretVolumeSource,
  Volume,
} from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldPath,
  forbiddenField,
  invalid,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import { compareQuantities } from '../../quantities.ts';
import { Collector } from '../../validation/collector.ts';
import { checkRelativePath } from '../../validation/paths.ts';
import { labelsErrors } from '../../validation/selector.ts';
import { checkDownwardVolume, checkKeys, checkProjectedVolume } from './files.ts';
import { checkClaimSpec } from './persistent-volume-claim.ts';
import {
  checkOneSource,
  checkPodCsi,
  needs,
  type SourceRule,
  type SourceRules,
  sharedSources,
} from './volume-source.ts';

/** The volumes of a pod that are as they should be, by name; mounts look them up. */
export type Volumes = ReadonlyMap<string, Given<Volume>>;

/** What rules about volumes need to know of the pod. */
export interface VolumeRules {
  readonly path: FieldPath<readonly Volume[]>;
  /** Name of the pod, undefined in a template. */
  readonly podName: string | undefined;
}

const checkEmptyDir: SourceRule<EmptyDirVolumeSource> = (into, source, path) => {
  if (source.sizeLimit === undefined || compareQuantities(source.sizeLimit, 0) >= 0) return;
  into.add(forbiddenField(child(path, 'sizeLimit'), 'SizeLimit field must be a valid resource quantity'));
};

/** Fields of a claim template's metadata that are set for the claim; all others would be lost. */
const templateMetadata: ReadonlySet<string> = new Set(['annotations', 'labels', 'creationTimestamp']);

const checkEphemeral: SourceRule<EphemeralVolumeSource> = (into, source, path) => {
  const template = source.volumeClaimTemplate;
  const own = child(path, 'volumeClaimTemplate');
  if (!template) {
    into.add(required(own));
    return;
  }
  const metadata = template.metadata ?? {};
  into.add(...labelsErrors(metadata.labels ?? {}, child(own, 'metadata.labels')));
  const within: FieldPath = child(own, 'metadata');
  for (const [field, value] of Object.entries(metadata)) {
    if (!templateMetadata.has(field)) into.unset(child(within, field), value, 'cannot be set');
  }
  checkClaimSpec(into, template.spec ?? {}, child(own, 'spec'));
};

const checkGitRepo: SourceRule<GitRepoVolumeSource> = (into, source, path) => {
  into.needsText(child(path, 'repository'), source.repository);
  checkRelativePath(into, source.directory ?? '', child(path, 'directory'));
};

const checkSecret: SourceRule<SecretVolumeSource> = (into, source, path) => {
  into.needsText(child(path, 'secretName'), source.secretName);
  checkKeys(into, source, path);
};

const checkConfigMap: SourceRule<ConfigMapVolumeSource> = (into, source, path) => {
  into.needsText(child(path, 'name'), source.name);
  checkKeys(into, source, path);
};

const checkImage: SourceRule<ImageVolumeSource> = (into, source, path) =>
  into.needsOneOf(child(path, 'pullPolicy'), source.pullPolicy, ['Always', 'IfNotPresent', 'Never']);

/** The sources of pods, in the order in which upstream looks for them. */
const podSources: SourceRules<Volume> = {
  emptyDir: checkEmptyDir,
  hostPath: sharedSources.hostPath,
  gitRepo: checkGitRepo,
  gcePersistentDisk: sharedSources.gcePersistentDisk,
  awsElasticBlockStore: sharedSources.awsElasticBlockStore,
  secret: checkSecret,
  nfs: sharedSources.nfs,
  iscsi: sharedSources.iscsi,
  glusterfs: sharedSources.glusterfs,
  flocker: sharedSources.flocker,
  persistentVolumeClaim: needs('claimName'),
  rbd: sharedSources.rbd,
  cinder: sharedSources.cinder,
  cephfs: sharedSources.cephfs,
  quobyte: sharedSources.quobyte,
  downwardAPI: checkDownwardVolume,
  fc: sharedSources.fc,
  flexVolume: sharedSources.flexVolume,
  configMap: checkConfigMap,
  azureFile: sharedSources.azureFile,
  vsphereVolume: sharedSources.vsphereVolume,
  photonPersistentDisk: sharedSources.photonPersistentDisk,
  portworxVolume: sharedSources.portworxVolume,
  azureDisk: sharedSources.azureDisk,
  storageos: sharedSources.storageos,
  projected: checkProjectedVolume,
  scaleIO: sharedSources.scaleIO,
  csi: checkPodCsi,
  ephemeral: checkEphemeral,
  image: checkImage,
};

/** Checks the volumes of a pod spec; returns those without a fault. */
export function checkVolumes(into: Collector, volumes: readonly Given<Volume>[], rules: VolumeRules): Volumes {
  const good = new Map<string, Given<Volume>>();
  const made = claimsOf(volumes, rules.podName);
  for (const [index, volume] of volumes.entries()) {
    const own = at(rules.path, index);
    const found = new Collector();
    const name = volume.name ?? '';
    const owner = { name, isPersistent: false };
    checkOneSource(found, volume, { path: own, rules: podSources, owner });
    checkImageReference(found, volume, { path: own, podName: rules.podName });
    checkClaimName(found, volume, { path: own, podName: rules.podName });
    found.needsName(child(own, 'name'), name, dns1123LabelProblems);
    if (good.has(name)) found.add(duplicate(child(own, 'name'), name));
    if (found.errors.length === 0) good.set(name, volume);
    else into.add(...found.errors);
    const claim = volume.persistentVolumeClaim?.claimName ?? '';
    if (claim === '' || !made.has(claim)) continue;
    const detail = 'must not reference a PVC that gets created for an ephemeral volume';
    into.add(invalid(child(own, 'persistentVolumeClaim.claimName'), claim, detail));
  }
  return good;
}

/** Names of the claims that are made for the pod. */
function claimsOf(volumes: readonly Given<Volume>[], podName: string | undefined): ReadonlySet<string> {
  if (!podName) return new Set();
  const ephemeral = volumes.filter((volume) => volume.ephemeral);
  return new Set(ephemeral.map((volume) => `${podName}-${volume.name ?? ''}`));
}

interface OneVolume {
  readonly path: FieldPath<Volume>;
  readonly podName: string | undefined;
}

/** The name of the claim that is made for an ephemeral volume comes from the pod's and the volume's. */
function checkClaimName(into: Collector, volume: Given<Volume>, { path, podName }: OneVolume): void {
  const name = volume.name ?? '';
  if (!podName || name === '' || !volume.ephemeral) return;
  const claim = `${podName}-${name}`;
  for (const problem of dns1123SubdomainProblems(claim)) {
    into.add(invalid(child(path, 'name'), name, `PVC name ${JSON.stringify(claim)}: ${problem}`));
  }
}

/** A template may leave the image of a volume open, as it may leave those of containers. */
function checkImageReference(into: Collector, volume: Given<Volume>, { path, podName }: OneVolume): void {
  if (podName === undefined || !volume.image) return;
  into.needsText(child(child(path, 'image'), 'reference'), volume.image.reference);
}

/** The volumes that a stateful set makes from its claim templates, in place of those of its pod template. */
export function withClaimVolumes(
  spec: Given<PodSpec>,
  claims: readonly Given<PersistentVolumeClaim>[],
): Given<PodSpec> {
  const names = claims.map((claim) => claim.metadata?.name ?? '');
  const own = (spec.volumes ?? []).filter((volume) => !names.includes(volume.name ?? ''));
  const made = names.map((name) => ({ name, persistentVolumeClaim: { claimName: name } }));
  return { ...spec, volumes: [...own, ...made] };
}
