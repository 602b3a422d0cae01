/** Rules for claims. Source: upstream `ValidatePersistentVolumeClaimSpec`, `ValidatePersistentVolumeClaimUpdate`. */

import type {
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  TypedObjectReference,
  VolumeResourceRequirements,
} from '#pkg/api/types/core-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  misnamed,
  pathsOf,
  required,
  untyped,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import { semanticallySame } from '../../draft.ts';
import { compareQuantities } from '../../quantities.ts';
import { Collector } from '../../validation/collector.ts';
import { labelSelectorErrors } from '../../validation/selector.ts';

const field = pathsOf<PersistentVolumeClaim>();

const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
/** Values of `volumeMode`, in the order messages list them. */
export const volumeModes = ['Block', 'Filesystem'];

/** Checks the access modes of a volume or a claim. */
export function checkAccessModes(
  into: Collector,
  spec: { readonly accessModes?: readonly string[] | null },
  { path, detail }: { readonly path: FieldPath<{ readonly accessModes?: unknown }>; readonly detail: string },
): void {
  const own = child(path, 'accessModes');
  const modes = spec.accessModes ?? [];
  if (modes.length === 0) into.add(required(own, detail));
  for (const mode of modes) into.oneOf(own, mode, accessModes);
  const known = modes.filter((mode) => accessModes.includes(mode));
  if (known.includes('ReadWriteOncePod') && known.some((mode) => mode !== 'ReadWriteOncePod')) {
    into.add(forbiddenField(own, 'may not use ReadWriteOncePod with other access modes'));
  }
}

/** Checks the spec of a claim or of a template for claims. */
export function checkClaimSpec(
  into: Collector,
  spec: Given<PersistentVolumeClaimSpec>,
  path: FieldPath<PersistentVolumeClaimSpec>,
): void {
  checkAccessModes(into, spec, { path, detail: 'at least 1 access mode is required' });
  into.add(...labelSelectorErrors(spec.selector, child(path, 'selector')));
  const amount = spec.resources?.requests?.storage;
  const own = misnamed(path, 'resources[storage]');
  if (amount === undefined) into.add(required(own));
  else if (compareQuantities(amount, 0) <= 0) into.add(invalid(own, String(amount), 'must be greater than zero'));
  into.mayName(child(path, 'storageClassName'), spec.storageClassName, dns1123SubdomainProblems);
  into.oneOf(child(path, 'volumeMode'), spec.volumeMode, volumeModes);
  checkDataSources(into, spec, path);
  into.mayName(child(path, 'volumeAttributesClassName'), spec.volumeAttributesClassName, dns1123SubdomainProblems);
}

function checkDataSources(
  into: Collector,
  spec: Given<PersistentVolumeClaimSpec>,
  path: FieldPath<PersistentVolumeClaimSpec>,
): void {
  for (const field of fields('dataSource', 'dataSourceRef')) {
    const source = spec[field];
    if (source) checkDataSource(into, source, child(path, field));
  }
  const source = spec.dataSource;
  const ref = spec.dataSourceRef;
  if (!source || !ref) return;
  const named = child(path, 'dataSource');
  if ((ref.namespace ?? '') !== '') {
    into.add(invalid(path, named, 'may not be specified when dataSourceRef.namespace is specified'));
  } else if (fields('apiGroup', 'kind', 'name').some((field) => source[field] !== ref[field])) {
    into.add(invalid(path, named, 'must match dataSourceRef'));
  }
}

function checkDataSource(
  into: Collector,
  source: Given<TypedObjectReference>,
  path: FieldPath<TypedObjectReference>,
): void {
  into.needsText(child(path, 'name'), source.name);
  into.needsText(child(path, 'kind'), source.kind);
  const group = source.apiGroup ?? '';
  if (group === '' && source.kind !== 'PersistentVolumeClaim') {
    const detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
    into.add(invalid(path, source.kind ?? '', detail));
  }
  into.mayName(child(path, 'apiGroup'), group, dns1123SubdomainProblems);
  into.mayName(child(path, 'namespace'), source.namespace, dns1123LabelProblems);
}

/** What is wrong with a `PersistentVolumeClaim`. Source: upstream `ValidatePersistentVolumeClaim`. */
export function validatePersistentVolumeClaim(draft: Given<PersistentVolumeClaim>): readonly FieldError[] {
  const into = new Collector();
  checkClaimSpec(into, draft.spec ?? {}, field('spec'));
  return into.errors;
}

const immutableDetail =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

type Spec = { -readonly [Name in keyof PersistentVolumeClaimSpec]?: unknown } & {
  resources?: Given<VolumeResourceRequirements>;
};

/** The two specs as far as they have to be equal, given what may change between them. */
function fixedParts(draft: Given<PersistentVolumeClaim>, old: Given<PersistentVolumeClaim>): readonly [Spec, Spec] {
  const now: Spec = { ...draft.spec };
  const was: Spec = { ...old.spec };
  // The binder writes the volume's name, once; a class may be given to a claim that has none yet.
  if ((was.volumeName ?? '') === '') delete now.volumeName;
  if (was.storageClassName === undefined) delete now.storageClassName;
  if (draft.status?.phase === 'Bound') {
    for (const spec of [now, was]) spec.resources = withoutStorage(spec.resources);
    if (now.volumeAttributesClassName !== undefined) {
      for (const spec of [now, was]) delete spec.volumeAttributesClassName;
    }
  }
  return [now, was];
}

function withoutStorage(resources: Given<VolumeResourceRequirements> | undefined): Given<VolumeResourceRequirements> {
  const { storage: _, ...requests } = resources?.requests ?? {};
  return { ...resources, requests };
}

/** What is wrong with a change of a claim. Source: upstream `ValidatePersistentVolumeClaimUpdate`. */
export function validatePersistentVolumeClaimUpdate(
  draft: Given<PersistentVolumeClaim>,
  old: Given<PersistentVolumeClaim>,
): readonly FieldError[] {
  const into = new Collector();
  const annotation = ({ metadata }: Given<PersistentVolumeClaim>): string =>
    metadata?.annotations?.[classAnnotation] ?? '';
  into.unchanged(untyped(`metadata.annotations.${classAnnotation}`), annotation(draft), annotation(old));
  const [now, was] = fixedParts(draft, old);
  if (!semanticallySame(now, was)) into.add(forbiddenField(field('spec'), immutableDetail));
  const size = ({ spec }: Given<PersistentVolumeClaim>): unknown => spec?.resources?.requests?.storage;
  const capacity = old.status?.capacity?.storage;
  if (compareQuantities(size(draft), size(old)) < 0 && compareQuantities(size(draft), capacity) <= 0) {
    const detail = 'field can not be less than status.capacity';
    into.add(forbiddenField(at(field('spec.resources.requests'), 'storage'), detail));
  }
  into.unchanged(untyped('volumeMode'), draft.spec?.volumeMode, old.spec?.volumeMode);
  const attributes = draft.spec?.volumeAttributesClassName;
  if (old.spec?.volumeAttributesClassName !== undefined) {
    const what = attributes === undefined ? 'nil' : attributes === '' ? 'an empty string' : undefined;
    if (what !== undefined) {
      into.add(
        forbiddenField(field('spec.volumeAttributesClassName'), `update from non-nil value to ${what} is forbidden`),
      );
    }
  }
  return into.errors;
}
