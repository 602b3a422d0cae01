/** Rules for persistent volumes. Source: upstream `ValidatePersistentVolumeSpec`, `ValidatePersistentVolumeUpdate`. */
import type { PersistentVolume } from '#pkg/api/types/core-v1.ts';
import {
  at,
  child,
  type FieldError,
  forbiddenField,
  invalid,
  notSupported,
  pathsOf,
  required,
  untyped,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { objectAt, semanticallySame, stringAt, valueAt } from '../../draft.ts';
import { quantityAt } from '../../quantities.ts';
import { Collector } from '../../validation/collector.ts';
import { checkNoBacksteps } from '../../validation/paths.ts';
import { checkNodeSelector } from './node-affinity.ts';
import { checkAccessModes, volumeModes } from './persistent-volume-claim.ts';
import { checkOneSource, type SourceRule, sharedSources } from './volume-source.ts';

const field = pathsOf<PersistentVolume>();

const checkLocal: SourceRule = (into, source, path) => {
  if (into.needsText(child(path, 'path'), source.path)) checkNoBacksteps(into, source.path, child(path, 'path'));
};

const persistentSources: ReadonlyMap<string, SourceRule> = new Map([...sharedSources, ['local', checkLocal]]);

/** Checks the spec of a volume, on create and on update. */
export function validatePersistentVolume(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec') ?? {};
  checkAccessModes(into, spec, { path: field('spec'), detail: '' });
  checkCapacity(into, objectAt(spec, 'capacity') ?? {});
  into.oneOf(field('spec.persistentVolumeReclaimPolicy'), spec.persistentVolumeReclaimPolicy, [
    'Delete',
    'Recycle',
    'Retain',
  ]);
  checkAffinity(into, spec);
  const owner = { name: stringAt(draft, 'metadata', 'name'), isPersistent: true };
  checkOneSource(into, spec, { path: field('spec'), rules: persistentSources, owner });
  const isRoot = /^\/+(\.?\/*)*$/.test(stringAt(spec, 'hostPath', 'path'));
  if (isRoot && spec.persistentVolumeReclaimPolicy === 'Recycle') {
    const detail = "may not be 'recycle' for a hostPath mount of '/'";
    into.add(forbiddenField(field('spec.persistentVolumeReclaimPolicy'), detail));
  }
  into.mayName(field('spec.storageClassName'), spec.storageClassName, dns1123SubdomainProblems);
  into.oneOf(field('spec.volumeMode'), spec.volumeMode, volumeModes);
  const attributes = spec.volumeAttributesClassName;
  if (attributes === '') into.add(required(field('spec.volumeAttributesClassName'), 'an empty string is disallowed'));
  else into.mayName(field('spec.volumeAttributesClassName'), attributes, dns1123SubdomainProblems);
  if (attributes !== undefined && objectAt(spec, 'csi') === undefined) {
    into.add(required(field('spec.csi'), 'has to be specified when using volumeAttributesClassName'));
  }
  return into.errors;
}

function checkCapacity(into: Collector, capacity: JsonObject): void {
  const names = Object.keys(capacity);
  if (names.length === 0) into.add(required(field('spec.capacity')));
  if (names.length !== 1 || names[0] !== 'storage')
    into.add(notSupported(field('spec.capacity'), capacity, ['storage']));
  for (const [name, amount] of Object.entries(capacity)) {
    const path = at(field('spec.capacity'), name);
    const { nano, value } = quantityAt(amount);
    if (nano < 0n) into.add(invalid(path, value, 'must be a valid resource quantity'));
    if (nano <= 0n) into.add(invalid(path, String(amount), 'must be greater than zero'));
  }
}

function checkAffinity(into: Collector, spec: JsonObject): void {
  const affinity = objectAt(spec, 'nodeAffinity');
  if (affinity === undefined) {
    if (objectAt(spec, 'local') !== undefined) {
      into.add(required(field('spec.nodeAffinity'), 'Local volume requires node affinity'));
    }
    return;
  }
  const needed = objectAt(affinity, 'required');
  if (needed === undefined)
    into.add(required(field('spec.nodeAffinity.required'), 'must specify required node constraints'));
  else checkNodeSelector(into, needed, field('spec.nodeAffinity.required'));
}

/** What a volume is made of stays; a secret for expanding it may still be named. */
function sourcesOf(
  object: JsonObject | KubeObject,
  { keepsExpandSecret }: { readonly keepsExpandSecret: boolean },
): JsonObject {
  const spec = objectAt(object, 'spec') ?? {};
  const sources: JsonObject = {};
  for (const name of persistentSources.keys()) if (spec[name] !== undefined) sources[name] = spec[name];
  const csi = objectAt(sources, 'csi');
  if (csi !== undefined && !keepsExpandSecret) {
    const { controllerExpandSecretRef: _, ...rest } = csi;
    sources.csi = rest;
  }
  return sources;
}

/** What is wrong with a change of a `PersistentVolume`. Source: upstream `ValidatePersistentVolumeUpdate`. */
export function validatePersistentVolumeUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  const keepsExpandSecret = valueAt(old, 'spec', 'csi', 'controllerExpandSecretRef') !== undefined;
  if (!semanticallySame(sourcesOf(draft, { keepsExpandSecret }), sourcesOf(old, { keepsExpandSecret }))) {
    const detail = 'spec.persistentvolumesource is immutable after creation';
    into.add(forbiddenField(untyped('spec.persistentvolumesource'), detail));
  }
  into.unchanged(untyped('volumeMode'), valueAt(draft, 'spec', 'volumeMode'), valueAt(old, 'spec', 'volumeMode'));
  const [now, was] = [draft, old].map((object) => valueAt(object, 'spec', 'nodeAffinity'));
  if (was !== undefined && !semanticallySame(now, was)) {
    into.add(invalid(untyped('nodeAffinity'), now, 'field is immutable, except for updating from beta label to GA'));
  }
  const [wanted, had] = [draft, old].map((object) => valueAt(object, 'spec', 'volumeAttributesClassName'));
  if (had !== undefined && wanted === undefined) {
    into.add(forbiddenField(field('spec.volumeAttributesClassName'), 'update from non-nil value to nil is forbidden'));
  }
  return into.errors;
}
