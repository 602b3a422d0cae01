/**
 * Validation of `metadata`, the same for every kind. Works on drafts and on shared objects and changes neither.
 * Upstream counterpart: apimachinery `api/validation/objectmeta.go`, `apis/meta/v1/validation`.
 */

import {
  anyItem,
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  pathsOf,
  required,
  tooLong,
} from './field-error.ts';
import { deepEqual } from './json.ts';
import {
  dns1035LabelProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  labelValueProblems,
  type Problems,
  pathSegmentProblems,
  qualifiedNameProblems,
} from './names.ts';
import type { KubeObject } from './object.ts';
import { type ManagedFieldsEntry, type ObjectMeta, type OwnerReference, parseApiVersion } from './object.ts';

/** Keys and values of all annotations together, in bytes. Source: upstream `TotalAnnotationSizeLimitB`. */
const annotationBytesMax = 256 * 1024;

/** Longest name of a field manager, in bytes. Source: upstream `FieldManagerMaxLength`. */
export const fieldManagerLengthMax = 128;

/** How the name of an object is checked. */
export type NameRule = 'dns1035Label' | 'dns1123Label' | 'dns1123Subdomain' | 'pathSegment';

const nameRules: Readonly<Record<NameRule, (name: string) => Problems>> = {
  dns1035Label: dns1035LabelProblems,
  dns1123Label: dns1123LabelProblems,
  dns1123Subdomain: dns1123SubdomainProblems,
  pathSegment: pathSegmentProblems,
};

const ownMetadata = pathsOf<KubeObject>()('metadata');

/** What is different between kinds. */
export interface ObjectMetaRules {
  readonly namespaced: boolean;
  /** Default `dns1123Subdomain`. */
  readonly nameRule?: NameRule | undefined;
  /** Default `metadata`. */
  readonly path?: FieldPath<ObjectMeta>;
}

/** Checks the metadata of a new object, after its name was generated. */
export function validateObjectMeta(meta: ObjectMeta, rules: ObjectMetaRules): FieldError[] {
  const errors: FieldError[] = [];
  const path = rules.path ?? ownMetadata;
  const rule = nameRules[rules.nameRule ?? 'dns1123Subdomain'];
  if (meta.generateName) {
    for (const problem of rule(maskTrailingDash(meta.generateName))) {
      errors.push(invalid(child(path, 'generateName'), meta.generateName, problem));
    }
  }
  if (!meta.name) errors.push(required(child(path, 'name'), 'name or generateName is required'));
  else for (const problem of rule(meta.name)) errors.push(invalid(child(path, 'name'), meta.name, problem));
  validateNamespace(meta, rules, errors);
  validateShared(meta, path, errors);
  return errors;
}

function validateNamespace(meta: ObjectMeta, rules: ObjectMetaRules, errors: FieldError[]): void {
  const field = child(rules.path ?? ownMetadata, 'namespace');
  if (!rules.namespaced) {
    if (meta.namespace) errors.push(forbiddenField(field, 'not allowed on this type'));
  } else if (!meta.namespace) {
    errors.push(required(field));
  } else {
    for (const problem of dns1123LabelProblems(meta.namespace)) errors.push(invalid(field, meta.namespace, problem));
  }
}

/** A generated name goes on after the dash, so a dash at its end is no fault. */
function maskTrailingDash(name: string): string {
  return name.length > 1 && name.endsWith('-') ? `${name.slice(0, -1)}a` : name;
}

/** `old` is what is stored: what is the same as there is right. */
function validateShared(
  meta: ObjectMeta,
  path: FieldPath<ObjectMeta>,
  errors: FieldError[],
  old: ObjectMeta = {},
): void {
  if (meta.generation !== undefined && meta.generation < 0) {
    errors.push(invalid(child(path, 'generation'), meta.generation, 'must be greater than or equal to 0'));
  }
  if (meta.labels !== undefined && !sameTexts(meta.labels, old.labels)) {
    validateLabels(meta.labels, child(path, 'labels'), errors);
  }
  if (meta.annotations !== undefined && !sameTexts(meta.annotations, old.annotations)) {
    validateAnnotations(meta.annotations, child(path, 'annotations'), errors);
  }
  if (meta.ownerReferences !== old.ownerReferences && meta.ownerReferences !== undefined) {
    validateOwnerReferences(meta.ownerReferences, child(path, 'ownerReferences'), errors);
  }
  if (meta.finalizers !== undefined) validateFinalizers(meta.finalizers, child(path, 'finalizers'), errors);
  const { managedFields } = meta;
  if (managedFields !== old.managedFields && managedFields !== undefined && !managedFields.every(isPlainEntry))
    validateManagedFields(managedFields, child(path, 'managedFields'), errors);
}

/** Whether all of a map is in what is stored, as it is there. */
function sameTexts(map: Readonly<Record<string, string>>, old: Readonly<Record<string, string>> | undefined): boolean {
  if (old === undefined) return false;
  for (const key in map) if (map[key] !== old[key] || !Object.hasOwn(old, key)) return false;
  return true;
}

/** Checks keys and values of labels, adding to `errors`. */
export function validateLabels(labels: Readonly<Record<string, string>>, path: FieldPath, errors: FieldError[]): void {
  for (const key of Object.keys(labels)) {
    for (const problem of qualifiedNameProblems(key)) errors.push(invalid(path, key, problem));
    for (const problem of labelValueProblems(labels[key]!)) errors.push(invalid(path, labels[key], problem));
  }
}

/** Checks keys and the total size of annotations, adding to `errors`. */
export function validateAnnotations(
  annotations: Readonly<Record<string, string>>,
  path: FieldPath,
  errors: FieldError[],
): void {
  for (const key of Object.keys(annotations)) {
    for (const problem of qualifiedNameProblems(key.toLowerCase())) errors.push(invalid(path, key, problem));
  }
  if (annotationsTooLarge(annotations)) errors.push(tooLong(path, annotationBytesMax));
}

/** Whether all annotations together are larger than an object may have. */
export function annotationsTooLarge(annotations: Readonly<Record<string, string>>): boolean {
  let bytes = 0;
  for (const key of Object.keys(annotations)) bytes += Buffer.byteLength(key) + Buffer.byteLength(annotations[key]!);
  return bytes > annotationBytesMax;
}

/** Controllers too many that are told of: each error shows all references. */
const controllersToldMax = 10;

function validateOwnerReferences(
  references: readonly OwnerReference[],
  path: FieldPath<readonly OwnerReference[]>,
  errors: FieldError[],
): void {
  let controller = '';
  let told = 0;
  const own = anyItem(path);
  for (const reference of references) {
    const { apiVersion = '', kind = '', name = '', uid = '' } = reference;
    if (parseApiVersion(apiVersion) === undefined) {
      errors.push(invalid(child(own, 'apiVersion'), apiVersion, 'version must not be empty'));
    }
    if (kind === '') errors.push(invalid(child(own, 'kind'), kind, 'must not be empty'));
    if (name === '') errors.push(invalid(child(own, 'name'), name, 'must not be empty'));
    if (uid === '') errors.push(invalid(child(own, 'uid'), uid, 'must not be empty'));
    if (apiVersion === 'v1' && kind === 'Event') {
      errors.push(invalid(path, reference, '/v1, Kind=Event is disallowed from being an owner'));
    }
    if (reference.controller !== true || told >= controllersToldMax) continue;
    const current = `${kind}/${name}`;
    if (controller === '') {
      controller = current;
      continue;
    }
    const why = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${current}`;
    errors.push(invalid(path, references, why));
    told++;
  }
}

function validateFinalizers(finalizers: readonly string[], path: FieldPath, errors: FieldError[]): void {
  for (const finalizer of finalizers) {
    for (const problem of qualifiedNameProblems(finalizer)) errors.push(invalid(path, finalizer, problem));
  }
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    errors.push(invalid(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'));
  }
}

function validateManagedFields(
  entries: readonly ManagedFieldsEntry[],
  path: FieldPath<readonly ManagedFieldsEntry[]>,
  errors: FieldError[],
): void {
  for (const [index, entry] of entries.entries()) {
    if (isPlainEntry(entry)) continue;
    const own = at(path, index);
    if (entry.operation !== 'Apply' && entry.operation !== 'Update') {
      // An entry with nothing in it is how a client asks to reset the tracking; it was taken out before.
      errors.push(invalid(child(own, 'operation'), entry.operation ?? '', 'must be `Apply` or `Update`'));
    }
    if (entry.fieldsType !== undefined && entry.fieldsType !== 'FieldsV1' && entry.fieldsType !== '') {
      errors.push(invalid(child(own, 'fieldsType'), entry.fieldsType, 'must be `FieldsV1`'));
    }
    errors.push(...validateFieldManager(entry.manager ?? '', child(own, 'manager')));
  }
}

/** An entry as this server writes it. */
function isPlainEntry({ operation, fieldsType, manager = '' }: ManagedFieldsEntry): boolean {
  return (operation === 'Update' || operation === 'Apply') && fieldsType === 'FieldsV1' && plainManager.test(manager);
}

const noErrors: readonly FieldError[] = [];

/** Most names of managers, all of whose characters are good; longer ones are looked at one by one. */
const plainManager = /^[ -~]{0,128}$/;

const printable = /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u;

/** Checks the name of a field manager, as given by the `fieldManager` parameter. */
export function validateFieldManager(manager: string, path: FieldPath): readonly FieldError[] {
  if (plainManager.test(manager)) return noErrors;
  const errors: FieldError[] = [];
  if (Buffer.byteLength(manager) > fieldManagerLengthMax) errors.push(tooLong(path, fieldManagerLengthMax));
  let position = 0;
  for (const char of manager) {
    if (!printable.test(char)) {
      const code = char.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0');
      errors.push(invalid(path, manager, `invalid character U+${code} (at position ${position})`));
    }
    position += Buffer.byteLength(char);
  }
  return errors;
}

/** Checks the metadata of a changed object against what is stored. */
export function validateObjectMetaUpdate(meta: ObjectMeta, old: ObjectMeta, rules: ObjectMetaRules): FieldError[] {
  const errors: FieldError[] = [];
  const path = rules.path ?? ownMetadata;
  if (old.deletionTimestamp !== undefined) {
    const known = new Set(old.finalizers ?? []);
    const added = (meta.finalizers ?? []).filter((finalizer) => !known.has(finalizer));
    if (added.length > 0) {
      const why = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((name) => JSON.stringify(name)).join(', ')}}`;
      errors.push(forbiddenField(child(path, 'finalizers'), why));
    }
  }
  if (!meta.resourceVersion && meta.resourceVersion !== undefined) {
    errors.push(invalid(child(path, 'resourceVersion'), '', 'must be specified for an update'));
  }
  if (meta.generation !== undefined && old.generation !== undefined && meta.generation < old.generation) {
    errors.push(invalid(child(path, 'generation'), meta.generation, 'must not be decremented'));
  }
  for (const name of immutableFields) {
    if (meta[name] !== old[name] && !deepEqual(meta[name], old[name]))
      errors.push(invalid(child(path, name), meta[name], 'field is immutable'));
  }
  validateShared(meta, path, errors, old);
  return errors;
}

const immutableFields = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const;
