/** What a node knows of names: cluster DNS, and what its machine says. */
import type { DnsConfig } from '../runtime/container-config.ts';

/** What a node knows of names. */
export interface NodeNames {
  /** Addresses of cluster DNS. */
  readonly servers: readonly string[];
  /** Where they answer besides port 53. */
  readonly ports?: Readonly<Record<string, number>>;
  /** Such as `cluster.local`. */
  readonly domain: string;
  /** What the machine's own `resolv.conf` says. */
  readonly machine: DnsConfig;
  /** The machine's own `/etc/hosts`. */
  readonly machineHosts: string;
}
