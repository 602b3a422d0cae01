/** Rules for Services. Source: upstream `ValidateService`, `ValidateServiceUpdate`. Their addresses: `ip-validation.ts`. */
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  required,
} from '#pkg/apimachinery/field-error.ts';
import {
  cidrProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  portNumberProblems,
  qualifiedNameProblems,
} from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { listAt, numberAt, objectAt, objectsAt, stringAt, stringMapAt, valueAt } from '../../draft.ts';
import { Collector } from '../../validation/collector.ts';
import { checkBalancerIngress, checkIp, checkNotSpecialIp, type IpRules } from '../../validation/ips.ts';
import { labelsErrors } from '../../validation/selector.ts';
import { checkPort as checkTargetPort } from '../validation/handlers.ts';
import { checkAddressesKept, checkClusterIps, isHeadless } from './ip-validation.ts';
import { needsHealthCheckPort } from './normalize.ts';

const affinitySecondsMax = 86_400;
const kubeletPort = 10_250;
const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const topologyMode = 'service.kubernetes.io/topology-mode';
const topologyHints = 'service.kubernetes.io/topology-aware-hints';
const sourceRanges = 'service.beta.kubernetes.io/load-balancer-source-ranges';
const onlyBalanced = "may only be used when `type` is 'LoadBalancer'";

/** What is wrong with a `Service`. Source: upstream `ValidateService`. */
export function validateService(draft: JsonObject, rules: IpRules): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec') ?? {};
  checkTopologyAnnotations(into, draft);
  const isNameOnly = spec.type === 'ExternalName';
  if (listAt(spec, 'ports').length === 0 && !isHeadless(spec) && !isNameOnly) into.add(required('spec.ports'));
  checkType(into, spec);
  const ports = objectsAt(spec, 'ports');
  checkPortEntries(into, ports);
  into.add(...labelsErrors(stringMapAt(spec, 'selector'), 'spec.selector'));
  checkAffinity(into, spec);
  checkClusterIps(into, spec);
  for (const [index, entry] of listAt(spec, 'externalIPs').entries()) {
    const path = at('spec.externalIPs', index);
    if (checkIp(into, String(entry), path)) checkNotSpecialIp(into, String(entry), { path, ...rules });
  }
  into.needsOneOf('spec.type', spec.type, types);
  checkPortNumbers(into, ports, spec.type);
  checkBalancer(into, draft, spec);
  checkTrafficPolicies(into, draft, spec);
  return into.errors;
}

function checkTopologyAnnotations(into: Collector, draft: JsonObject): void {
  const annotations = stringMapAt(draft, 'metadata', 'annotations');
  const [mode, hints] = [annotations[topologyMode], annotations[topologyHints]];
  if (mode === undefined || hints === undefined || mode === hints) return;
  const detail = `must match annotations[${topologyHints}] when both are specified`;
  into.add(invalid(at('metadata.annotations', topologyMode), mode, detail));
}

function checkType(into: Collector, spec: JsonObject): void {
  const type = stringAt(spec, 'type');
  if (isHeadless(spec) && (type === 'LoadBalancer' || type === 'NodePort')) {
    into.add(invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${type} services`));
  }
  if (type === 'LoadBalancer') checkNoKubeletPort(into, spec);
  if (type !== 'ExternalName') return;
  for (const field of ['clusterIPs', 'ipFamilies']) {
    if (listAt(spec, field).length === 0) continue;
    into.add(forbiddenField(child('spec', field), 'may not be set for ExternalName services'));
  }
  into.unset('spec.ipFamilyPolicy', spec.ipFamilyPolicy, 'may not be set for ExternalName services');
  // A final dot is what DNS writes after a full name.
  into.needsName('spec.externalName', stringAt(spec, 'externalName').replace(/\.$/, ''), dns1123SubdomainProblems);
}

/** A load balancer that opens this port may open it on every node, where it is the kubelet's. */
function checkNoKubeletPort(into: Collector, spec: JsonObject): void {
  for (const [index, { port }] of objectsAt(spec, 'ports').entries()) {
    if (port !== kubeletPort) continue;
    const detail = `may not expose port ${kubeletPort} externally since it is used by kubelet`;
    into.add(invalid(at('spec.ports', index), port, detail));
  }
}

function checkPortEntries(into: Collector, ports: readonly JsonObject[]): void {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const path = at('spec.ports', index);
    checkPortName(into, stringAt(port, 'name'), { path: child(path, 'name'), names, isNeeded: ports.length > 1 });
    into.problems(child(path, 'port'), port.port ?? 0, portNumberProblems(numberAt(port, 'port') ?? 0));
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
function checkPortNumbers(into: Collector, ports: readonly JsonObject[], type: unknown): void {
  const taken = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const nodePort = numberAt(port, 'nodePort') ?? 0;
    if (nodePort === 0) continue;
    const path = child(at('spec.ports', index), 'nodePort');
    if (type === 'ClusterIP') into.add(forbiddenField(path, "may not be used when `type` is 'ClusterIP'"));
    const key = `node ${stringAt(port, 'protocol')}/${nodePort}`;
    if (taken.has(key)) into.add(duplicate(path, nodePort));
    taken.add(key);
  }
  for (const [index, port] of ports.entries()) {
    const protocol = stringAt(port, 'protocol');
    const key = `${protocol}/${String(port.port)}`;
    if (taken.has(key)) into.add(duplicate(at('spec.ports', index), { protocol, port: port.port }));
    taken.add(key);
  }
}

function checkAffinity(into: Collector, spec: JsonObject): void {
  into.needsOneOf('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None']);
  const path = 'spec.sessionAffinityConfig';
  if (spec.sessionAffinity === 'None') {
    into.unset(path, spec.sessionAffinityConfig, 'must not be set when session affinity is None');
  }
  if (spec.sessionAffinity !== 'ClientIP') return;
  const seconds = numberAt(spec, 'sessionAffinityConfig', 'clientIP', 'timeoutSeconds') ?? 0;
  if (seconds > 0 && seconds <= affinitySecondsMax) return;
  const detail = `must be greater than 0 and less than ${affinitySecondsMax}`;
  into.add(invalid(`${path}.clientIP.timeoutSeconds`, seconds, detail));
}

function checkBalancer(into: Collector, draft: JsonObject, spec: JsonObject): void {
  const isBalanced = spec.type === 'LoadBalancer';
  const ranges = listAt(spec, 'loadBalancerSourceRanges').map(String);
  const annotated = stringMapAt(draft, 'metadata', 'annotations')[sourceRanges];
  if (ranges.length > 0) {
    const path = 'spec.LoadBalancerSourceRanges';
    if (!isBalanced) into.add(forbiddenField(path, onlyBalanced));
    for (const [index, range] of ranges.entries())
      into.problems(at(path, index), range.trim(), cidrProblems(range.trim()));
  } else if (annotated !== undefined) {
    const path = at('metadata.annotations', sourceRanges);
    if (!isBalanced) into.add(forbiddenField(path, onlyBalanced));
    const texts = annotated.trim() === '' ? [] : annotated.split(',').map((text) => text.trim());
    for (const text of texts) into.problems(path, text, cidrProblems(text));
  }
  if (isBalanced) {
    const name = spec.loadBalancerClass;
    if (typeof name === 'string') into.problems('spec.loadBalancerClass', name, qualifiedNameProblems(name));
    return;
  }
  for (const field of ['allocateLoadBalancerNodePorts', 'loadBalancerClass']) {
    into.unset(child('spec', field), spec[field], onlyBalanced);
  }
}

function checkTrafficPolicies(into: Collector, draft: JsonObject, spec: JsonObject): void {
  const { type, externalTrafficPolicy: external } = spec;
  const isExternal =
    type === 'NodePort' || type === 'LoadBalancer' || (type === 'ClusterIP' && listAt(spec, 'externalIPs').length > 0);
  if (isExternal) into.needsOneOf('spec.externalTrafficPolicy', external, ['Cluster', 'Local']);
  else if (external !== undefined && external !== '') {
    const detail = 'may only be set for externally-accessible services';
    into.add(invalid('spec.externalTrafficPolicy', external, detail));
  }
  const healthPort = numberAt(spec, 'healthCheckNodePort') ?? 0;
  if (healthPort !== 0 && !needsHealthCheckPort(draft)) {
    const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    into.add(invalid('spec.healthCheckNodePort', healthPort, detail));
  } else if (healthPort !== 0) into.problems('spec.healthCheckNodePort', healthPort, portNumberProblems(healthPort));
  into.oneOf('spec.internalTrafficPolicy', spec.internalTrafficPolicy, ['Cluster', 'Local']);
  into.oneOf('spec.trafficDistribution', spec.trafficDistribution, ['PreferClose', 'PreferSameNode', 'PreferSameZone']);
}

/** What a Service keeps for as long as its type has it. */
export function validateServiceUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  checkAddressesKept(into, objectAt(draft, 'spec') ?? {}, objectAt(old, 'spec') ?? {});
  const value = (object: JsonObject | KubeObject, field: string): unknown => valueAt(object, 'spec', field);
  const isBalanced = (object: JsonObject | KubeObject): boolean => value(object, 'type') === 'LoadBalancer';
  if (isBalanced(draft) && isBalanced(old) && value(draft, 'loadBalancerClass') !== value(old, 'loadBalancerClass')) {
    const wanted = value(draft, 'loadBalancerClass') ?? null;
    into.add(invalid('spec.loadBalancerClass', wanted, 'may not change once set'));
  }
  const keepsPort = needsHealthCheckPort(draft) && needsHealthCheckPort(old);
  if (keepsPort && value(draft, 'healthCheckNodePort') !== value(old, 'healthCheckNodePort')) {
    into.add(forbiddenField('spec.healthCheckNodePort', 'field is immutable'));
  }
  return into.errors;
}

/** What a load balancer may report. Source: upstream `ValidateLoadBalancerStatus`. */
export function validateServiceStatus(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const ingresses = objectsAt(draft, 'status', 'loadBalancer', 'ingress');
  if (ingresses.length > 0 && valueAt(draft, 'spec', 'type') !== 'LoadBalancer') {
    const detail = "may only be used when `spec.type` is 'LoadBalancer'";
    return [forbiddenField('status.loadBalancer.ingress', detail)];
  }
  for (const [index, ingress] of ingresses.entries()) {
    const path = at('status.loadBalancer.ingress', index);
    checkBalancerIngress(into, ingress, path);
    if (stringAt(ingress, 'ip') !== '') into.oneOf(child(path, 'ipMode'), ingress.ipMode, ['Proxy', 'VIP']);
    else into.unset(child(path, 'ipMode'), ingress.ipMode, 'may not be specified when `ip` is not set');
  }
  return into.errors;
}
