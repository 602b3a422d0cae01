/** Rules for Services. Source: upstream `ValidateService`, `ValidateServiceUpdate`, `ValidateServiceClusterIPsRelatedFields`. */
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
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  ipProblems,
  portNameProblems,
  portNumberProblems,
} from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { listAt, numberAt, objectAt, objectsAt, stringAt, stringMapAt } from '../../draft.ts';
import { Collector } from '../../validation/collector.ts';
import { labelsErrors } from '../../validation/selector.ts';
import { needsClusterIp, needsHealthCheckPort } from './normalize.ts';

const affinitySecondsMax = 86_400;
const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];

export function validateService(draft: JsonObject): readonly FieldError[] {
  const into = new Collector();
  const spec = objectAt(draft, 'spec');
  if (spec === undefined) return into.errors;
  const isHeadless = spec.clusterIP === 'None';
  const type = stringAt(spec, 'type');
  if (listAt(spec, 'ports').length === 0 && !isHeadless && type !== 'ExternalName') into.add(required('spec.ports'));
  checkType(into, spec, { type, isHeadless });
  checkPorts(into, spec, type);
  into.add(...labelsErrors(stringMapAt(spec, 'selector'), 'spec.selector'));
  checkAffinity(into, spec);
  checkAddresses(into, draft, spec);
  checkTrafficPolicies(into, draft, spec);
  return into.errors;
}

function checkType(
  into: Collector,
  spec: JsonObject,
  { type, isHeadless }: { type: string; isHeadless: boolean },
): void {
  into.oneOf('spec.type', type, types);
  if (isHeadless && type === 'LoadBalancer') {
    into.add(invalid('spec.clusterIPs[0]', 'None', "may not be set to 'None' for LoadBalancer services"));
  }
  if (isHeadless && type === 'NodePort') {
    into.add(invalid('spec.clusterIPs[0]', 'None', "may not be set to 'None' for NodePort services"));
  }
  if (type !== 'ExternalName') return;
  if (listAt(spec, 'clusterIPs').length > 0) {
    into.add(forbiddenField('spec.clusterIPs', "may not be set when `type` is 'ExternalName'"));
  }
  // A final dot is what DNS writes after a full name.
  const name = stringAt(spec, 'externalName').replace(/\.$/, '');
  if (name === '') into.add(required('spec.externalName'));
  else into.problems('spec.externalName', name, dns1123SubdomainProblems(name));
}

function checkPorts(into: Collector, spec: JsonObject, type: string): void {
  const ports = objectsAt(spec, 'ports');
  const names = new Set<string>();
  const numbers = new Set<string>();
  const nodePorts = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const path = at('spec.ports', index);
    checkPort(into, port, { path, names, needsName: ports.length > 1 });
    const protocol = stringAt(port, 'protocol');
    const key = `${protocol}/${String(port.port)}`;
    if (numbers.has(key)) into.add(duplicate(path, { protocol, port: port.port }));
    numbers.add(key);
    const nodePort = numberAt(port, 'nodePort') ?? 0;
    if (nodePort === 0) continue;
    const own = child(path, 'nodePort');
    if (type === 'ClusterIP' || type === 'ExternalName') {
      into.add(forbiddenField(own, `may not be used when \`type\` is '${type}'`));
    }
    if (nodePorts.has(`${protocol}/${nodePort}`)) into.add(duplicate(own, nodePort));
    nodePorts.add(`${protocol}/${nodePort}`);
  }
}

function checkPort(
  into: Collector,
  port: JsonObject,
  { path, names, needsName }: { path: FieldPath; names: Set<string>; needsName: boolean },
): void {
  const name = stringAt(port, 'name');
  if (name === '') {
    if (needsName) into.add(required(child(path, 'name')));
  } else {
    into.problems(child(path, 'name'), name, dns1123LabelProblems(name));
    if (names.has(name)) into.add(duplicate(child(path, 'name'), name));
    names.add(name);
  }
  into.problems(child(path, 'port'), port.port ?? 0, portNumberProblems(numberAt(port, 'port') ?? 0));
  into.oneOf(child(path, 'protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
  const target = port.targetPort;
  if (typeof target === 'number') into.problems(child(path, 'targetPort'), target, portNumberProblems(target));
  if (typeof target === 'string') into.problems(child(path, 'targetPort'), target, portNameProblems(target));
}

function checkAffinity(into: Collector, spec: JsonObject): void {
  into.oneOf('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None']);
  const seconds = numberAt(spec, 'sessionAffinityConfig', 'clientIP', 'timeoutSeconds');
  if (seconds === undefined || (seconds > 0 && seconds <= affinitySecondsMax)) return;
  const path = 'spec.sessionAffinityConfig.clientIP.timeoutSeconds';
  into.add(invalid(path, seconds, `must be greater than 0 and less than ${affinitySecondsMax}`));
}

function checkAddresses(into: Collector, draft: JsonObject, spec: JsonObject): void {
  const clusterIps = listAt(spec, 'clusterIPs').map(String);
  if (needsClusterIp(draft)) {
    for (const [index, ip] of clusterIps.entries()) {
      const isNone = ip === 'None' && clusterIps.length === 1;
      if (!isNone) into.problems(at('spec.clusterIPs', index), ip, ipProblems(ip));
    }
    if (clusterIps.length > 1) {
      into.add(
        invalid('spec.clusterIPs', clusterIps, 'this cluster has one IP family, so that a Service has one cluster IP'),
      );
    }
    if (stringAt(spec, 'clusterIP') !== (clusterIps[0] ?? '')) {
      into.add(invalid('spec.clusterIPs', clusterIps, 'first value must match `clusterIP`'));
    }
    checkFamilies(into, spec);
  }
  for (const [index, ip] of listAt(spec, 'externalIPs').entries()) {
    into.problems(at('spec.externalIPs', index), ip, ipProblems(String(ip)));
  }
}

function checkFamilies(into: Collector, spec: JsonObject): void {
  into.oneOf('spec.ipFamilyPolicy', spec.ipFamilyPolicy, ['PreferDualStack', 'RequireDualStack', 'SingleStack']);
  const isHeadlessWithoutSelector =
    spec.clusterIP === 'None' && Object.keys(stringMapAt(spec, 'selector')).length === 0;
  for (const [index, family] of listAt(spec, 'ipFamilies').entries()) {
    into.oneOf(at('spec.ipFamilies', index), family, ['IPv4', 'IPv6']);
    if (family === 'IPv6' && !isHeadlessWithoutSelector) {
      into.add(invalid(at('spec.ipFamilies', index), family, 'not configured on this cluster'));
    }
  }
  if (spec.ipFamilyPolicy === 'RequireDualStack' && !isHeadlessWithoutSelector) {
    const detail = 'this cluster is not configured for dual-stack services';
    into.add(invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, detail));
  }
}

function checkTrafficPolicies(into: Collector, draft: JsonObject, spec: JsonObject): void {
  const type = stringAt(spec, 'type');
  const external = spec.externalTrafficPolicy;
  const isExternal = type === 'NodePort' || type === 'LoadBalancer';
  const hasExternal = isExternal || (type === 'ClusterIP' && listAt(spec, 'externalIPs').length > 0);
  if (hasExternal) into.oneOf('spec.externalTrafficPolicy', external, ['Cluster', 'Local']);
  else if (external !== undefined && external !== '') {
    const detail = 'may only be set for externally-accessible services';
    into.add(invalid('spec.externalTrafficPolicy', external, detail));
  }
  into.oneOf('spec.internalTrafficPolicy', spec.internalTrafficPolicy, ['Cluster', 'Local']);
  const healthPort = numberAt(spec, 'healthCheckNodePort') ?? 0;
  if (healthPort !== 0 && !needsHealthCheckPort(draft)) {
    const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    into.add(invalid('spec.healthCheckNodePort', healthPort, detail));
  }
  if (type === 'LoadBalancer') return;
  for (const field of ['allocateLoadBalancerNodePorts', 'loadBalancerClass']) {
    if (spec[field] === undefined) continue;
    into.add(forbiddenField(child('spec', field), "may only be used when `type` is 'LoadBalancer'"));
  }
}

/** A Service keeps its cluster IP for as long as its type has one. */
export function validateServiceUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  if (!needsClusterIp(old) || !needsClusterIp(draft)) return [];
  const was = listAt(old, 'spec', 'clusterIPs');
  const now = listAt(draft, 'spec', 'clusterIPs');
  if (was.length === 0) return [];
  if (now.length === 0) return [invalid('spec.clusterIPs[0]', null, 'primary clusterIP can not be unset')];
  return was[0] === now[0] ? [] : [invalid('spec.clusterIPs[0]', now, 'may not change once set')];
}
