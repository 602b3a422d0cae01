/** Texts about addresses that several printers share. */
import type { LoadBalancerStatus } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';

/** `ip:port`, with brackets around an IPv6 address. */
export function joinHostPort(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** The addresses a load balancer gave, sorted and joined, `''` when there are none yet. */
export function loadBalancerText(loadBalancer: Given<LoadBalancerStatus> | undefined): string {
  const addresses = (loadBalancer?.ingress ?? []).map((ingress) => (ingress.ip ?? '') || (ingress.hostname ?? ''));
  return [...new Set(addresses.filter((address) => address !== ''))].sort().join(',');
}

/** The first `shownMax` texts, and how many more there are. */
export function moreText(texts: readonly string[], shownMax: number): string {
  const shown = texts.slice(0, shownMax).join(',');
  return texts.length > shownMax ? `${shown} + ${texts.length - shownMax} more...` : shown;
}
