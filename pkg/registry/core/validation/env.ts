/** Rules for the environment of a container. Source: upstream `ValidateEnv`, `validateEnvVarValueFrom`, `ValidateEnvFrom`. */
import type {
  ConfigMapKeySelector,
  Container,
  EnvFromSource,
  EnvVar,
  EnvVarSource,
  FileKeySelector,
} from '#pkg/api/types/core-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldPath, invalid } from '#pkg/apimachinery/field-error.ts';
import {
  configMapKeyProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  envVarNameProblems,
} from '#pkg/apimachinery/names.ts';
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
export function checkEnvironment(into: Collector, container: Given<Container>, path: FieldPath<Container>): void {
  for (const [index, variable] of (container.env ?? []).entries()) {
    const own = at(child(path, 'env'), index);
    into.needsName(child(own, 'name'), variable.name, envVarNameProblems);
    if (variable.valueFrom !== undefined) checkSource(into, variable, child(own, 'valueFrom'));
  }
  const sources = container.envFrom ?? [];
  if (sources.length > 0) checkEnvFrom(into, sources, child(path, 'envFrom'));
}

function checkSource(into: Collector, variable: Given<EnvVar>, path: FieldPath<EnvVarSource>): void {
  const source = variable.valueFrom ?? {};
  const fieldRef = source.fieldRef;
  if (fieldRef !== undefined) checkFieldRef(into, fieldRef, { path: child(path, 'fieldRef'), fields: envFieldPaths });
  const resourceRef = source.resourceFieldRef;
  if (resourceRef !== undefined) {
    checkResourceFieldRef(into, resourceRef, { path: child(path, 'resourceFieldRef'), needsContainer: false });
  }
  for (const field of fields('configMapKeyRef', 'secretKeyRef')) {
    const ref = source[field];
    if (ref !== undefined) checkKeyRef(into, ref, child(path, field));
  }
  const fileRef = source.fileKeyRef;
  if (fileRef !== undefined) checkFileRef(into, fileRef, child(path, 'fileKeyRef'));
  const count = Object.values(source).filter((value) => value !== undefined).length;
  if (count === 0) {
    const detail = 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`';
    into.add(invalid(path, '', detail));
  } else if ((variable.value ?? '') !== '') {
    into.add(invalid(path, '', 'may not be specified when `value` is not empty'));
  } else if (count > 1) into.add(invalid(path, '', tooManyFields));
}

function checkKeyRef(into: Collector, ref: Given<ConfigMapKeySelector>, path: FieldPath<ConfigMapKeySelector>): void {
  const name = ref.name ?? '';
  into.problems(child(path, 'name'), name, dns1123SubdomainProblems(name));
  into.needsName(child(path, 'key'), ref.key, configMapKeyProblems);
}

function checkFileRef(into: Collector, ref: Given<FileKeySelector>, path: FieldPath<FileKeySelector>): void {
  into.needsName(child(path, 'volumeName'), ref.volumeName, dns1123LabelProblems);
  into.needsName(child(path, 'key'), ref.key, envVarNameProblems);
  if (into.needsText(child(path, 'path'), ref.path)) checkRelativePath(into, ref.path, child(path, 'path'));
}

/** Upstream names the list, not the entry, when an entry has no source or several. */
function checkEnvFrom(
  into: Collector,
  sources: readonly Given<EnvFromSource>[],
  path: FieldPath<readonly EnvFromSource[]>,
): void {
  for (const [index, source] of sources.entries()) {
    const own = at(path, index);
    into.mayName(child(own, 'prefix'), source.prefix, envVarNameProblems);
    const given = fields('configMapRef', 'secretRef').filter((name) => source[name] !== undefined);
    for (const name of given) {
      into.needsName(child(child(own, name), 'name'), source[name]?.name, dns1123SubdomainProblems);
    }
    if (given.length === 0) into.add(invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`'));
    else if (given.length > 1) into.add(invalid(path, '', tooManyFields));
  }
}
