/** Rules for the environment of a container. Source: upstream `ValidateEnv`, `validateEnvVarValueFrom`, `ValidateEnvFrom`. */
import { at, child, type FieldPath, invalid } from '#pkg/apimachinery/field-error.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import {
  configMapKeyProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  envVarNameProblems,
} from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { objectAt, objectsAt, stringAt } from '../../draft.ts';
import type { Collector } from '../../validation/collector.ts';
import { checkRelativePath } from '../../validation/paths.ts';
import { checkFieldRef, checkResourceFieldRef } from './downward-api.ts';

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

/** Checks `env` and `envFrom` of a container at `path`. */
export function checkEnvironment(into: Collector, container: JsonObject, path: FieldPath): void {
  for (const [index, variable] of objectsAt(container, 'env').entries()) {
    const own = at(child(path, 'env'), index);
    into.needsName(child(own, 'name'), variable.name, envVarNameProblems);
    if (isObject(variable.valueFrom)) checkSource(into, variable, child(own, 'valueFrom'));
  }
  const sources = objectsAt(container, 'envFrom');
  if (sources.length > 0) checkEnvFrom(into, sources, child(path, 'envFrom'));
}

function checkSource(into: Collector, variable: JsonObject, path: FieldPath): void {
  const source = variable.valueFrom as JsonObject;
  const fieldRef = objectAt(source, 'fieldRef');
  if (fieldRef !== undefined) checkFieldRef(into, fieldRef, { path: child(path, 'fieldRef'), fields: envFieldPaths });
  const resourceRef = objectAt(source, 'resourceFieldRef');
  if (resourceRef !== undefined) {
    checkResourceFieldRef(into, resourceRef, { path: child(path, 'resourceFieldRef'), needsContainer: false });
  }
  for (const field of ['configMapKeyRef', 'secretKeyRef']) {
    const ref = objectAt(source, field);
    if (ref !== undefined) checkKeyRef(into, ref, child(path, field));
  }
  const fileRef = objectAt(source, 'fileKeyRef');
  if (fileRef !== undefined) checkFileRef(into, fileRef, child(path, 'fileKeyRef'));
  const count = Object.values(source).filter(isObject).length;
  if (count === 0) {
    const detail = 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`';
    into.add(invalid(path, '', detail));
  } else if (stringAt(variable, 'value') !== '') {
    into.add(invalid(path, '', 'may not be specified when `value` is not empty'));
  } else if (count > 1) into.add(invalid(path, '', tooManyFields));
}

function checkKeyRef(into: Collector, ref: JsonObject, path: FieldPath): void {
  const name = stringAt(ref, 'name');
  into.problems(child(path, 'name'), name, dns1123SubdomainProblems(name));
  into.needsName(child(path, 'key'), ref.key, configMapKeyProblems);
}

function checkFileRef(into: Collector, ref: JsonObject, path: FieldPath): void {
  into.needsName(child(path, 'volumeName'), ref.volumeName, dns1123LabelProblems);
  into.needsName(child(path, 'key'), ref.key, envVarNameProblems);
  if (into.needsText(child(path, 'path'), ref.path)) checkRelativePath(into, ref.path, child(path, 'path'));
}

/** Upstream names the list, not the entry, when an entry has no source or several. */
function checkEnvFrom(into: Collector, sources: readonly JsonObject[], path: FieldPath): void {
  for (const [index, source] of sources.entries()) {
    const own = at(path, index);
    into.mayName(child(own, 'prefix'), source.prefix, envVarNameProblems);
    const given = ['configMapRef', 'secretRef'].filter((field) => isObject(source[field]));
    for (const field of given) {
      const name = (source[field] as JsonObject).name;
      into.needsName(child(child(own, field), 'name'), name, dns1123SubdomainProblems);
    }
    if (given.length === 0) into.add(invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`'));
    else if (given.length > 1) into.add(invalid(path, '', tooManyFields));
  }
}
