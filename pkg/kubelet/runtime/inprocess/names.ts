/** The names of a pod for its programs: the file `resolv.conf`, and the same for programs, which ask servers at other ports too. Source: resolv.conf(5). */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ndotsDefault, numberOption } from '#pkg/network/resolv-conf.ts';
import type { DnsConfig } from '../container-config.ts';
import { resolvConfText } from '../resolv-conf-text.ts';
import type { ProgramDns } from './program.ts';

/** Where the file is in a container. */
export const resolvConfPath = '/etc/resolv.conf';

/** What the C library takes where the options do not say it, and at most. */
const defaults = { ndots: ndotsDefault, timeoutSeconds: 5, attempts: 2 } as const;
const limits = { ndots: 15, timeoutSeconds: 30, attempts: 5 } as const;

/** Writes the file into the container's own folder. */
export async function writeResolvConf(root: string, dns: DnsConfig): Promise<void> {
  const path = join(root, resolvConfPath);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, resolvConfText(dns));
}

/** What programs are told. */
export function programDns({ servers, ports = {}, searches, options }: DnsConfig): ProgramDns {
  const option = (name: string, fallback: number, max: number): number =>
    Math.min(numberOption(options, name, fallback), max);
  return {
    servers: servers.map((server) => {
      const port = ports[server];
      return port === undefined ? server : `${server.includes(':') ? `[${server}]` : server}:${port}`;
    }),
    searches,
    ndots: option('ndots', defaults.ndots, limits.ndots),
    timeoutMs: Math.max(1, option('timeout', defaults.timeoutSeconds, limits.timeoutSeconds)) * 1000,
    attempts: Math.max(1, option('attempts', defaults.attempts, limits.attempts)),
  };
}
