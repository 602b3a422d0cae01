/** Rules for custom resource definitions. Source: upstream apiextensions `validation/validation.go`. */
import type { CustomResourceDefinition } from '#pkg/api/types/apiextensions-v1.ts';
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  invalid,
  notSupported,
  pathsOf,
  required,
  untyped,
} from '#pkg/apimachinery/field-error.ts';
import { dns1035LabelProblems, dns1123SubdomainProblems, type Problems } from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { isTrueAt, listAt, objectAt, objectsAt, semanticallySame, stringAt, valueAt } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import { checkAuthorities, checkConversion } from './conversion-validation.ts';
import { checkRules } from './rule-validation.ts';
import { checkSchema } from './schema-validation.ts';

const field = pathsOf<CustomResourceDefinition>();
const versionsPath = field('spec.versions');

/** One error for all problems of a name, as upstream joins them here. A missing one passes. */
function checkJoined(into: Collector, text: unknown, path: FieldPath, rule: (text: string) => Problems): void {
  const problems = typeof text === 'string' && text !== '' ? rule(text) : [];
  if (problems.length > 0) into.add(invalid(path, text, problems.join(',')));
}

function kindProblems(kind: string): Problems {
  const problems = dns1035LabelProblems(kind.toLowerCase());
  return problems.length === 0 ? [] : [`may have mixed case, but should otherwise match: ${problems.join(',')}`];
}

function checkGroup(into: Collector, group: string): void {
  const path = field('spec.group');
  if (!into.needsText(path, group)) return;
  const problems = dns1123SubdomainProblems(group);
  if (problems.length > 0) into.add(invalid(path, group, problems.join(',')));
  else if (!group.includes('.')) into.add(invalid(path, group, 'should be a domain with at least one dot'));
}

function checkNames(into: Collector, names: JsonObject, path: FieldPath): void {
  checkJoined(into, names.plural, child(path, 'plural'), dns1035LabelProblems);
  checkJoined(into, names.singular, child(path, 'singular'), dns1035LabelProblems);
  checkJoined(into, names.kind, child(path, 'kind'), kindProblems);
  checkJoined(into, names.listKind, child(path, 'listKind'), kindProblems);
  for (const list of ['shortNames', 'categories']) {
    for (const [index, name] of listAt(names, list).entries()) {
      checkJoined(into, name, at(child(path, list), index), dns1035LabelProblems);
    }
  }
  if (names.kind && names.kind === names.listKind) {
    into.add(invalid(child(path, 'listKind'), names.listKind, 'kind and listKind may not be the same'));
  }
}

function checkVersions(into: Collector, versions: readonly JsonObject[]): void {
  const names = versions.map((version) => stringAt(version, 'name'));
  for (const [index, name] of names.entries()) {
    const problems = dns1035LabelProblems(name);
    if (problems.length > 0) into.add(invalid(child(at(versionsPath, index), 'name'), name, problems.join(',')));
    if (valueAt(versions[index], 'schema', 'openAPIV3Schema') !== undefined) continue;
    into.add(required(child(at(versionsPath, index), 'schema.openAPIV3Schema'), 'schemas are required'));
  }
  if (new Set(names).size < names.length) {
    into.add(invalid(versionsPath, versions, 'must contain unique version names'));
  }
  if (versions.filter((version) => version.storage === true).length !== 1) {
    into.add(invalid(versionsPath, versions, 'must have exactly one version marked as storage version'));
  }
}

/** Checks the schemas of all versions. Errors about one that all share name no version, as the internal type of upstream keeps it apart. */
function checkSchemas(into: Collector, versions: readonly JsonObject[]): void {
  const schemas = versions.map((version) => objectAt(version, 'schema', 'openAPIV3Schema'));
  const areShared = schemas.every((schema) => semanticallySame(schema, schemas[0]));
  const shared = areShared ? schemas[0] : undefined;
  if (shared !== undefined) checkWhole(into, shared, untyped('spec.validation.openAPIV3Schema'));
  if (areShared) return;
  for (const [index, schema] of schemas.entries()) {
    const path = child(at(versionsPath, index), 'schema.openAPIV3Schema');
    if (schema !== undefined) checkWhole(into, schema, path);
  }
}

/** Rules are only looked at in a schema that says of everything what it is. */
function checkWhole(into: Collector, schema: JsonObject, path: FieldPath): void {
  const before = into.errors.length;
  checkSchema(into, schema, path);
  if (into.errors.length === before) checkRules(into, schema, path);
}

/** What is wrong with a `CustomResourceDefinition`: its names, its versions and their schemas. */
export function validateDefinition(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec') ?? {};
  const names = objectAt(spec, 'names') ?? {};
  const name = stringAt(draft, 'metadata', 'name');
  if (name !== `${stringAt(names, 'plural')}.${stringAt(spec, 'group')}`) {
    into.add(invalid(untyped('metadata.name'), name, 'must be spec.names.plural+"."+spec.group'));
  }
  checkGroup(into, stringAt(spec, 'group'));
  const scopes = ['Cluster', 'Namespaced'];
  if (into.needsText(untyped('spec.scope'), spec.scope) && !scopes.includes(spec.scope)) {
    into.add(notSupported(untyped('spec.scope'), spec.scope, scopes));
  }
  const versions = objectsAt(spec, 'versions');
  checkVersions(into, versions);
  for (const field of ['plural', 'singular', 'kind', 'listKind']) {
    into.needsText(child(untyped('spec.names'), field), names[field]);
  }
  checkNames(into, names, untyped('spec.names'));
  checkSchemas(into, versions);
  checkConversion(into, spec);
  if (isTrueAt(spec, 'preserveUnknownFields')) {
    into.add(invalid(untyped('spec.preserveUnknownFields'), true, 'must be false'));
  }
  checkNames(into, objectAt(draft, 'status', 'acceptedNames') ?? {}, untyped('status.acceptedNames'));
  return into.errors;
}

function isEstablished(definition: KubeObject): boolean {
  return objectsAt(definition, 'status', 'conditions').some(
    (condition) => condition.type === 'Established' && condition.status === 'True',
  );
}

/** The name of a resource stays; what is stored under it stays as soon as it is served. */
export function validateDefinitionUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  const fixed = [...(isEstablished(old) ? [['scope'], ['names', 'kind']] : []), ['group'], ['names', 'plural']];
  for (const path of fixed) {
    into.unchanged(
      untyped(['spec', ...path].join('.')),
      valueAt(draft, 'spec', ...path),
      valueAt(old, 'spec', ...path),
    );
  }
  const versions = objectsAt(draft, 'spec', 'versions').map((version) => version.name);
  for (const [index, version] of listAt(draft, 'status', 'storedVersions').entries()) {
    if (versions.includes(version)) continue;
    into.add(invalid(at(untyped('status.storedVersions'), index), version, 'must appear in spec.versions'));
  }
  if (isEstablished(old)) checkAuthorities(into, draft, old);
  return into.errors;
}
