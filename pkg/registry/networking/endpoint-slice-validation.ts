/** Rules for endpoint slices. Source: upstream `pkg/apis/discovery/validation`. */

import type { Endpoint, EndpointPort, EndpointSlice, ForZone } from '#pkg/api/types/discovery-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  invalid,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  labelValueProblems,
  qualifiedNameProblems,
} from '#pkg/apimachinery/names.ts';
import { Collector } from '../validation/collector.ts';
import { fullyQualifiedDomainErrors } from '../validation/domain-names.ts';
import { checkIp, checkNotSpecialIp, type IpRules, isIpv6 } from '../validation/ips.ts';
import { labelsErrors } from '../validation/selector.ts';

const field = pathsOf<EndpointSlice>();

/** Most addresses of one endpoint, endpoints and ports of one slice, labels and hints of one endpoint. */
const addressesMax = 100;
const endpointsMax = 1000;
const portsMax = 20_000;
const topologyLabelsMax = 16;
const hintsMax = 8;

/** What is wrong with an `EndpointSlice`. Source: upstream `ValidateEndpointSlice`. */
export function validateEndpointSlice(draft: Given<EndpointSlice>, rules: IpRules): readonly FieldError[] {
  const into = new Collector();
  into.needsOneOf(field('addressType'), draft.addressType, ['FQDN', 'IPv4', 'IPv6']);
  const endpoints = draft.endpoints ?? [];
  into.atMost(field('endpoints'), endpoints, endpointsMax);
  if (endpoints.length <= endpointsMax) {
    for (const [index, endpoint] of endpoints.entries()) {
      const path = at(field('endpoints'), index);
      checkEndpoint(into, endpoint, { path, type: draft.addressType ?? '', ...rules });
    }
  }
  const ports = draft.ports ?? [];
  into.atMost(field('ports'), ports, portsMax);
  if (ports.length <= portsMax) checkPorts(into, ports);
  return into.errors;
}

interface Place<T> extends IpRules {
  readonly path: FieldPath<T>;
  readonly type: string;
}

function checkEndpoint(
  into: Collector,
  endpoint: Given<Endpoint>,
  { path, type, allowsLoopback }: Place<Endpoint>,
): void {
  const own = child(path, 'addresses');
  const addresses = endpoint.addresses ?? [];
  if (addresses.length === 0) into.add(required(own, 'must contain at least 1 address'));
  into.atMost(own, addresses, addressesMax);
  for (const [index, address] of addresses.entries()) {
    checkAddress(into, address, { path: at(own, index), type, allowsLoopback });
  }
  into.mayName(child(path, 'nodeName'), endpoint.nodeName, dns1123SubdomainProblems);
  const topology = endpoint.deprecatedTopology ?? {};
  into.atMost(child(path, 'deprecatedTopology'), Object.keys(topology), topologyLabelsMax);
  into.add(...labelsErrors(topology, child(path, 'deprecatedTopology')));
  into.mayName(child(path, 'hostname'), endpoint.hostname, dns1123LabelProblems);
  const hints = endpoint.hints;
  if (hints === undefined) return;
  checkHints(into, hints.forZones ?? [], { path: child(path, 'hints.forZones'), rule: labelValueProblems });
  checkHints(into, hints.forNodes ?? [], {
    path: child(path, 'hints.forNodes'),
    rule: dns1123SubdomainProblems,
  });
}

function checkAddress(into: Collector, address: string, { path, type, allowsLoopback }: Place<string>): void {
  if (type === 'FQDN') into.add(...fullyQualifiedDomainErrors(address, path));
  if (type !== 'IPv4' && type !== 'IPv6') return;
  if (!checkIp(into, address, path)) return;
  if (isIpv6(address) !== (type === 'IPv6')) into.add(invalid(path, address, `must be an ${type} address`));
  checkNotSpecialIp(into, address, { path, allowsLoopback });
}

function checkHints(
  into: Collector,
  hints: readonly Given<ForZone>[],
  { path, rule }: { readonly path: FieldPath<readonly ForZone[]>; readonly rule: (name: string) => readonly string[] },
): void {
  into.atMost(path, hints, hintsMax);
  if (hints.length > hintsMax) return;
  const seen = new Set<string>();
  for (const [index, hint] of hints.entries()) {
    const own = child(at(path, index), 'name');
    const name = hint.name ?? '';
    if (seen.has(name)) into.add(duplicate(own, name));
    seen.add(name);
    into.problems(own, name, rule(name));
  }
}

function checkPorts(into: Collector, ports: readonly Given<EndpointPort>[]): void {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const path = at(field('ports'), index);
    const name = port.name ?? '';
    into.mayName(child(path, 'name'), name, dns1123LabelProblems);
    if (names.has(name)) into.add(duplicate(child(path, 'name'), name));
    names.add(name);
    into.needsOneOf(child(path, 'protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
    into.mayName(child(path, 'appProtocol'), port.appProtocol, qualifiedNameProblems);
  }
}

/** What is wrong with a change of an `EndpointSlice`: its address type stays. */
export function validateEndpointSliceUpdate(
  draft: Given<EndpointSlice>,
  old: Given<EndpointSlice>,
): readonly FieldError[] {
  const into = new Collector();
  into.unchanged(field('addressType'), draft.addressType, old.addressType);
  return into.errors;
}
