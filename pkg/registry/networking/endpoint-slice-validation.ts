/** Rules for endpoint slices. Source: upstream `pkg/apis/discovery/validation`. */
import {
  at,
  child,
  duplicate,
  type FieldError,
  type FieldPath,
  invalid,
  required,
} from '#pkg/apimachinery/field-error.ts';
import {
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  labelValueProblems,
  qualifiedNameProblems,
} from '#pkg/apimachinery/names.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { fieldsOf, listAt, objectAt, objectsAt, stringAt, stringMapAt } from '../draft.ts';
import { Collector } from '../validation/collector.ts';
import { fullyQualifiedDomainErrors } from '../validation/domain-names.ts';
import { checkIp, checkNotSpecialIp, type IpRules, isIpv6 } from '../validation/ips.ts';
import { labelsErrors } from '../validation/selector.ts';

/** Most addresses of one endpoint, endpoints and ports of one slice, labels and hints of one endpoint. */
const addressesMax = 100;
const endpointsMax = 1000;
const portsMax = 20_000;
const topologyLabelsMax = 16;
const hintsMax = 8;

/** What is wrong with an `EndpointSlice`. Source: upstream `ValidateEndpointSlice`. */
export function validateEndpointSlice(draft: JsonObject, rules: IpRules): readonly FieldError[] {
  const into = new Collector();
  into.needsOneOf('addressType', draft.addressType, ['FQDN', 'IPv4', 'IPv6']);
  const endpoints = objectsAt(draft, 'endpoints');
  into.atMost('endpoints', endpoints, endpointsMax);
  if (endpoints.length <= endpointsMax) {
    for (const [index, endpoint] of endpoints.entries()) {
      const path = at('endpoints', index);
      checkEndpoint(into, endpoint, { path, type: stringAt(draft, 'addressType'), ...rules });
    }
  }
  const ports = objectsAt(draft, 'ports');
  into.atMost('ports', ports, portsMax);
  if (ports.length <= portsMax) checkPorts(into, ports);
  return into.errors;
}

interface Place extends IpRules {
  readonly path: FieldPath;
  readonly type: string;
}

function checkEndpoint(into: Collector, endpoint: JsonObject, { path, type, allowsLoopback }: Place): void {
  const own = child(path, 'addresses');
  const addresses = listAt(endpoint, 'addresses').map(String);
  if (addresses.length === 0) into.add(required(own, 'must contain at least 1 address'));
  into.atMost(own, addresses, addressesMax);
  for (const [index, address] of addresses.entries()) {
    checkAddress(into, address, { path: at(own, index), type, allowsLoopback });
  }
  into.mayName(child(path, 'nodeName'), endpoint.nodeName, dns1123SubdomainProblems);
  const topology = stringMapAt(endpoint, 'deprecatedTopology');
  into.atMost(child(path, 'deprecatedTopology'), Object.keys(topology), topologyLabelsMax);
  into.add(...labelsErrors(topology, child(path, 'deprecatedTopology')));
  into.mayName(child(path, 'hostname'), endpoint.hostname, dns1123LabelProblems);
  const hints = objectAt(endpoint, 'hints');
  if (hints === undefined) return;
  checkHints(into, objectsAt(hints, 'forZones'), { path: child(path, 'hints.forZones'), rule: labelValueProblems });
  checkHints(into, objectsAt(hints, 'forNodes'), {
    path: child(path, 'hints.forNodes'),
    rule: dns1123SubdomainProblems,
  });
}

function checkAddress(into: Collector, address: string, { path, type, allowsLoopback }: Place): void {
  if (type === 'FQDN') into.add(...fullyQualifiedDomainErrors(address, path));
  if (type !== 'IPv4' && type !== 'IPv6') return;
  if (!checkIp(into, address, path)) return;
  if (isIpv6(address) !== (type === 'IPv6')) into.add(invalid(path, address, `must be an ${type} address`));
  checkNotSpecialIp(into, address, { path, allowsLoopback });
}

function checkHints(
  into: Collector,
  hints: readonly JsonObject[],
  { path, rule }: { readonly path: FieldPath; readonly rule: (name: string) => readonly string[] },
): void {
  into.atMost(path, hints, hintsMax);
  if (hints.length > hintsMax) return;
  const seen = new Set<string>();
  for (const [index, hint] of hints.entries()) {
    const own = child(at(path, index), 'name');
    const name = stringAt(hint, 'name');
    if (seen.has(name)) into.add(duplicate(own, name));
    seen.add(name);
    into.problems(own, name, rule(name));
  }
}

function checkPorts(into: Collector, ports: readonly JsonObject[]): void {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const path = at('ports', index);
    const name = stringAt(port, 'name');
    into.mayName(child(path, 'name'), name, dns1123LabelProblems);
    if (names.has(name)) into.add(duplicate(child(path, 'name'), name));
    names.add(name);
    into.needsOneOf(child(path, 'protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
    into.mayName(child(path, 'appProtocol'), port.appProtocol, qualifiedNameProblems);
  }
}

/** What is wrong with a change of an `EndpointSlice`: its address type stays. */
export function validateEndpointSliceUpdate(draft: JsonObject, old: KubeObject): readonly FieldError[] {
  const into = new Collector();
  into.unchanged('addressType', draft.addressType, fieldsOf(old).addressType);
  return into.errors;
}
