/**
 * What a Service's fields become before they are checked: defaults, families, what an update leaves out although the Service has it,
 * and what no longer applies after a change of type.
 * Source: upstream `pkg/registry/core/service/{strategy,storage/storage,storage/alloc}.go`.
 */
import type { Service, ServiceSpec } from '#pkg/api/types/core-v1.ts';
import { type Draft, fields, type Given } from '#pkg/apimachinery/draft.ts';
import { semanticallySame, setDefault } from '../../draft.ts';
import { familyOf, type IpFamily } from './address-range.ts';

const clientIpTimeoutSeconds = 10_800;
const addressFields = fields('clusterIP', 'clusterIPs');

/** Whether this type of Service has a cluster IP (`None` included). */
export function needsClusterIp(service: Given<Service> | undefined): boolean {
  const type = service?.spec?.type ?? '';
  return type === 'ClusterIP' || type === 'NodePort' || type === 'LoadBalancer';
}

/** Whether the ports of this Service are to be open on the nodes. */
export function needsNodePorts(service: Given<Service> | undefined): boolean {
  const type = service?.spec?.type ?? '';
  if (type === 'NodePort') return true;
  return type === 'LoadBalancer' && service?.spec?.allocateLoadBalancerNodePorts !== false;
}

/** Whether load balancers have to find out which nodes have pods of this Service. */
export function needsHealthCheckPort(service: Given<Service> | undefined): boolean {
  const spec = service?.spec;
  return (spec?.type ?? '') === 'LoadBalancer' && (spec?.externalTrafficPolicy ?? '') === 'Local';
}

/** Fills in what does not need an allocation. */
export function setServiceDefaults(draft: Draft<Service>): void {
  const spec = draft.spec;
  if (spec === undefined) return;
  setDefault(spec, 'type', 'ClusterIP');
  setSessionAffinity(spec);
  for (const port of spec.ports ?? []) {
    setDefault(port, 'protocol', 'TCP');
    if (port.targetPort === 0) delete port.targetPort;
    setDefault(port, 'targetPort', port.port);
  }
  if (isExternal(spec)) setDefault(spec, 'externalTrafficPolicy', 'Cluster');
  if (needsClusterIp(draft)) setDefault(spec, 'internalTrafficPolicy', 'Cluster');
  if (spec.type === 'LoadBalancer') setDefault(spec, 'allocateLoadBalancerNodePorts', true);
}

function setSessionAffinity(spec: Draft<ServiceSpec>): void {
  setDefault(spec, 'sessionAffinity', 'None');
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity !== 'ClientIP') return;
  if (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds !== undefined) return;
  spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: clientIpTimeoutSeconds } };
}

/** Keeps `clusterIP` and the first of `clusterIPs` the same, whichever of them the client wrote. */
export function normalizeClusterIps(draft: Draft<Service>, old: Given<Service> | undefined): void {
  const spec = draft.spec;
  if (spec === undefined) return;
  const one = spec.clusterIP ?? '';
  const many = spec.clusterIPs ?? [];
  if (old === undefined) {
    if (one !== '' && many.length === 0) spec.clusterIPs = [one];
    return;
  }
  const before = old.spec?.clusterIP ?? '';
  // A client that knows only the old field clears or changes that one; the new field follows.
  if (one === '' && before !== '' && many[0] === before) delete spec.clusterIPs;
  else if (one !== '' && one !== before && many[0] === before) spec.clusterIPs = [one];
  else if (one !== '' && many.length === 0) spec.clusterIPs = [one];
}

/** Gives an update back what it left out and the Service already has. */
export function keepAllocated(draft: Draft<Service>, old: Given<Service>): void {
  const spec = draft.spec;
  const before = old.spec;
  if (spec === undefined || before === undefined) return;
  if (needsClusterIp(old) && needsClusterIp(draft)) {
    setDefault(spec, 'clusterIP', before.clusterIP);
    if ((spec.clusterIPs ?? []).length === 0 && spec.clusterIP === before.clusterIP) {
      spec.clusterIPs = [...(before.clusterIPs ?? [])];
    }
  }
  if (needsNodePorts(old) && needsNodePorts(draft)) keepNodePorts(spec, before);
  if (needsHealthCheckPort(old) && needsHealthCheckPort(draft) && !spec.healthCheckNodePort) {
    spec.healthCheckNodePort = before.healthCheckNodePort;
  }
}

function keepNodePorts(spec: Draft<ServiceSpec>, before: Given<ServiceSpec>): void {
  const kept = new Set((spec.ports ?? []).map((port) => port.nodePort ?? 0));
  const byName = new Map((before.ports ?? []).map((port) => [port.name ?? '', port.nodePort]));
  for (const port of spec.ports ?? []) {
    if (port.nodePort) continue;
    const nodePort = byName.get(port.name ?? '');
    if (nodePort === undefined || kept.has(nodePort)) continue;
    port.nodePort = nodePort;
    kept.add(nodePort);
  }
}

/** Takes away what an old type needed and a new one does not, as long as the client has not set it anew. */
export function dropForType(draft: Draft<Service>, old: Given<Service>): void {
  const spec = draft.spec;
  const before = old.spec;
  if (spec === undefined || before === undefined) return;
  if (needsClusterIp(old) && !needsClusterIp(draft)) {
    const hasSameAddresses = addressFields.every((field) => semanticallySame(spec[field], before[field]));
    if (hasSameAddresses) dropUnchanged(spec, before, addressFields);
    dropUnchanged(spec, before, ['ipFamilies', 'ipFamilyPolicy']);
  }
  if (needsNodePorts(old) && !needsNodePorts(draft)) dropNodePorts(spec, before);
  if (needsHealthCheckPort(old) && !needsHealthCheckPort(draft)) dropUnchanged(spec, before, ['healthCheckNodePort']);
  if (before.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    dropUnchanged(spec, before, ['allocateLoadBalancerNodePorts', 'loadBalancerClass']);
  }
  if (isExternal(before) && !isExternal(spec)) dropUnchanged(spec, before, ['externalTrafficPolicy']);
}

function dropUnchanged(
  spec: Draft<ServiceSpec>,
  before: Given<ServiceSpec>,
  names: readonly (keyof ServiceSpec)[],
): void {
  for (const field of names) if (semanticallySame(spec[field], before[field])) delete spec[field];
}

/** Whether traffic from outside the cluster reaches a Service. */
function isExternal(spec: Given<ServiceSpec>): boolean {
  if (spec.type === 'LoadBalancer' || spec.type === 'NodePort') return true;
  return spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0;
}

function dropNodePorts(spec: Draft<ServiceSpec>, before: Given<ServiceSpec>): void {
  const old = new Set((before.ports ?? []).map((port) => port.nodePort));
  const ports = spec.ports ?? [];
  if (ports.some((port) => port.nodePort && !old.has(port.nodePort))) return;
  for (const port of ports) delete port.nodePort;
}

/**
 * The families of a Service, of those that the cluster has, the primary one first: what it says, what its addresses say, else the primary one; the other one too
 * where it wants both and there are both. A headless Service without a selector names no pods of this cluster, so it may speak of both anyway.
 * Source: `initIPFamilyFields`, KEP-563.
 */
export function setFamilies(
  draft: Draft<Service>,
  old: Given<Service> | undefined,
  configured: readonly IpFamily[],
): void {
  const spec = draft.spec;
  if (spec === undefined || !needsClusterIp(draft) || staysPreferring(spec, old?.spec)) return;
  const isHeadless = spec.clusterIP === 'None' || (spec.clusterIPs ?? [])[0] === 'None';
  const isFree = isHeadless && Object.keys(spec.selector ?? {}).length === 0;
  if (spec.ipFamilyPolicy === undefined) {
    const asBefore = old?.spec?.ipFamilyPolicy;
    const alone = (spec.ipFamilies ?? []).length === 1;
    spec.ipFamilyPolicy = asBefore ?? (isFree && !alone ? 'RequireDualStack' : 'SingleStack');
  }
  if (spec.ipFamilyPolicy === 'SingleStack') dropSecondary(spec, old?.spec);
  const families = [...(spec.ipFamilies ?? [])];
  for (const [index, ip] of (spec.clusterIPs ?? []).entries()) {
    const family = familyOf(ip);
    if (family !== undefined && index >= families.length) families.push(family);
  }
  const [primary = 'IPv4'] = configured;
  if (families.length === 0) families.push(primary);
  const other = families[0] === 'IPv4' ? 'IPv6' : 'IPv4';
  const wantsBoth = spec.ipFamilyPolicy !== 'SingleStack' && families.length === 1;
  if (wantsBoth && (isFree || configured.length > 1)) families.push(other);
  spec.ipFamilies = families;
}

/** A Service that would like both keeps the one it has when the cluster gets another. Source: `isMatchingPreferDualStackClusterIPFields`. */
function staysPreferring(spec: Draft<ServiceSpec>, before: Given<ServiceSpec> | undefined): boolean {
  if (spec.ipFamilyPolicy !== 'PreferDualStack' || before?.ipFamilyPolicy !== 'PreferDualStack') return false;
  if (spec.type === 'ExternalName' || before.type === 'ExternalName') return false;
  return semanticallySame(spec.clusterIPs, before.clusterIPs) && semanticallySame(spec.ipFamilies, before.ipFamilies);
}

/** Who says of a Service with both families that it is to have one gives up the second. */
function dropSecondary(spec: Draft<ServiceSpec>, before: Given<ServiceSpec> | undefined): void {
  if (before === undefined) return;
  for (const name of fields('clusterIPs', 'ipFamilies')) {
    const now = spec[name] ?? [];
    if (now.length > 1 && semanticallySame(now, before[name])) spec[name] = now.slice(0, 1);
  }
}

/** A new Service's status. */
export function resetStatus(draft: Draft<Service>): void {
  draft.status = { loadBalancer: {} };
}
