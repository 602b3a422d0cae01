/** Rules for ingresses and their classes. Source: upstream `pkg/apis/networking/validation`. */

import type { TypedLocalObjectReference } from '#pkg/api/types/core-v1.ts';
import type {
  HTTPIngressPath,
  Ingress,
  IngressBackend,
  IngressClass,
  IngressRule,
  IngressServiceBackend,
} from '#pkg/api/types/networking-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  pathsOf,
  required,
  tooLong,
  untyped,
} from '#pkg/apimachinery/field-error.ts';
import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  ipProblems,
  pathSegmentProblems,
  portNameProblems,
  portNumberProblems,
  wildcardSubdomainProblems,
} from '#pkg/apimachinery/names.ts';
import { Collector } from '../validation/collector.ts';
import { domainPrefixedPathErrors } from '../validation/domain-names.ts';
import { checkBalancerIngress } from '../validation/ips.ts';

const ingressField = pathsOf<Ingress>();
const classField = pathsOf<IngressClass>();

const classAnnotation = 'kubernetes.io/ingress.class';

function checkHost(into: Collector, host: string, path: FieldPath): void {
  const rule = host.includes('*') ? wildcardSubdomainProblems : dns1123SubdomainProblems;
  into.problems(path, host, rule(host));
}

/** What is wrong with an `Ingress`. Source: upstream `ValidateIngressCreate`. */
export function validateIngress(draft: Given<Ingress>): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec;
  const rules = spec?.rules ?? [];
  const backend = spec?.defaultBackend;
  if (rules.length === 0 && backend === undefined) {
    into.add(invalid(ingressField('spec'), spec?.rules ?? [], 'either `defaultBackend` or `rules` must be specified'));
  }
  if (backend !== undefined) checkBackend(into, backend, ingressField('spec.defaultBackend'));
  for (const [index, rule] of rules.entries()) checkRule(into, rule, at(ingressField('spec.rules'), index));
  for (const [index, tls] of (spec?.tls ?? []).entries()) {
    const path = at(ingressField('spec.tls'), index);
    for (const [position, host] of (tls.hosts ?? []).entries()) {
      checkHost(into, String(host), at(child(path, 'hosts'), position));
    }
    into.mayName(child(path, 'secretName'), tls.secretName, dns1123SubdomainProblems);
  }
  const className = spec?.ingressClassName;
  if (typeof className === 'string') {
    into.problems(ingressField('spec.ingressClassName'), className, dns1123SubdomainProblems(className));
  }
  return into.errors;
}

/** The class of a new ingress is said once, in the annotation or in the field. */
export function newIngressErrors(draft: Given<Ingress>): readonly FieldError[] {
  const annotated = draft.metadata?.annotations?.[classAnnotation];
  const className = draft.spec?.ingressClassName;
  if (annotated === undefined || className === undefined || annotated === className) return [];
  const detail = 'must match `ingressClassName` when both are specified';
  return [invalid(untyped(`annotations.${classAnnotation}`), annotated, detail)];
}

function checkRule(into: Collector, rule: Given<IngressRule>, path: FieldPath<IngressRule>): void {
  const host = rule.host ?? '';
  if (host !== '') {
    const isAddress = ipProblems(host).length === 0;
    if (isAddress) into.add(invalid(child(path, 'host'), host, 'must be a DNS name, not an IP address'));
    checkHost(into, host, child(path, 'host'));
  }
  const http = rule.http;
  if (http === undefined) return;
  const own = child(child(path, 'http'), 'paths');
  const paths = http.paths ?? [];
  if (paths.length === 0) into.add(required(own));
  for (const [index, entry] of paths.entries()) checkPath(into, entry, at(own, index));
}

const badSequences = ['//', '/./', '/../', '%2f', '%2F'];
const badEndings = ['/..', '/.'];

function checkPath(into: Collector, entry: Given<HTTPIngressPath>, path: FieldPath<HTTPIngressPath>): void {
  const type = entry.pathType;
  if (typeof type !== 'string') {
    into.add(required(child(path, 'pathType'), 'pathType must be specified'));
    return;
  }
  const value = entry.path ?? '';
  const own = child(path, 'path');
  into.oneOf(child(path, 'pathType'), type, ['Exact', 'ImplementationSpecific', 'Prefix']);
  const isStrict = type === 'Exact' || type === 'Prefix';
  if ((isStrict || (type === 'ImplementationSpecific' && value !== '')) && !value.startsWith('/')) {
    into.add(invalid(own, value, 'must be an absolute path'));
  }
  if (isStrict) {
    for (const part of badSequences)
      if (value.includes(part)) into.add(invalid(own, value, `must not contain '${part}'`));
    for (const end of badEndings) if (value.endsWith(end)) into.add(invalid(own, value, `cannot end with '${end}'`));
  }
  checkBackend(into, entry.backend ?? {}, child(path, 'backend'));
}

function checkBackend(into: Collector, backend: Given<IngressBackend>, path: FieldPath<IngressBackend>): void {
  const service = backend.service;
  const resource = backend.resource;
  if (resource !== undefined && service !== undefined) {
    into.add(invalid(path, '', 'cannot set both resource and service backends'));
  } else if (resource !== undefined) checkReference(into, resource, child(path, 'resource'));
  else if (service === undefined) into.add(invalid(path, '', 'resource or service backend is required'));
  else checkServiceBackend(into, service, path);
}

function checkServiceBackend(
  into: Collector,
  service: Given<IngressServiceBackend>,
  path: FieldPath<IngressBackend>,
): void {
  const own = child(path, 'service');
  into.needsName(child(own, 'name'), service.name, dns1123LabelProblems);
  const name = service.port?.name ?? '';
  const number = service.port?.number ?? 0;
  if (name !== '' && number !== 0) into.add(invalid(path, '', 'cannot set both port name & port number'));
  else if (name !== '') into.problems(child(own, 'port.name'), name, portNameProblems(name));
  else if (number !== 0) into.problems(child(own, 'port.number'), number, portNumberProblems(number));
  else into.add(required(path, 'port name or number is required'));
}

/** A reference to an object of any kind. */
function checkReference(
  into: Collector,
  reference: Given<TypedLocalObjectReference>,
  path: FieldPath<TypedLocalObjectReference>,
): void {
  const group = reference.apiGroup;
  if (typeof group === 'string') into.problems(child(path, 'apiGroup'), group, dns1123SubdomainProblems(group));
  for (const field of fields('kind', 'name')) into.needsName(child(path, field), reference[field], pathSegmentProblems);
}

/** Source: upstream `ValidateIngressLoadBalancerStatus`. */
export function validateIngressStatus(draft: Given<Ingress>): readonly FieldError[] {
  const into = new Collector();
  for (const [index, ingress] of (draft.status?.loadBalancer?.ingress ?? []).entries()) {
    checkBalancerIngress(into, ingress, at(ingressField('status.loadBalancer.ingress'), index));
  }
  return into.errors;
}

const controllerLengthMax = 250;

/** What is wrong with an `IngressClass`. Source: upstream `ValidateIngressClass`. */
export function validateIngressClass(draft: Given<IngressClass>): readonly FieldError[] {
  const into = new Collector();
  const controller = draft.spec?.controller ?? '';
  if (Buffer.byteLength(controller) > controllerLengthMax)
    into.add(tooLong(classField('spec.controller'), controllerLengthMax));
  into.add(...domainPrefixedPathErrors(controller, classField('spec.controller')));
  const parameters = draft.spec?.parameters;
  if (parameters === undefined) return into.errors;
  const path = classField('spec.parameters');
  checkReference(into, parameters, path);
  const { scope, namespace } = parameters;
  into.needsOneOf(child(path, 'scope'), scope, ['Cluster', 'Namespace']);
  const own = child(path, 'namespace');
  if (scope === 'Namespace') {
    if (typeof namespace !== 'string') into.add(required(own, "`parameters.scope` is set to 'Namespace'"));
    else into.problems(own, namespace, dns1123LabelProblems(namespace));
  } else if (scope === 'Cluster' && namespace !== undefined) {
    into.add(forbiddenField(own, "`parameters.scope` is set to 'Cluster'"));
  }
  return into.errors;
}

/** What is wrong with a change of an `IngressClass`: its controller stays. */
export function validateIngressClassUpdate(
  draft: Given<IngressClass>,
  old: Given<IngressClass>,
): readonly FieldError[] {
  const into = new Collector();
  into.unchanged(classField('spec.controller'), draft.spec?.controller, old.spec?.controller);
  return into.errors;
}
