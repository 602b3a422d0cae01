/** Rules for persistent volumes. Source: upstream `ValidatePersistentVolumeSpec`, `ValidatePersistentVolumeUpdate`. */

import type { LocalVolumeSource, PersistentVolume, PersistentVolumeSpec } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
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
import { semanticallySame, without } from '../../draft.ts';
import { quantityAt } from '../../quantities.ts';
import { Collector } from '../../validation/collector.ts';
import { checkNoBacksteps } from '../../validation/paths.ts';
import { checkNodeSelector } from './node-affinity.ts';
import { checkAccessModes, volumeModes } from './persistent-volume-claim.ts';
import { checkOneSource, type SourceRule, type SourceRules, sharedSources } from './volume-source.ts';

const field = pathsOf<PersistentVolume>();

const checkLocal: SourceRule<LocalVolumeSource> = (into, source, path) => {
  if (into.needsText(child(path, 'path'), source.path)) checkNoBacksteps(into, source.path, child(path, 'path'));
};

const persistentSources: SourceRules<PersistentVolumeSpec> = { ...sharedSources, local: checkLocal };

/** Checks the spec of a volume, on create and on update. */
export function validatePersistentVolume(draft: Given<PersistentVolume>): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  checkAccessModes(into, spec, { path: field('spec'), detail: '' });
  checkCapacity(into, spec.capacity ?? {});
  into.oneOf(field('spec.persistentVolumeReclaimPolicy'), spec.persistentVolumeReclaimPolicy, [
    'Delete',
    'Recycle',
    'Retain',
  ]);
  checkAffinity(into, spec);
  const owner = { name: draft.metadata?.name ?? '', isPersistent: true };
  checkOneSource(into, spec, { path: field('spec'), rules: persistentSources, owner });
  const isRoot = /^\/+(\.?\/*)*$/.test(spec.hostPath?.path ?? '');
  if (isRoot && spec.persistentVolumeReclaimPolicy === 'Recycle') {
    const detail = "may not be 'recycle' for a hostPath mount of '/'";
    into.add(forbiddenField(field('spec.persistentVolumeReclaimPolicy'), detail));
  }
  into.mayName(field('spec.storageClassName'), spec.storageClassName, dns1123SubdomainProblems);
  into.oneOf(field('spec.volumeMode'), spec.volumeMode, volumeModes);
  const attributes = spec.volumeAttributesClassName;
  if (attributes === '') into.add(required(field('spec.volumeAttributesClassName'), 'an empty string is disallowed'));
  else into.mayName(field('spec.volumeAttributesClassName'), attributes, dns1123SubdomainProblems);
  if (attributes !== undefined && !spec.csi) {
    into.add(required(field('spec.csi'), 'has to be specified when using volumeAttributesClassName'));
  }
  return into.errors;
}

function checkCapacity(into: Collector, capacity: Readonly<Record<string, string>>): void {
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

function checkAffinity(into: Collector, spec: Given<PersistentVolumeSpec>): void {
  const affinity = spec.nodeAffinity;
  if (!affinity) {
    if (spec.local) {
      into.add(required(field('spec.nodeAffinity'), 'Local volume requires node affinity'));
    }
    return;
  }
  const needed = affinity.required;
  if (!needed) into.add(required(field('spec.nodeAffinity.required'), 'must specify required node constraints'));
  else checkNodeSelector(into, needed, field('spec.nodeAffinity.required'));
}

/** What a volume is made of stays; a secret for expanding it may still be named. */
function sourcesOf(
  { spec = {} }: Given<PersistentVolume>,
  { keepsExpandSecret }: { readonly keepsExpandSecret: boolean },
): object {
  const sources = Object.entries(spec).filter(([name]) => Object.hasOwn(persistentSources, name));
  if (!spec.csi || keepsExpandSecret) return Object.fromEntries(sources);
  return { ...Object.fromEntries(sources), csi: without(spec.csi, ['controllerExpandSecretRef']) };
}

/** What is wrong with a change of a `PersistentVolume`. Source: upstream `ValidatePersistentVolumeUpdate`. */
export function validatePersistentVolumeUpdate(
  draft: Given<PersistentVolume>,
  old: Given<PersistentVolume>,
): readonly FieldError[] {
  const into = new Collector();
  const keepsExpandSecret = Boolean(old.spec?.csi?.controllerExpandSecretRef);
  if (!semanticallySame(sourcesOf(draft, { keepsExpandSecret }), sourcesOf(old, { keepsExpandSecret }))) {
    const detail = 'spec.persistentvolumesource is immutable after creation';
    into.add(forbiddenField(untyped('spec.persistentvolumesource'), detail));
  }
  into.unchanged(untyped('volumeMode'), draft.spec?.volumeMode, old.spec?.volumeMode);
  const [now, was] = [draft, old].map((object) => object.spec?.nodeAffinity);
  if (was && !semanticallySame(now, was)) {
    into.add(invalid(untyped('nodeAffinity'), now, 'field is immutable, except for updating from beta label to GA'));
  }
  const [wanted, had] = [draft, old].map((object) => object.spec?.volumeAttributesClassName);
  if (had !== undefined && wanted === undefined) {
    into.add(forbiddenField(field('spec.volumeAttributesClassName'), 'update from non-nil value to nil is forbidden'));
  }
  return into.errors;
}
