/** The file `resolv.conf` of a pod. Pure. Source: resolv.conf(5). */
import type { DnsConfig } from './container-config.ts';

/** Its text: at most one line of searches and one of options. */
export function resolvConfText({ servers, searches, options }: DnsConfig): string {
  const lines = [
    ...(searches.length === 0 ? [] : [`search ${searches.join(' ')}`]),
    ...servers.map((server) => `nameserver ${server}`),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
  ];
  return lines.map((line) => `${line}\n`).join('');
}
