/** Rules for ingresses and their classes. Source: upstream `pkg/apis/networking/validation`. */
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  required,
  tooLong,
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
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { listAt, numberAt, objectAt, objectsAt, stringAt, valueAt } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import { domainPrefixedPathErrors } from '../validation/domain-names.ts';
import { checkBalancerIngress } from '../validation/ips.ts';

const classAnnotation = 'kubernetes.io/ingress.class';

function checkHost(into: Collector, host: string, path: FieldPath): void {
  const rule = host.includes('*') ? wildcardSubdomainProblems : dns1123SubdomainProblems;
  into.problems(path, host, rule(host));
}

/** What is wrong with an `Ingress`. Source: upstream `ValidateIngressCreate`. */
export function validateIngress(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec');
  const rules = objectsAt(spec, 'rules');
  const backend = objectAt(spec, 'defaultBackend');
  if (rules.length === 0 && backend === undefined) {
    into.add(invalid('spec', listAt(spec, 'rules'), 'either `defaultBackend` or `rules` must be specified'));
  }
  if (backend !== undefined) checkBackend(into, backend, 'spec.defaultBackend');
  for (const [index, rule] of rules.entries()) checkRule(into, rule, at('spec.rules', index));
  for (const [index, tls] of objectsAt(spec, 'tls').entries()) {
    const path = at('spec.tls', index);
    for (const [position, host] of listAt(tls, 'hosts').entries()) {
      checkHost(into, String(host), at(child(path, 'hosts'), position));
    }
    into.mayName(child(path, 'secretName'), tls.secretName, dns1123SubdomainProblems);
  }
  const className = valueAt(spec, 'ingressClassName');
  if (typeof className === 'string') {
    into.problems('spec.ingressClassName', className, dns1123SubdomainProblems(className));
  }
  return into.errors;
}

/** The class of a new ingress is said once, in the annotation or in the field. */
export function newIngressErrors(draft: JsonObject): readonly FieldError[] {
  const annotated = valueAt(draft, 'metadata', 'annotations', classAnnotation);
  const className = valueAt(draft, 'spec', 'ingressClassName');
  if (annotated === undefined || className === undefined || annotated === className) return [];
  const detail = 'must match `ingressClassName` when both are specified';
  return [invalid(`annotations.${classAnnotation}`, annotated, detail)];
}

function checkRule(into: Collector, rule: JsonObject, path: FieldPath): void {
  const host = stringAt(rule, 'host');
  if (host !== '') {
    const isAddress = ipProblems(host).length === 0;
    if (isAddress) into.add(invalid(child(path, 'host'), host, 'must be a DNS name, not an IP address'));
    checkHost(into, host, child(path, 'host'));
  }
  const http = objectAt(rule, 'http');
  if (http === undefined) return;
  const own = child(child(path, 'http'), 'paths');
  const paths = objectsAt(http, 'paths');
  if (paths.length === 0) into.add(required(own));
  for (const [index, entry] of paths.entries()) checkPath(into, entry, at(own, index));
}

const badSequences = ['//', '/./', '/../', '%2f', '%2F'];
const badEndings = ['/..', '/.'];

function checkPath(into: Collector, entry: JsonObject, path: FieldPath): void {
  const type = entry.pathType;
  if (typeof type !== 'string') {
    into.add(required(child(path, 'pathType'), 'pathType must be specified'));
    return;
  }
  const value = stringAt(entry, 'path');
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
  checkBackend(into, objectAt(entry, 'backend') ?? {}, child(path, 'backend'));
}

function checkBackend(into: Collector, backend: JsonObject, path: FieldPath): void {
  const service = objectAt(backend, 'service');
  const resource = objectAt(backend, 'resource');
  if (resource !== undefined && service !== undefined) {
    into.add(invalid(path, '', 'cannot set both resource and service backends'));
  } else if (resource !== undefined) checkReference(into, resource, child(path, 'resource'));
  else if (service === undefined) into.add(invalid(path, '', 'resource or service backend is required'));
  else checkServiceBackend(into, service, path);
}

function checkServiceBackend(into: Collector, service: JsonObject, path: FieldPath): void {
  const own = child(path, 'service');
  into.needsName(child(own, 'name'), service.name, dns1123LabelProblems);
  const name = stringAt(service, 'port', 'name');
  const number = numberAt(service, 'port', 'number') ?? 0;
  if (name !== '' && number !== 0) into.add(invalid(path, '', 'cannot set both port name & port number'));
  else if (name !== '') into.problems(`${own}.port.name`, name, portNameProblems(name));
  else if (number !== 0) into.problems(`${own}.port.number`, number, portNumberProblems(number));
  else into.add(required(path, 'port name or number is required'));
}

/** A reference to an object of any kind. */
function checkReference(into: Collector, reference: JsonObject, path: FieldPath): void {
  const group = reference.apiGroup;
  if (typeof group === 'string') into.problems(child(path, 'apiGroup'), group, dns1123SubdomainProblems(group));
  for (const field of ['kind', 'name']) into.needsName(child(path, field), reference[field], pathSegmentProblems);
}

/** Source: upstream `ValidateIngressLoadBalancerStatus`. */
export function validateIngressStatus(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  for (const [index, ingress] of objectsAt(draft, 'status', 'loadBalancer', 'ingress').entries()) {
    checkBalancerIngress(into, ingress, at('status.loadBalancer.ingress', index));
  }
  return into.errors;
}

const controllerLengthMax = 250;

/** What is wrong with an `IngressClass`. Source: upstream `ValidateIngressClass`. */
export function validateIngressClass(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const controller = stringAt(draft, 'spec', 'controller');
  if (Buffer.byteLength(controller) > controllerLengthMax) into.add(tooLong('spec.controller', controllerLengthMax));
  into.add(...domainPrefixedPathErrors(controller, 'spec.controller'));
  const parameters = objectAt(draft, 'spec', 'parameters');
  if (parameters === undefined) return into.errors;
  const path = 'spec.parameters';
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
export function validateIngressClassUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  into.unchanged('spec.controller', valueAt(draft, 'spec', 'controller'), valueAt(old, 'spec', 'controller'));
  return into.errors;
}
