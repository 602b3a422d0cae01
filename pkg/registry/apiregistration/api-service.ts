/**
 * APIServices: which server answers for a group in a version. The table of API facts does not have the kind, so it is made of data here.
 * Source: kube-aggregator `pkg/apis/apiregistration/{v1,validation}`, `pkg/registry/apiservice`.
 */

import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldError, invalid, pathsOf, required } from '#pkg/apimachinery/field-error.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { dns1035LabelProblems, dns1123SubdomainProblems, portNumberProblems } from '#pkg/apimachinery/names.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import type { ResourceDefinition } from '#pkg/apiserver/definition.ts';
import { rulesOf, type TablePrinter } from '#pkg/apiserver/strategy.ts';
import { structuralDefinition } from '#pkg/apiserver/structural-definition.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';
import { ownStatus } from '../status.ts';
import { Collector } from '../validation/collector.ts';
import { apiServiceSchema } from './schema.ts';

/** One condition of an APIService. */
export interface APIServiceCondition {
  readonly type: string;
  readonly status: string;
  readonly lastTransitionTime?: string;
  readonly reason?: string;
  readonly message?: string;
}

/** Which server answers for a group in a version; without a service this one. */
export interface APIService extends KubeObject {
  readonly spec?: {
    readonly group?: string;
    readonly version?: string;
    readonly service?: { readonly namespace?: string; readonly name?: string; readonly port?: number };
    readonly insecureSkipTLSVerify?: boolean;
    /** PEM in base64. */
    readonly caBundle?: string;
    readonly groupPriorityMinimum: number;
    readonly versionPriority: number;
  };
  readonly status?: { readonly conditions?: readonly APIServiceCondition[] };
}

/** Names the resource and its type. */
export const apiServices: ResourceRef<APIService> = {
  group: 'apiregistration.k8s.io',
  version: 'v1',
  resource: 'apiservices',
  kind: 'APIService',
  namespaced: false,
};

const field = pathsOf<APIService>();

/** Where a service listens, if its APIService does not say. */
const defaultPort = 443;
const groupPriorityMax = 20_000;
const versionPriorityMax = 1_000;

function setDefaults(draft: Draft<APIService>): void {
  dropNulls(draft);
  const { spec, status } = draft;
  if (status !== undefined) {
    dropNulls(status);
    // Clients in Go say so of a time that they do not know.
    for (const condition of status.conditions ?? []) if (isObject(condition)) dropNulls(condition);
  }
  if (spec === undefined) return;
  dropNulls(spec);
  if (spec.service === undefined) return;
  dropNulls(spec.service);
  spec.service.port ??= defaultPort;
}

/** Go reads null as nothing. */
function dropNulls(object: object): void {
  for (const [name, value] of Object.entries(object)) if (value === null) Reflect.deleteProperty(object, name);
}

function validate({ metadata, spec }: Given<APIService>): readonly FieldError[] {
  const into = new Collector();
  const { group = '', version = '', service, caBundle = '', insecureSkipTLSVerify = false } = spec ?? {};
  const wanted = `${version}.${group}`;
  const name = metadata?.name ?? '';
  if (name !== wanted)
    into.add(
      invalid(field('metadata.name'), name, `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`),
    );
  if (group === '' && version !== 'v1')
    into.add(required(field('spec.group'), 'only v1 may have an empty group and it better be legacy kube'));
  if (group !== '')
    for (const why of dns1123SubdomainProblems(group)) into.add(invalid(field('spec.group'), group, why));
  for (const why of dns1035LabelProblems(version)) into.add(invalid(field('spec.version'), version, why));
  const { groupPriorityMinimum = 0, versionPriority = 0 } = spec ?? {};
  if (groupPriorityMinimum <= 0 || groupPriorityMinimum > groupPriorityMax)
    into.add(invalid(field('spec.groupPriorityMinimum'), groupPriorityMinimum, 'must be positive and less than 20000'));
  if (versionPriority <= 0 || versionPriority > versionPriorityMax)
    into.add(invalid(field('spec.versionPriority'), versionPriority, 'must be positive and less than 1000'));
  if (service === undefined) {
    const bytes = Buffer.from(caBundle, 'base64').length;
    if (bytes > 0)
      into.add(invalid(field('spec.caBundle'), `${bytes} bytes`, 'local APIServices may not have a caBundle'));
    if (insecureSkipTLSVerify)
      into.add(
        invalid(field('spec.insecureSkipTLSVerify'), true, 'local APIServices may not have insecureSkipTLSVerify'),
      );
    return into.errors;
  }
  if ((service.namespace ?? '') === '') into.add(required(field('spec.service.namespace'), ''));
  if ((service.name ?? '') === '') into.add(required(field('spec.service.name'), ''));
  const port = service.port ?? 0;
  const wrong = portNumberProblems(port);
  if (wrong.length > 0) into.add(invalid(field('spec.service.port'), port, `port is not valid: ${wrong.join(', ')}`));
  if (insecureSkipTLSVerify && caBundle !== '')
    into.add(invalid(field('spec.insecureSkipTLSVerify'), true, 'may not be true if caBundle is present'));
  return into.errors;
}

function validateStatus({ status }: Given<APIService>): readonly FieldError[] {
  const into = new Collector();
  (status?.conditions ?? []).forEach((condition, index) => {
    into.oneOf(child(at(field('status.conditions'), index), 'status'), condition.status, ['True', 'False', 'Unknown']);
  });
  return into.errors;
}

const table: TablePrinter<Given<APIService>> = {
  columns: [nameColumn, column('Service'), column('Available'), ageColumn],
  cells: (object, nowMs) => [nameOf(object), serviceText(object), availableText(object), age(object, nowMs)],
};

function serviceText({ spec }: Given<APIService>): string {
  const { service } = spec ?? {};
  return service === undefined ? 'Local' : `${service.namespace}/${service.name}`;
}

function availableText({ status }: Given<APIService>): string {
  const condition = status?.conditions?.find(({ type }) => type === 'Available');
  if (condition === undefined) return 'Unknown';
  return condition.status === 'True' ? 'True' : `${condition.status} (${condition.reason ?? ''})`;
}

const { group, resource, ...rules } = rulesOf(apiServices, {
  ...ownStatus(),
  tracksGeneration: false,
  strategicMerge: true,
  nameRule: 'pathSegment',
  dependents: 'none',
  setDefaults,
  validate,
  subresources: { status: { validateUpdate: validateStatus } },
  table,
});

/** The resource as it is served. */
export const apiServiceDefinition: ResourceDefinition = structuralDefinition({
  group,
  names: { plural: resource, kind: apiServices.kind, categories: ['api-extensions'] },
  scope: 'Cluster',
  versions: [{ name: 'v1', served: true, storage: true, schema: apiServiceSchema, subresources: { status: {} } }],
  rules,
});
