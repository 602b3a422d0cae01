/**
 * Rules for the cluster IPs of a Service and their families. Source: upstream `ValidateServiceClusterIPsRelatedFields`,
 * `validateUpgradeDowngradeClusterIPs`, and `initIPFamilyFields`.
 */
import type { Service, ServiceSpec } from '#pkg/api/types/core-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import { at, child, duplicate, invalid, pathsOf, required } from '#pkg/apimachinery/field-error.ts';
import { ipProblems } from '#pkg/apimachinery/names.ts';
import type { Collector } from '../../validation/collector.ts';
import { isIpv6 } from '../../validation/ips.ts';
import type { IpFamily } from './address-range.ts';

const field = pathsOf<Service>();
const ipsPath = field('spec.clusterIPs');
const familiesPath = field('spec.ipFamilies');

/** Whether a Service says that it wants no cluster IP. */
export function isHeadless(spec: Given<ServiceSpec>): boolean {
  const ips = spec.clusterIPs ?? [];
  return ips.length === 1 && ips[0] === 'None';
}

function hasNoAddresses(spec: Given<ServiceSpec>): boolean {
  return spec.type === 'ExternalName';
}

/** Checks the addresses that are asked for or were given. */
export function checkClusterIps(into: Collector, spec: Given<ServiceSpec>, families: readonly IpFamily[]): void {
  if (hasNoAddresses(spec)) return;
  const ips = spec.clusterIPs ?? [];
  const one = spec.clusterIP ?? '';
  if (one !== '' && ips.length === 0) into.add(required(ipsPath));
  else if (one !== '' && ips[0] !== one) into.add(invalid(ipsPath, ips, 'first value must match `clusterIP`'));
  else if (one === '' && ips.length > 0) {
    into.add(invalid(ipsPath, ips, 'must be empty when `clusterIP` is not specified'));
  }
  checkFamilies(into, spec, families);
  if (!areAddresses(into, ips)) return;
  if (ips.length > 1 && (ips.length > 2 || isIpv6(ips[0]!) === isIpv6(ips[1]!))) {
    into.add(invalid(ipsPath, ips, 'may specify no more than one IP for each IP family'));
  }
  if (isHeadless(spec)) return;
  for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
    const ip = ips[index];
    if (ip === undefined || isIpv6(ip) === (family === 'IPv6')) continue;
    const detail = `expected an ${String(family)} value as indicated by \`ipFamilies[${index}]\``;
    into.add(invalid(at(ipsPath, index), ip, detail));
  }
}

/** Returns whether all of them are, or there is only `None`. */
function areAddresses(into: Collector, ips: readonly string[]): boolean {
  const before = into.errors.length;
  for (const [index, ip] of ips.entries()) {
    if (index > 0 || ip !== 'None') into.problems(at(ipsPath, index), ip, ipProblems(ip));
    else if (ips.length > 1) into.add(invalid(ipsPath, ips, "'None' must be the first and only value"));
  }
  if (ips.length > 2) into.add(invalid(ipsPath, ips, 'may only hold up to 2 values'));
  return into.errors.length === before;
}

const known: ReadonlySet<string> = new Set(['IPv4', 'IPv6']);

/** `configured` are the families of the cluster. */
function checkFamilies(into: Collector, spec: Given<ServiceSpec>, configured: readonly string[]): void {
  const families = spec.ipFamilies ?? [];
  const policy = spec.ipFamilyPolicy;
  into.oneOf(field('spec.ipFamilyPolicy'), policy, ['PreferDualStack', 'RequireDualStack', 'SingleStack']);
  for (const [index, family] of families.entries()) {
    into.oneOf(at(familiesPath, index), family, ['IPv4', 'IPv6']);
    if (families.indexOf(family) < index) into.add(duplicate(at(familiesPath, index), family));
  }
  if (policy === 'SingleStack') {
    for (const name of fields('ipFamilies', 'clusterIPs')) {
      if ((spec[name] ?? []).length <= 1) continue;
      const detail = `must be RequireDualStack or PreferDualStack when multiple '${name}' are specified`;
      into.add(invalid(field('spec.ipFamilyPolicy'), policy, detail));
    }
  }
  // Without a selector and a cluster IP a Service names nothing of this cluster, so it may speak of any family.
  if (isHeadless(spec) && Object.keys(spec.selector ?? {}).length === 0) return;
  for (const [index, family] of families.entries()) {
    if (known.has(family) && !configured.includes(family))
      into.add(invalid(at(familiesPath, index), family, 'not configured on this cluster'));
  }
  if (policy !== 'RequireDualStack' || configured.length > 1) return;
  into.add(invalid(field('spec.ipFamilyPolicy'), policy, 'this cluster is not configured for dual-stack services'));
}

const fixedDetail = 'may not change once set';

/** Checks that a Service keeps what it was given: its first address and family for good, further ones unless it says otherwise. */
export function checkAddressesKept(into: Collector, spec: Given<ServiceSpec>, before: Given<ServiceSpec>): void {
  if (hasNoAddresses(spec) || hasNoAddresses(before) || (isHeadless(spec) && isHeadless(before))) return;
  checkKept(into, { spec, before, name: 'clusterIPs', unset: 'primary clusterIP can not be unset' });
  if (isHeadless(spec) !== isHeadless(before)) return;
  checkKept(into, { spec, before, name: 'ipFamilies', unset: 'primary ipFamily can not be unset' });
}

interface KeptList {
  readonly spec: Given<ServiceSpec>;
  readonly before: Given<ServiceSpec>;
  readonly name: 'clusterIPs' | 'ipFamilies';
  readonly unset: string;
}

function checkKept(into: Collector, { spec, before, name, unset }: KeptList): void {
  const now = spec[name] ?? [];
  const was = before[name] ?? [];
  const path = child(field('spec'), name);
  const released = name === 'clusterIPs' ? 'clusterIP' : 'ipFamily';
  if (was.length > now.length && now.length === 0) into.add(invalid(at(path, 0), null, unset));
  const compared = was.length === now.length ? was.length : Math.min(1, was.length, now.length);
  for (let index = 0; index < compared; index++) {
    if (now[index] !== was[index]) into.add(invalid(at(path, index), now, fixedDetail));
  }
  if (was.length <= now.length || now.length !== 1 || spec.ipFamilyPolicy === 'SingleStack') return;
  const detail = `must be set to 'SingleStack' when releasing the secondary ${released}`;
  into.add(invalid(field('spec.ipFamilyPolicy'), spec.ipFamilyPolicy ?? null, detail));
}
