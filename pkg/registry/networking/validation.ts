/** Rules for ingresses, network policies and endpoint slices. Source: upstream `pkg/apis/{networking,discovery}/validation`. */
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  required,
  tooMany,
} from '#pkg/apimachinery/field-error.ts';
import {
  cidrProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  ipProblems,
  portNumberProblems,
  wildcardSubdomainProblems,
} from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { fieldsOf, listAt, numberAt, objectAt, objectsAt, stringAt } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import { labelSelectorErrors } from '../validation/selector.ts';

/** Most addresses of one endpoint, endpoints and ports of one slice. Source: upstream `pkg/apis/discovery/validation`. */
const addressesMax = 100;
const endpointsMax = 1000;
const portsMax = 20_000;

export function validateIngress(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec');
  const rules = objectsAt(spec, 'rules');
  const backend = objectAt(spec, 'defaultBackend');
  if (rules.length === 0 && backend === undefined) {
    into.add(invalid('spec', listAt(spec, 'rules'), 'either `defaultBackend` or `rules` must be specified'));
  }
  if (backend !== undefined) checkBackend(into, backend, 'spec.defaultBackend');
  for (const [index, rule] of rules.entries()) checkIngressRule(into, rule, at('spec.rules', index));
  const className = stringAt(spec, 'ingressClassName');
  if (className !== '') into.problems('spec.ingressClassName', className, dns1123SubdomainProblems(className));
  return into.errors;
}

function checkIngressRule(into: Collector, rule: JsonObject, path: FieldPath): void {
  const host = stringAt(rule, 'host');
  if (host !== '') {
    const isAddress = ipProblems(host).length === 0;
    if (isAddress) into.add(invalid(child(path, 'host'), host, 'must be a DNS name, not an IP address'));
    const rules = host.includes('*') ? wildcardSubdomainProblems : dns1123SubdomainProblems;
    into.problems(child(path, 'host'), host, rules(host));
  }
  const http = objectAt(rule, 'http');
  if (http === undefined) return;
  const paths = objectsAt(http, 'paths');
  const own = child(child(path, 'http'), 'paths');
  if (paths.length === 0) into.add(required(own));
  for (const [index, entry] of paths.entries()) checkIngressPath(into, entry, at(own, index));
}

function checkIngressPath(into: Collector, entry: JsonObject, path: FieldPath): void {
  const type = stringAt(entry, 'pathType');
  const value = stringAt(entry, 'path');
  if (type === '') into.add(required(child(path, 'pathType'), 'pathType must be specified'));
  else into.oneOf(child(path, 'pathType'), type, ['Exact', 'ImplementationSpecific', 'Prefix']);
  const needsPath = type === 'Exact' || type === 'Prefix';
  if ((needsPath || value !== '') && !value.startsWith('/')) {
    into.add(invalid(child(path, 'path'), value, 'must be an absolute path'));
  }
  const backend = objectAt(entry, 'backend');
  if (backend !== undefined) checkBackend(into, backend, child(path, 'backend'));
}

function checkBackend(into: Collector, backend: JsonObject, path: FieldPath): void {
  const service = objectAt(backend, 'service');
  const resource = objectAt(backend, 'resource');
  if (resource !== undefined && service !== undefined) {
    into.add(invalid(path, '', 'cannot set both resource and service backends'));
    return;
  }
  if (resource !== undefined) return;
  if (service === undefined) {
    into.add(required(path, 'port name or number is required'));
    return;
  }
  const own = child(path, 'service');
  into.needsText(child(own, 'name'), service.name);
  const name = stringAt(service, 'port', 'name');
  const number = numberAt(service, 'port', 'number') ?? 0;
  if (name !== '' && number !== 0) into.add(invalid(path, '', 'cannot set both port name & port number'));
  else if (number !== 0) into.problems(child(child(own, 'port'), 'number'), number, portNumberProblems(number));
  else if (name === '') into.add(required(path, 'port name or number is required'));
}

export function validateIngressClass(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  into.needsText('spec.controller', objectAt(draft, 'spec')?.controller);
  return into.errors;
}

export function validateNetworkPolicy(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec');
  into.add(...labelSelectorErrors(spec?.podSelector, 'spec.podSelector'));
  for (const [index, type] of listAt(spec, 'policyTypes').entries()) {
    into.oneOf(at('spec.policyTypes', index), type, ['Egress', 'Ingress']);
  }
  for (const [field, peers] of [
    ['ingress', 'from'],
    ['egress', 'to'],
  ] as const) {
    for (const [index, rule] of objectsAt(spec, field).entries()) {
      const path = at(child('spec', field), index);
      for (const [peerIndex, peer] of objectsAt(rule, peers).entries()) {
        checkPeer(into, peer, at(child(path, peers), peerIndex));
      }
    }
  }
  return into.errors;
}

function checkPeer(into: Collector, peer: JsonObject, path: FieldPath): void {
  into.add(...labelSelectorErrors(peer.podSelector, child(path, 'podSelector')));
  into.add(...labelSelectorErrors(peer.namespaceSelector, child(path, 'namespaceSelector')));
  const block = objectAt(peer, 'ipBlock');
  const count = ['podSelector', 'namespaceSelector', 'ipBlock'].filter((field) => peer[field] !== undefined).length;
  if (count === 0) into.add(required(path, 'must specify a peer'));
  if (block === undefined) return;
  if (count > 1) into.add(forbiddenField(path, 'may not specify both ipBlock and another peer'));
  const cidr = block.cidr;
  const own = child(child(path, 'ipBlock'), 'cidr');
  if (into.needsText(own, cidr)) into.problems(own, cidr, cidrProblems(cidr));
}

export function validateEndpointSlice(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const type = draft.addressType;
  if (into.needsText('addressType', type)) into.oneOf('addressType', type, ['FQDN', 'IPv4', 'IPv6']);
  const endpoints = objectsAt(draft, 'endpoints');
  if (endpoints.length > endpointsMax) into.add(tooMany('endpoints', endpoints.length, endpointsMax));
  for (const [index, endpoint] of endpoints.entries()) {
    const path = child(at('endpoints', index), 'addresses');
    const addresses = listAt(endpoint, 'addresses').map(String);
    if (addresses.length === 0) into.add(required(path, 'must contain at least 1 address'));
    if (addresses.length > addressesMax) into.add(tooMany(path, addresses.length, addressesMax));
    if (type === 'FQDN') continue;
    for (const [position, address] of addresses.entries()) {
      into.problems(at(path, position), address, ipProblems(address));
    }
  }
  const ports = objectsAt(draft, 'ports');
  if (ports.length > portsMax) into.add(tooMany('ports', ports.length, portsMax));
  for (const [index, port] of ports.entries()) {
    const name = stringAt(port, 'name');
    if (name !== '') into.problems(child(at('ports', index), 'name'), name, dns1123LabelProblems(name));
    into.oneOf(child(at('ports', index), 'protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
  }
  return into.errors;
}

export function validateEndpointSliceUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  if (draft.addressType === fieldsOf(old).addressType) return [];
  return [invalid('addressType', draft.addressType, 'field is immutable')];
}
