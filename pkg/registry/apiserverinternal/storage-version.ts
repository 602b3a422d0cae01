/**
 * StorageVersions as they are served, where they are: made of data, since the table of API facts does not have the kind.
 * Source: upstream `pkg/apis/apiserverinternal/validation`, `pkg/registry/apiserverinternal/storageversion`.
 */
import {
  commonEncodingVersion,
  type StorageVersion,
  type StorageVersionCondition,
  type StorageVersionStatus,
  storageVersions,
} from '#pkg/api/storage-version.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldError, type FieldPath, pathsOf, shownAt } from '#pkg/apimachinery/field-error.ts';
import { dns1035LabelProblems, dns1123SubdomainProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import type { ResourceDefinition } from '#pkg/apiserver/definition.ts';
import { rulesOf } from '#pkg/apiserver/strategy.ts';
import { structuralDefinition } from '#pkg/apiserver/structural-definition.ts';
import { ownStatus } from '../status.ts';
import { Collector } from '../validation/collector.ts';

const text = { type: 'string' };
const texts = { type: 'array', items: text, 'x-kubernetes-list-type': 'set' };

const server = {
  type: 'object',
  properties: { apiServerID: text, encodingVersion: text, decodableVersions: texts, servedVersions: texts },
};

const condition = {
  type: 'object',
  required: ['type', 'status', 'reason', 'message'],
  properties: {
    type: text,
    status: text,
    observedGeneration: { type: 'integer', format: 'int64' },
    lastTransitionTime: { type: 'string', format: 'date-time' },
    reason: text,
    message: text,
  },
};

const listMap = (key: string, items: object): object => ({
  type: 'array',
  items,
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': [key],
});

const schema = {
  type: 'object',
  properties: {
    apiVersion: text,
    kind: text,
    metadata: { type: 'object' },
    spec: { type: 'object' },
    status: {
      type: 'object',
      properties: {
        storageVersions: listMap('apiServerID', { ...server, required: ['apiServerID'] }),
        commonEncodingVersion: text,
        conditions: listMap('type', condition),
      },
    },
  },
};

const path = pathsOf<StorageVersion>();

function validate({ metadata }: Given<StorageVersion>): readonly FieldError[] {
  const into = new Collector();
  const name = metadata?.name ?? '';
  const dot = name.lastIndexOf('.');
  const segments = [
    ...dns1123SubdomainProblems(name.slice(0, dot)).map((problem) => `the group segment ${problem}`),
    ...dns1035LabelProblems(name.slice(dot + 1)).map((problem) => `the resource segment ${problem}`),
  ];
  into.problems(path('metadata.name'), name, dot < 0 ? ['name must be in the form of <group>.<resource>'] : segments);
  return into.errors;
}

function validateStatus({ status = {} }: Given<StorageVersion>): readonly FieldError[] {
  const into = new Collector();
  const servers = status.storageVersions ?? [];
  for (const [index, one] of servers.entries()) {
    const field = at(path('status.storageVersions'), index);
    const { apiServerID = '', encodingVersion = '', decodableVersions = [] } = one;
    into.problems(child(field, 'apiServerID'), apiServerID, dns1123SubdomainProblems(apiServerID));
    checkVersion(into, child(field, 'encodingVersion'), encodingVersion);
    for (const [place, version] of decodableVersions.entries())
      checkVersion(into, at(child(field, 'decodableVersions'), place), version);
    if (decodableVersions.includes(encodingVersion)) continue;
    const why = `decodableVersions must include encodingVersion ${encodingVersion}`;
    into.problems(child(field, 'decodableVersions'), decodableVersions, [why]);
  }
  checkCommonVersion(into, status);
  checkConditions(into, status);
  return into.errors;
}

function checkCommonVersion(
  into: Collector,
  { storageVersions: servers = [], ...status }: Given<StorageVersionStatus>,
) {
  const [actual, given] = [commonEncodingVersion(servers), status.commonEncodingVersion];
  if (actual === given) return;
  const why =
    actual === undefined
      ? 'should be nil if servers do not agree on the same encoding version, or if there is no server reporting the supported versions yet'
      : given === undefined
        ? `the common encoding version is ${actual}`
        : `the actual common encoding version is ${actual}`;
  into.problems(path('status.commonEncodingVersion'), given ?? null, [why]);
}

/** Upstream leaves the name of the list out of the paths. */
function checkConditions(into: Collector, { conditions = [] }: Given<StorageVersionStatus>): void {
  for (const [index, { type = '', status = '', reason, message }] of conditions.entries()) {
    const field = at(shownAt<readonly StorageVersionCondition[]>(path('status')), index);
    into.problems(child(field, 'type'), type, qualifiedNameProblems(type));
    into.problems(child(field, 'status'), type, qualifiedNameProblems(status));
    into.needsText(child(field, 'reason'), reason, 'reason cannot be empty');
    into.needsText(child(field, 'message'), message, 'message cannot be empty');
  }
}

/** Source: upstream `isValidAPIVersion`. */
function checkVersion(into: Collector, field: FieldPath, given: string): void {
  const parts = given.split('/');
  const version = parts.at(-1) ?? '';
  if (parts.length > 2) {
    const form =
      "a DNS-1035 label, which must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
    const example = "(e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
    const why = `an apiVersion is ${form} ${example} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyVersion')`;
    into.problems(field, given, [why]);
    return;
  }
  const problemsOf = (name: string, part: string, rule: (text: string) => readonly string[]): readonly string[] =>
    (part === '' ? ['must be non-empty'] : rule(part)).map((problem) => `${name} part: ${problem}`);
  const all = [
    ...(parts.length === 2 ? problemsOf('group', parts[0] ?? '', dns1123SubdomainProblems) : []),
    ...problemsOf('version', version, dns1035LabelProblems),
  ];
  if (all.length > 0) into.problems(field, given, [all.join(',')]);
}

const { group, resource, ...rules } = rulesOf(storageVersions, {
  ...ownStatus(),
  validate,
  subresources: { status: { validateUpdate: validateStatus } },
});

/** The resource as it is served. Made when somebody asks for it: hardly any server has it. */
export function storageVersionDefinition(): ResourceDefinition {
  const { kind, version } = storageVersions;
  return structuralDefinition({
    group,
    names: { plural: resource, kind },
    scope: 'Cluster',
    versions: [{ name: version, served: true, storage: true, schema, subresources: { status: {} } }],
    rules,
  });
}
