/** Rules for the addresses of Services: ranges, and single ones. Source: upstream `ValidateServiceCIDR`, `ValidateIPAddress`. */

import type { IPAddress, ServiceCIDR } from '#pkg/api/types/networking-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldError, invalid, pathsOf, required } from '#pkg/apimachinery/field-error.ts';
import { formatIp, isMappedIpv4, parseIp } from '#pkg/apimachinery/ip.ts';
import { cidrProblems, dns1123SubdomainProblems, ipProblems, pathSegmentProblems } from '#pkg/apimachinery/names.ts';
import { textBefore } from '#pkg/base/text-before.ts';
import { Collector } from '../validation/collector.ts';
import { isIpv6 } from '../validation/ips.ts';

const field = pathsOf<IPAddress>();

const cidrsPath = pathsOf<ServiceCIDR>()('spec.cidrs');

/** Four numbers of which some readers take those with a leading zero as octal. */
const leadingZeros = /^(?:0*(?:25[0-5]|2[0-4]\d|1\d\d|\d?\d)(?:\.(?!$)|$)){4}$/;

function cidrsOf(object: Given<ServiceCIDR>): readonly string[] {
  return object.spec?.cidrs ?? [];
}

function checkCidrs(into: Collector, cidrs: readonly string[]): void {
  if (cidrs.length === 0) into.add(required(cidrsPath, 'at least one CIDR required'));
  if (cidrs.length > 2) {
    into.add(invalid(cidrsPath, { cidrs }, 'may only hold up to 2 values'));
    return;
  }
  for (const [index, cidr] of cidrs.entries()) into.problems(at(cidrsPath, index), cidr, cidrProblems(cidr));
  const [first, second] = cidrs.map((cidr) => isIpv6(textBefore(cidr, '/')));
  if (cidrs.length < 2 || first !== second) return;
  const detail = 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64';
  into.add(invalid(cidrsPath, cidrs, detail));
}

/** What is wrong with a `ServiceCIDR`. Source: upstream `ValidateServiceCIDR`. */
export function validateServiceCidr(draft: Given<ServiceCIDR>): readonly FieldError[] {
  const into = new Collector();
  checkCidrs(into, cidrsOf(draft));
  return into.errors;
}

/** A range stays; a second one, of the other family, may join it. */
export function validateServiceCidrUpdate(draft: Given<ServiceCIDR>, old: Given<ServiceCIDR>): readonly FieldError[] {
  const into = new Collector();
  const now = cidrsOf(draft);
  const was = cidrsOf(old);
  if (now.length !== was.length && !(was.length === 1 && now.length === 2)) {
    return [invalid(cidrsPath, now, 'field is immutable')];
  }
  for (const [index, cidr] of was.entries()) into.unchanged(at(cidrsPath, index), now[index], cidr);
  return into.errors;
}

/** What keeps a text from being the one name of an address. Source: upstream `IsValidIP`. */
function canonicalIpProblems(text: string): readonly string[] {
  const ip = parseIp(text);
  if (ip === undefined) return leadingZeros.test(text) ? ['must not have leading 0s'] : ipProblems(text);
  if (isMappedIpv4(ip)) return ['must not be an IPv4-mapped IPv6 address'];
  const canonical = formatIp(ip);
  return canonical === text ? [] : [`must be in canonical form ("${canonical}")`];
}

/** What is wrong with an `IPAddress`. Source: upstream `ValidateIPAddress`. */
export function validateIpAddress(draft: Given<IPAddress>): readonly FieldError[] {
  const into = new Collector();
  const name = draft.metadata?.name ?? '';
  if (name !== '') into.problems(field('metadata.name'), name, canonicalIpProblems(name));
  const parent = draft.spec?.parentRef;
  const path = field('spec.parentRef');
  if (parent === undefined) {
    into.add(required(path));
    return into.errors;
  }
  into.mayName(child(path, 'group'), parent.group, dns1123SubdomainProblems);
  for (const each of fields('resource', 'name')) into.needsName(child(path, each), parent[each], pathSegmentProblems);
  into.mayName(child(path, 'namespace'), parent.namespace, pathSegmentProblems);
  return into.errors;
}

/** What is wrong with a change of an `IPAddress`: its parent stays. */
export function validateIpAddressUpdate(draft: Given<IPAddress>, old: Given<IPAddress>): readonly FieldError[] {
  const into = new Collector();
  into.unchanged(field('spec.parentRef'), draft.spec?.parentRef, old.spec?.parentRef);
  return into.errors;
}
