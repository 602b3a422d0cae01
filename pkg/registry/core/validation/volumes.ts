/** Rules for the volumes of a pod. Source: upstream `ValidateVolumes`, `validateVolumeSource`. */
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
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { objectAt, objectsAt, stringAt, stringMapAt, valueAt } from '../../draft.ts';
import { compareQuantities } from '../../quantities.ts';
import { Collector } from '../../validation/collector.ts';
import { checkRelativePath } from '../../validation/paths.ts';
import { labelsErrors } from '../../validation/selector.ts';
import { checkDownwardVolume, checkProjectedVolume, keysVolume } from './files.ts';
import { checkClaimSpec } from './persistent-volume-claim.ts';
import { all, checkOneSource, needs, type SourceRule, sharedSources } from './volume-source.ts';

/** The volumes of a pod that are as they should be, by name; mounts look them up. */
export type Volumes = ReadonlyMap<string, JsonObject>;

/** What rules about volumes need to know of the pod. */
export interface VolumeRules {
  readonly path: FieldPath;
  /** Name of the pod, undefined in a template. */
  readonly podName: string | undefined;
}

const checkEmptyDir: SourceRule = (into, source, path) => {
  if (source.sizeLimit === undefined || compareQuantities(source.sizeLimit, 0) >= 0) return;
  into.add(forbiddenField(child(path, 'sizeLimit'), 'SizeLimit field must be a valid resource quantity'));
};

/** Fields of a claim template's metadata that are set for the claim; all others would be lost. */
const templateMetadata: ReadonlySet<string> = new Set(['annotations', 'labels', 'creationTimestamp']);

const checkEphemeral: SourceRule = (into, source, path) => {
  const template = objectAt(source, 'volumeClaimTemplate');
  const own = child(path, 'volumeClaimTemplate');
  if (template === undefined) {
    into.add(required(own));
    return;
  }
  const metadata = objectAt(template, 'metadata') ?? {};
  into.add(...labelsErrors(stringMapAt(metadata, 'labels'), child(own, 'metadata.labels')));
  for (const field of Object.keys(metadata)) {
    if (!templateMetadata.has(field)) into.unset(child(own, `metadata.${field}`), metadata[field], 'cannot be set');
  }
  checkClaimSpec(into, objectAt(template, 'spec') ?? {}, child(own, 'spec'));
};

/** The sources of pods, in the order in which upstream looks for them. */
const podSources: ReadonlyMap<string, SourceRule> = new Map<string, SourceRule>([
  ['emptyDir', checkEmptyDir],
  ...sharedRules('hostPath'),
  [
    'gitRepo',
    all(needs('repository'), (into, source, path) =>
      checkRelativePath(into, stringAt(source, 'directory'), child(path, 'directory')),
    ),
  ],
  ...sharedRules('gcePersistentDisk', 'awsElasticBlockStore'),
  ['secret', keysVolume('secretName')],
  ...sharedRules('nfs', 'iscsi', 'glusterfs', 'flocker'),
  ['persistentVolumeClaim', needs('claimName')],
  ...sharedRules('rbd', 'cinder', 'cephfs', 'quobyte'),
  ['downwardAPI', checkDownwardVolume],
  ...sharedRules('fc', 'flexVolume'),
  ['configMap', keysVolume('name')],
  ...sharedRules('azureFile', 'vsphereVolume', 'photonPersistentDisk', 'portworxVolume', 'azureDisk', 'storageos'),
  ['projected', checkProjectedVolume],
  ...sharedRules('scaleIO', 'csi'),
  ['ephemeral', checkEphemeral],
  [
    'image',
    (into, source, path): void =>
      into.needsOneOf(child(path, 'pullPolicy'), source.pullPolicy, ['Always', 'IfNotPresent', 'Never']),
  ],
]);

function sharedRules(...names: readonly string[]): [string, SourceRule][] {
  return names.map((name) => [name, sharedSources.get(name)!]);
}

/** Checks the volumes of a pod spec; returns those without a fault. */
export function checkVolumes(into: Collector, volumes: readonly JsonObject[], rules: VolumeRules): Volumes {
  const good = new Map<string, JsonObject>();
  const made = claimsOf(volumes, rules.podName);
  for (const [index, volume] of volumes.entries()) {
    const own = at(rules.path, index);
    const found = new Collector();
    const name = stringAt(volume, 'name');
    const owner = { name, isPersistent: false };
    checkOneSource(found, volume, { path: own, rules: podSources, owner });
    checkImageReference(found, volume, { path: own, podName: rules.podName });
    checkClaimName(found, volume, { path: own, podName: rules.podName });
    found.needsName(child(own, 'name'), name, dns1123LabelProblems);
    if (good.has(name)) found.add(duplicate(child(own, 'name'), name));
    if (found.errors.length === 0) good.set(name, volume);
    else into.add(...found.errors);
    const claim = stringAt(volume, 'persistentVolumeClaim', 'claimName');
    if (claim === '' || !made.has(claim)) continue;
    const detail = 'must not reference a PVC that gets created for an ephemeral volume';
    into.add(invalid(child(own, 'persistentVolumeClaim.claimName'), claim, detail));
  }
  return good;
}

/** Names of the claims that are made for the pod. */
function claimsOf(volumes: readonly JsonObject[], podName: string | undefined): ReadonlySet<string> {
  if (!podName) return new Set();
  const ephemeral = volumes.filter((volume) => objectAt(volume, 'ephemeral') !== undefined);
  return new Set(ephemeral.map((volume) => `${podName}-${stringAt(volume, 'name')}`));
}

interface OneVolume {
  readonly path: FieldPath;
  readonly podName: string | undefined;
}

/** The name of the claim that is made for an ephemeral volume comes from the pod's and the volume's. */
function checkClaimName(into: Collector, volume: JsonObject, { path, podName }: OneVolume): void {
  const name = stringAt(volume, 'name');
  if (!podName || name === '' || objectAt(volume, 'ephemeral') === undefined) return;
  const claim = `${podName}-${name}`;
  for (const problem of dns1123SubdomainProblems(claim)) {
    into.add(invalid(child(path, 'name'), name, `PVC name ${JSON.stringify(claim)}: ${problem}`));
  }
}

/** A template may leave the image of a volume open, as it may leave those of containers. */
function checkImageReference(into: Collector, volume: JsonObject, { path, podName }: OneVolume): void {
  if (podName === undefined || objectAt(volume, 'image') === undefined) return;
  into.needsText(child(child(path, 'image'), 'reference'), valueAt(volume, 'image', 'reference'));
}

/** The volumes that a stateful set makes from its claim templates, in place of those of its pod template. */
export function withClaimVolumes(spec: JsonObject, claims: readonly JsonObject[]): JsonObject {
  const names = claims.map((claim) => stringAt(claim, 'metadata', 'name'));
  const own = objectsAt(spec, 'volumes').filter((volume) => !names.includes(stringAt(volume, 'name')));
  const made = names.map((name) => ({ name, persistentVolumeClaim: { claimName: name } }));
  return { ...spec, volumes: [...own, ...made] };
}
