/** Rules about IP addresses. Source: upstream `ValidateNonSpecialIP`, KEP-4858 (no IPv4 addresses written as IPv6). */
import type { LoadBalancerIngress } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { child, type FieldPath, invalid } from '#pkg/apimachinery/field-error.ts';
import { type IpAddress, parseIp } from '#pkg/apimachinery/ip.ts';
import { dns1123SubdomainProblems, ipProblems } from '#pkg/apimachinery/names.ts';
import type { Collector } from './collector.ts';

/** What a server whose pods and Services live in 127/8 lets through. */
export interface IpRules {
  /** Whether addresses of endpoints may be loopback addresses, as they are on the loopback network. */
  readonly allowsLoopback: boolean;
}

interface SpecialRange {
  readonly holds: (ip: IpAddress) => boolean;
  readonly detail: (text: string) => string;
  readonly isLoopback?: boolean;
}

const isV4 = (ip: IpAddress): boolean => ip.length === 4;
const restIsZero = (ip: IpAddress, from = 0): boolean => ip.slice(from).every((byte) => byte === 0);

const specialRanges: readonly SpecialRange[] = [
  { holds: (ip) => restIsZero(ip), detail: (text) => `may not be unspecified (${text})` },
  {
    holds: (ip) => (isV4(ip) ? ip[0] === 127 : restIsZero(ip.slice(0, 15)) && ip[15] === 1),
    detail: () => 'may not be in the loopback range (127.0.0.0/8, ::1/128)',
    isLoopback: true,
  },
  {
    holds: (ip) => (isV4(ip) ? ip[0] === 169 && ip[1] === 254 : ip[0] === 0xfe && (ip[1]! & 0xc0) === 0x80),
    detail: () => 'may not be in the link-local range (169.254.0.0/16, fe80::/10)',
  },
  {
    holds: (ip) =>
      isV4(ip) ? ip[0] === 224 && ip[1] === 0 && ip[2] === 0 : ip[0] === 0xff && (ip[1]! & 0x0f) === 0x02,
    detail: () => 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)',
  },
];

/** Refuses what is no address; returns whether it is one. */
export function checkIp(into: Collector, text: string, path: FieldPath): boolean {
  const problems = ipProblems(text);
  into.problems(path, text, problems);
  return problems.length === 0;
}

/** Checks the address and the name at which a load balancer says it is reached. */
export function checkBalancerIngress(
  into: Collector,
  ingress: Given<LoadBalancerIngress>,
  path: FieldPath<LoadBalancerIngress>,
): void {
  const [ip, hostname] = [ingress.ip ?? '', ingress.hostname ?? ''];
  if (ip !== '') checkIp(into, ip, child(path, 'ip'));
  into.mayName(child(path, 'hostname'), hostname, dns1123SubdomainProblems);
  if (hostname === '' || ipProblems(hostname).length > 0) return;
  into.add(invalid(child(path, 'hostname'), hostname, 'must be a DNS name, not an IP address'));
}

/** Refuses addresses that mean something else on every machine; what is no address passes. */
export function checkNotSpecialIp(
  into: Collector,
  text: string,
  { path, allowsLoopback }: IpRules & { readonly path: FieldPath },
): void {
  const ip = parseIp(text);
  if (ip === undefined) return;
  for (const range of specialRanges) {
    if (range.isLoopback === true && allowsLoopback) continue;
    if (range.holds(ip)) into.add(invalid(path, text, range.detail(text)));
  }
}

/** Whether a text is an IPv6 address; false for what is no address. */
export function isIpv6(text: string): boolean {
  return parseIp(text)?.length === 16;
}
