/** Rules for claims. Source: upstream `ValidatePersistentVolumeClaimSpec`, `ValidatePersistentVolumeClaimUpdate`. */

import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  pathsOf,
  required,
  untyped,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { listAt, objectAt, semanticallySame, stringAt, valueAt } from '../../draft.ts';
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
  spec: JsonObject,
  { path, detail }: { readonly path: FieldPath; readonly detail: string },
): void {
  const own = child(path, 'accessModes');
  const modes = listAt(spec, 'accessModes');
  if (modes.length === 0) into.add(required(own, detail));
  for (const mode of modes) into.oneOf(own, mode, accessModes);
  const known = modes.filter((mode) => accessModes.includes(mode as string));
  if (known.includes('ReadWriteOncePod') && known.some((mode) => mode !== 'ReadWriteOncePod')) {
    into.add(forbiddenField(own, 'may not use ReadWriteOncePod with other access modes'));
  }
}

/** Checks the spec of a claim or of a template for claims. */
export function checkClaimSpec(into: Collector, spec: Given<PersistentVolumeClaimSpec>, path: FieldPath): void {
  checkAccessModes(into, spec, { path, detail: 'at least 1 access mode is required' });
  into.add(...labelSelectorErrors(spec.selector, child(path, 'selector')));
  const amount = valueAt(spec, 'resources', 'requests', 'storage');
  const own = at(child(path, 'resources'), 'storage');
  if (amount === undefined) into.add(required(own));
  else if (compareQuantities(amount, 0) <= 0) into.add(invalid(own, String(amount), 'must be greater than zero'));
  into.mayName(child(path, 'storageClassName'), spec.storageClassName, dns1123SubdomainProblems);
  into.oneOf(child(path, 'volumeMode'), spec.volumeMode, volumeModes);
  checkDataSources(into, spec, path);
  into.mayName(child(path, 'volumeAttributesClassName'), spec.volumeAttributesClassName, dns1123SubdomainProblems);
}

function checkDataSources(into: Collector, spec: JsonObject, path: FieldPath): void {
  for (const field of ['dataSource', 'dataSourceRef']) {
    const source = objectAt(spec, field);
    if (source !== undefined) checkDataSource(into, source, child(path, field));
  }
  const source = objectAt(spec, 'dataSource');
  const ref = objectAt(spec, 'dataSourceRef');
  if (source === undefined || ref === undefined) return;
  const named = child(path, 'dataSource');
  if (stringAt(ref, 'namespace') !== '') {
    into.add(invalid(path, named, 'may not be specified when dataSourceRef.namespace is specified'));
  } else if (['apiGroup', 'kind', 'name'].some((field) => source[field] !== ref[field])) {
    into.add(invalid(path, named, 'must match dataSourceRef'));
  }
}

function checkDataSource(into: Collector, source: JsonObject, path: FieldPath): void {
  into.needsText(child(path, 'name'), source.name);
  into.needsText(child(path, 'kind'), source.kind);
  const group = stringAt(source, 'apiGroup');
  if (group === '' && source.kind !== 'PersistentVolumeClaim') {
    const detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
    into.add(invalid(path, stringAt(source, 'kind'), detail));
  }
  into.mayName(child(path, 'apiGroup'), group, dns1123SubdomainProblems);
  into.mayName(child(path, 'namespace'), source.namespace, dns1123LabelProblems);
}

/** What is wrong with a `PersistentVolumeClaim`. Source: upstream `ValidatePersistentVolumeClaim`. */
export function validatePersistentVolumeClaim(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  checkClaimSpec(into, objectAt(draft, 'spec') ?? {}, field('spec'));
  return into.errors;
}

const immutableDetail =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

/** The two specs as far as they have to be equal, given what may change between them. */
function fixedParts(draft: JsonObject, old: KubeObject): readonly [JsonObject, JsonObject] {
  const now: JsonObject = { ...objectAt(draft, 'spec') };
  const was: JsonObject = { ...objectAt(old, 'spec') };
  // The binder writes the volume's name, once; a class may be given to a claim that has none yet.
  if (stringAt(was, 'volumeName') === '') delete now.volumeName;
  if (was.storageClassName === undefined) delete now.storageClassName;
  if (valueAt(draft, 'status', 'phase') === 'Bound') {
    for (const spec of [now, was]) spec.resources = withoutStorage(objectAt(spec, 'resources'));
    if (now.volumeAttributesClassName !== undefined) {
      for (const spec of [now, was]) delete spec.volumeAttributesClassName;
    }
  }
  return [now, was];
}

function withoutStorage(resources: JsonObject | undefined): JsonObject {
  const { storage: _, ...requests } = objectAt(resources, 'requests') ?? {};
  return { ...resources, requests };
}

/** What is wrong with a change of a claim. Source: upstream `ValidatePersistentVolumeClaimUpdate`. */
export function validatePersistentVolumeClaimUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  const annotation = (object: JsonObject | KubeObject): string =>
    stringAt(object, 'metadata', 'annotations', classAnnotation);
  into.unchanged(untyped(`metadata.annotations.${classAnnotation}`), annotation(draft), annotation(old));
  const [now, was] = fixedParts(draft, old);
  if (!semanticallySame(now, was)) into.add(forbiddenField(field('spec'), immutableDetail));
  const size = (object: JsonObject | KubeObject): unknown =>
    valueAt(object, 'spec', 'resources', 'requests', 'storage');
  const capacity = valueAt(old, 'status', 'capacity', 'storage');
  if (compareQuantities(size(draft), size(old)) < 0 && compareQuantities(size(draft), capacity) <= 0) {
    const detail = 'field can not be less than status.capacity';
    into.add(forbiddenField(field('spec.resources.requests.storage'), detail));
  }
  into.unchanged(untyped('volumeMode'), valueAt(draft, 'spec', 'volumeMode'), valueAt(old, 'spec', 'volumeMode'));
  const attributes = valueAt(draft, 'spec', 'volumeAttributesClassName');
  if (valueAt(old, 'spec', 'volumeAttributesClassName') !== undefined) {
    const what = attributes === undefined ? 'nil' : attributes === '' ? 'an empty string' : undefined;
    if (what !== undefined) {
      into.add(
        forbiddenField(field('spec.volumeAttributesClassName'), `update from non-nil value to ${what} is forbidden`),
      );
    }
  }
  return into.errors;
}
