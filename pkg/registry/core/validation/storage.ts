/** Rules for volumes and claims. Source: upstream `ValidatePersistentVolume`, `ValidatePersistentVolumeClaim`. */
import { type FieldError, forbiddenField, required } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { isObject, listAt, objectAt, semanticallySame, stringAt, valueAt } from '../../draft.ts';
import { compareQuantities } from '../../quantities.ts';
import { Collector } from '../../validation/collector.ts';
import { labelSelectorErrors } from '../../validation/selector.ts';
import { checkNodeSelector } from './scheduling.ts';

const modes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];

/** Objects in the spec of a volume that are not its source. */
const notSources: ReadonlySet<string> = new Set(['capacity', 'claimRef', 'nodeAffinity']);

function checkModes(into: Collector, spec: JsonObject | undefined): void {
  const given = listAt(spec, 'accessModes');
  if (given.length === 0) into.add(required('spec.accessModes', 'at least 1 access mode is required'));
  for (const mode of given) into.oneOf('spec.accessModes', mode, modes);
}

export function validatePersistentVolume(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec');
  checkModes(into, spec);
  if (Object.keys(objectAt(spec, 'capacity') ?? {}).length === 0) into.add(required('spec.capacity'));
  const sources = Object.keys(spec ?? {}).filter((field) => isObject(spec?.[field]) && !notSources.has(field));
  if (sources.length === 0) into.add(required('spec', 'must specify a volume type'));
  for (const source of sources.slice(1)) {
    into.add(forbiddenField(`spec.${source}`, 'may not specify more than 1 volume type'));
  }
  into.oneOf('spec.persistentVolumeReclaimPolicy', spec?.persistentVolumeReclaimPolicy, [
    'Delete',
    'Recycle',
    'Retain',
  ]);
  into.oneOf('spec.volumeMode', spec?.volumeMode, ['Block', 'Filesystem']);
  const needed = objectAt(spec, 'nodeAffinity', 'required');
  if (needed !== undefined) checkNodeSelector(into, needed, 'spec.nodeAffinity.required');
  return into.errors;
}

export function validatePersistentVolumeUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const isSame = (source: string): boolean =>
    semanticallySame(valueAt(draft, 'spec', source), valueAt(old, 'spec', source));
  const spec = objectAt(old, 'spec') ?? {};
  const sources = Object.keys(spec).filter((field) => isObject(spec[field]) && !notSources.has(field));
  return sources.every(isSame)
    ? []
    : [forbiddenField('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation')];
}

export function validatePersistentVolumeClaim(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec');
  checkModes(into, spec);
  into.add(...labelSelectorErrors(spec?.selector, 'spec.selector'));
  if (valueAt(spec, 'resources', 'requests', 'storage') === undefined) {
    into.add(required('spec.resources[storage]'));
  }
  into.oneOf('spec.volumeMode', spec?.volumeMode, ['Block', 'Filesystem']);
  return into.errors;
}

export function validatePersistentVolumeClaimUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const fixed = (object: JsonObject | KubeObject): JsonObject => {
    const { resources: _r, volumeAttributesClassName: _c, ...rest } = objectAt(object, 'spec') ?? {};
    return rest;
  };
  const before = fixed(old);
  // The binder writes the volume's name, and a class may be given to a claim that has none yet.
  if (stringAt(before, 'volumeName') === '') delete before.volumeName;
  const after = fixed(draft);
  if (before.volumeName === undefined) delete after.volumeName;
  if (before.storageClassName === undefined) delete after.storageClassName;
  if (!semanticallySame(after, before)) {
    const detail =
      'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
    return [forbiddenField('spec', detail)];
  }
  const request = (object: JsonObject | KubeObject): unknown =>
    valueAt(object, 'spec', 'resources', 'requests', 'storage');
  return compareQuantities(request(draft), request(old)) < 0
    ? [forbiddenField('spec.resources.requests.storage', 'field can not be less than status.capacity')]
    : [];
}
