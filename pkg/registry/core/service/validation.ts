/** Rules for Services. Source: upstream `ValidateService`, `ValidateServiceUpdate`. Their addresses: `ip-validation.ts`. */

import type { Service, ServicePort, ServiceSpec } from '#pkg/api/types/core-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  pathsOf,
  required,
  untyped,
} from '#pkg/apimachinery/field-error.ts';
import {
  cidrProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  portNumberProblems,
  qualifiedNameProblems,
} from '#pkg/apimachinery/names.ts';
import { Collector } from '../../validation/collector.ts';
import { checkBalancerIngress, checkIp, checkNotSpecialIp, type IpRules } from '../../validation/ips.ts';
import { labelsErrors } from '../../validation/selector.ts';
import { checkPort as checkTargetPort } from '../validation/handlers.ts';
import type { IpFamily } from './address-range.ts';
import { checkAddressesKept, checkClusterIps, isHeadless } from './ip-validation.ts';
import { needsHealthCheckPort } from './normalize.ts';

const field = pathsOf<Service>();

const affinitySecondsMax = 86_400;
const kubeletPort = 10_250;
const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const topologyMode = 'service.kubernetes.io/topology-mode';
const topologyHints = 'service.kubernetes.io/topology-aware-hints';
const sourceRanges = 'service.beta.kubernetes.io/load-balancer-source-ranges';
const onlyBalanced = "may only be used when `type` is 'LoadBalancer'";

/** What is wrong with a `Service`. Source: upstream `ValidateService`. */
export function validateService(
  draft: Given<Service>,
  rules: IpRules & { readonly families: readonly IpFamily[] },
): readonly FieldError[] {
  const into = new Collector();
  const spec = draft.spec ?? {};
  checkTopologyAnnotations(into, draft);
  const isNameOnly = spec.type === 'ExternalName';
  if ((spec.ports ?? []).length === 0 && !isHeadless(spec) && !isNameOnly) into.add(required(field('spec.ports')));
  checkType(into, spec);
  const ports = spec.ports ?? [];
  checkPortEntries(into, ports);
  into.add(...labelsErrors(spec.selector ?? {}, field('spec.selector')));
  checkAffinity(into, spec);
  checkClusterIps(into, spec, rules.families);
  for (const [index, entry] of (spec.externalIPs ?? []).entries()) {
    const path = at(field('spec.externalIPs'), index);
    if (checkIp(into, String(entry), path)) checkNotSpecialIp(into, String(entry), { path, ...rules });
  }
  into.needsOneOf(field('spec.type'), spec.type, types);
  checkPortNumbers(into, ports, spec.type);
  checkBalancer(into, draft, spec);
  checkTrafficPolicies(into, draft, spec);
  return into.errors;
}

function checkTopologyAnnotations(into: Collector, draft: Given<Service>): void {
  const annotations = draft.metadata?.annotations ?? {};
  const [mode, hints] = [annotations[topologyMode], annotations[topologyHints]];
  if (mode === undefined || hints === undefined || mode === hints) return;
  const detail = `must match annotations[${topologyHints}] when both are specified`;
  into.add(invalid(at(field('metadata.annotations'), topologyMode), mode, detail));
}

function checkType(into: Collector, spec: Given<ServiceSpec>): void {
  const type = spec.type ?? '';
  if (isHeadless(spec) && (type === 'LoadBalancer' || type === 'NodePort')) {
    into.add(invalid(at(field('spec.clusterIPs'), 0), 'None', `may not be set to 'None' for ${type} services`));
  }
  if (type === 'LoadBalancer') checkNoKubeletPort(into, spec);
  if (type !== 'ExternalName') return;
  for (const name of fields('clusterIPs', 'ipFamilies')) {
    if ((spec[name] ?? []).length === 0) continue;
    into.add(forbiddenField(child(field('spec'), name), 'may not be set for ExternalName services'));
  }
  into.unset(field('spec.ipFamilyPolicy'), spec.ipFamilyPolicy, 'may not be set for ExternalName services');
  // A final dot is what DNS writes after a full name.
  into.needsName(field('spec.externalName'), (spec.externalName ?? '').replace(/\.$/, ''), dns1123SubdomainProblems);
}

/** A load balancer that opens this port may open it on every node, where it is the kubelet's. */
function checkNoKubeletPort(into: Collector, spec: Given<ServiceSpec>): void {
  for (const [index, { port }] of (spec.ports ?? []).entries()) {
    if (port !== kubeletPort) continue;
    const detail = `may not expose port ${kubeletPort} externally since it is used by kubelet`;
    into.add(invalid(at(field('spec.ports'), index), port, detail));
  }
}

function checkPortEntries(into: Collector, ports: readonly Given<ServicePort>[]): void {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const path = at(field('spec.ports'), index);
    checkPortName(into, port.name ?? '', { path: child(path, 'name'), names, isNeeded: ports.length > 1 });
    into.problems(child(path, 'port'), port.port ?? 0, portNumberProblems(port.port ?? 0));
    into.needsOneOf(child(path, 'protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
    if (port.targetPort !== undefined) checkTargetPort(into, port.targetPort, child(path, 'targetPort'));
    const application = port.appProtocol;
    if (typeof application === 'string') {
      into.problems(child(path, 'appProtocol'), application, qualifiedNameProblems(application));
    }
  }
}

function checkPortName(
  into: Collector,
  name: string,
  { path, names, isNeeded }: { readonly path: FieldPath; readonly names: Set<string>; readonly isNeeded: boolean },
): void {
  if (name === '') {
    if (isNeeded) into.add(required(path));
    return;
  }
  into.problems(path, name, dns1123LabelProblems(name));
  if (names.has(name)) into.add(duplicate(path, name));
  names.add(name);
}

/** Each port and each node port is taken once for each protocol. */
function checkPortNumbers(into: Collector, ports: readonly Given<ServicePort>[], type: string | undefined): void {
  const taken = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const nodePort = port.nodePort ?? 0;
    if (nodePort === 0) continue;
    const path = child(at(field('spec.ports'), index), 'nodePort');
    if (type === 'ClusterIP') into.add(forbiddenField(path, "may not be used when `type` is 'ClusterIP'"));
    const key = `node ${port.protocol ?? ''}/${nodePort}`;
    if (taken.has(key)) into.add(duplicate(path, nodePort));
    taken.add(key);
  }
  for (const [index, port] of ports.entries()) {
    const protocol = port.protocol ?? '';
    const key = `${protocol}/${String(port.port)}`;
    if (taken.has(key)) into.add(duplicate(at(field('spec.ports'), index), { protocol, port: port.port }));
    taken.add(key);
  }
}

function checkAffinity(into: Collector, spec: Given<ServiceSpec>): void {
  into.needsOneOf(field('spec.sessionAffinity'), spec.sessionAffinity, ['ClientIP', 'None']);
  const path = field('spec.sessionAffinityConfig');
  if (spec.sessionAffinity === 'None') {
    into.unset(path, spec.sessionAffinityConfig, 'must not be set when session affinity is None');
  }
  if (spec.sessionAffinity !== 'ClientIP') return;
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 0;
  if (seconds > 0 && seconds <= affinitySecondsMax) return;
  const detail = `must be greater than 0 and less than ${affinitySecondsMax}`;
  into.add(invalid(child(path, 'clientIP.timeoutSeconds'), seconds, detail));
}

function checkBalancer(into: Collector, draft: Given<Service>, spec: Given<ServiceSpec>): void {
  const isBalanced = spec.type === 'LoadBalancer';
  const ranges = spec.loadBalancerSourceRanges ?? [];
  const annotated = draft.metadata?.annotations?.[sourceRanges];
  if (ranges.length > 0) {
    const path = untyped('spec.LoadBalancerSourceRanges');
    if (!isBalanced) into.add(forbiddenField(path, onlyBalanced));
    for (const [index, range] of ranges.entries())
      into.problems(at(path, index), range.trim(), cidrProblems(range.trim()));
  } else if (annotated !== undefined) {
    const path = at(field('metadata.annotations'), sourceRanges);
    if (!isBalanced) into.add(forbiddenField(path, onlyBalanced));
    const texts = annotated.trim() === '' ? [] : annotated.split(',').map((text) => text.trim());
    for (const text of texts) into.problems(path, text, cidrProblems(text));
  }
  if (isBalanced) {
    const name = spec.loadBalancerClass;
    if (typeof name === 'string') into.problems(field('spec.loadBalancerClass'), name, qualifiedNameProblems(name));
    return;
  }
  for (const name of fields('allocateLoadBalancerNodePorts', 'loadBalancerClass')) {
    into.unset(child(field('spec'), name), spec[name], onlyBalanced);
  }
}

function checkTrafficPolicies(into: Collector, draft: Given<Service>, spec: Given<ServiceSpec>): void {
  const { type, externalTrafficPolicy: external } = spec;
  const isExternal =
    type === 'NodePort' || type === 'LoadBalancer' || (type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0);
  if (isExternal) into.needsOneOf(field('spec.externalTrafficPolicy'), external, ['Cluster', 'Local']);
  else if (external !== undefined && external !== '') {
    const detail = 'may only be set for externally-accessible services';
    into.add(invalid(field('spec.externalTrafficPolicy'), external, detail));
  }
  const healthPort = spec.healthCheckNodePort ?? 0;
  if (healthPort !== 0 && !needsHealthCheckPort(draft)) {
    const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    into.add(invalid(field('spec.healthCheckNodePort'), healthPort, detail));
  } else if (healthPort !== 0)
    into.problems(field('spec.healthCheckNodePort'), healthPort, portNumberProblems(healthPort));
  into.oneOf(field('spec.internalTrafficPolicy'), spec.internalTrafficPolicy, ['Cluster', 'Local']);
  into.oneOf(field('spec.trafficDistribution'), spec.trafficDistribution, [
    'PreferClose',
    'PreferSameNode',
    'PreferSameZone',
  ]);
}

/** What a Service keeps for as long as its type has it. */
export function validateServiceUpdate(draft: Given<Service>, old: Given<Service>): readonly FieldError[] {
  const into = new Collector();
  checkAddressesKept(into, draft.spec ?? {}, old.spec ?? {});
  const isBalanced = ({ spec }: Given<Service>): boolean => spec?.type === 'LoadBalancer';
  const wanted = draft.spec?.loadBalancerClass;
  if (isBalanced(draft) && isBalanced(old) && wanted !== old.spec?.loadBalancerClass) {
    into.add(invalid(field('spec.loadBalancerClass'), wanted ?? null, 'may not change once set'));
  }
  const keepsPort = needsHealthCheckPort(draft) && needsHealthCheckPort(old);
  if (keepsPort && draft.spec?.healthCheckNodePort !== old.spec?.healthCheckNodePort) {
    into.add(forbiddenField(field('spec.healthCheckNodePort'), 'field is immutable'));
  }
  return into.errors;
}

/** What a load balancer may report. Source: upstream `ValidateLoadBalancerStatus`. */
export function validateServiceStatus(draft: Given<Service>): readonly FieldError[] {
  const into = new Collector();
  const ingresses = draft.status?.loadBalancer?.ingress ?? [];
  if (ingresses.length > 0 && draft.spec?.type !== 'LoadBalancer') {
    const detail = "may only be used when `spec.type` is 'LoadBalancer'";
    return [forbiddenField(field('status.loadBalancer.ingress'), detail)];
  }
  for (const [index, ingress] of ingresses.entries()) {
    const path = at(field('status.loadBalancer.ingress'), index);
    checkBalancerIngress(into, ingress, path);
    if ((ingress.ip ?? '') !== '') into.oneOf(child(path, 'ipMode'), ingress.ipMode, ['Proxy', 'VIP']);
    else into.unset(child(path, 'ipMode'), ingress.ipMode, 'may not be specified when `ip` is not set');
  }
  return into.errors;
}
