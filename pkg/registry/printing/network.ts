/** Texts about addresses that several printers share. */
import { objectsAt, stringAt } from '../draft.ts';

/** `ip:port`, with brackets around an IPv6 address. */
export function joinHostPort(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** The addresses a load balancer gave, sorted and joined, `''` when there are none yet. */
export function loadBalancerText(loadBalancer: unknown): string {
  const addresses = objectsAt(loadBalancer, 'ingress').map(
    (ingress) => stringAt(ingress, 'ip') || stringAt(ingress, 'hostname'),
  );
  return [...new Set(addresses.filter((address) => address !== ''))].sort().join(',');
}

/** The first `shownMax` texts, and how many more there are. */
export function moreText(texts: readonly string[], shownMax: number): string {
  const shown = texts.slice(0, shownMax).join(',');
  return texts.length > shownMax ? `${shown} + ${texts.length - shownMax} more...` : shown;
}
