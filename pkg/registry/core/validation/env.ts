/** Rules for the environment of a container. Source: upstream `ValidateEnv`, `validateEnvVarValueFrom`, `ValidateEnvFrom`. */
import { at, child, type FieldPath, invalid } from '#pkg/apimachinery/field-error.ts';
import { configMapKeyProblems, dns1123SubdomainProblems, envVarNameProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isObject, objectAt, stringAt } from '../../draft.ts';
import type { Collector } from '../../validation/collector.ts';

const tooManyFields = 'may not have more than one field specified at a time';

/** Fields of the pod that its environment may show. */
const envFieldPaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
const containerResources = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];
const subscript = /^metadata\.(annotations|labels)\['[^']+'\]$/;

export function checkEnv(into: Collector, env: readonly JsonObject[], path: FieldPath): void {
  for (const [index, variable] of env.entries()) {
    const own = at(path, index);
    const name = variable.name;
    if (into.needsText(child(own, 'name'), name)) into.problems(child(own, 'name'), name, envVarNameProblems(name));
    if (isObject(variable.valueFrom)) checkSource(into, variable, child(own, 'valueFrom'));
  }
}

function checkSource(into: Collector, variable: JsonObject, path: FieldPath): void {
  const source = variable.valueFrom as JsonObject;
  const given = Object.keys(source).filter((field) => isObject(source[field]));
  if (given.length === 0) {
    const detail = 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`';
    into.add(invalid(path, '', detail));
  } else if (given.length > 1) into.add(invalid(path, '', tooManyFields));
  if (typeof variable.value === 'string' && variable.value !== '') {
    into.add(invalid(path, '', 'may not be specified when `value` is not empty'));
  }
  const fieldRef = objectAt(source, 'fieldRef');
  if (fieldRef !== undefined) checkFieldRef(into, fieldRef, child(path, 'fieldRef'));
  const resourceRef = objectAt(source, 'resourceFieldRef');
  if (resourceRef !== undefined) {
    const own = child(path, 'resourceFieldRef');
    const resource = resourceRef.resource;
    if (into.needsText(child(own, 'resource'), resource) && !/hugepages-/.test(resource)) {
      into.oneOf(child(own, 'resource'), resource, containerResources);
    }
  }
  for (const field of ['configMapKeyRef', 'secretKeyRef']) {
    const ref = objectAt(source, field);
    if (ref === undefined) continue;
    const own = child(path, field);
    into.needsText(child(own, 'name'), ref.name);
    const key = ref.key;
    if (into.needsText(child(own, 'key'), key)) into.problems(child(own, 'key'), key, configMapKeyProblems(key));
  }
}

function checkFieldRef(into: Collector, ref: JsonObject, path: FieldPath): void {
  into.needsText(child(path, 'apiVersion'), ref.apiVersion);
  const field = ref.fieldPath;
  if (!into.needsText(child(path, 'fieldPath'), field) || subscript.test(field)) return;
  if (!/^(metadata|spec|status)\./.test(field)) {
    const detail = `error converting fieldPath: field label not supported: ${field}`;
    into.add(invalid(child(path, 'fieldPath'), field, detail));
  } else into.oneOf(child(path, 'fieldPath'), field, envFieldPaths);
}

export function checkEnvFrom(into: Collector, sources: readonly JsonObject[], path: FieldPath): void {
  for (const [index, source] of sources.entries()) {
    const own = at(path, index);
    const prefix = stringAt(source, 'prefix');
    if (prefix !== '') into.problems(child(own, 'prefix'), prefix, envVarNameProblems(prefix));
    const given = ['configMapRef', 'secretRef'].filter((field) => isObject(source[field]));
    if (given.length === 0) into.add(invalid(own, '', 'must specify one of: `configMapRef` or `secretRef`'));
    else if (given.length > 1) into.add(invalid(own, '', tooManyFields));
    for (const field of given) {
      const name = (source[field] as JsonObject).name;
      const namePath = child(child(own, field), 'name');
      if (into.needsText(namePath, name)) into.problems(namePath, name, dns1123SubdomainProblems(name));
    }
  }
}
