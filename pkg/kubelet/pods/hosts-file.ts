/** The text of a container's `/etc/hosts`. Pure. Source: kubelet `nodeHostsFileContent`, `managedHostsFileContent`. */
import type { Pod } from '#pkg/api/types/core-v1.ts';

/** Path of the file in a container. */
export const hostsPath = '/etc/hosts';

/** What the file is made from. */
export interface HostsFileOptions {
  readonly pod: Pod;
  /** The pod's addresses. */
  readonly addresses: readonly string[];
  readonly hostname: string;
  /** Domain of the cluster, for pods with a subdomain. */
  readonly domain: string;
  /** The node's own file, for pods on its network. */
  readonly machineHosts: string;
}

const localLines = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::0\tip6-localnet',
  'fe00::0\tip6-mcastprefix',
  'fe00::1\tip6-allnodes',
  'fe00::2\tip6-allrouters',
];

/** The text. */
export function hostsFile({ pod, addresses, hostname, domain, machineHosts }: HostsFileOptions): string {
  const { hostNetwork, subdomain, hostAliases = [] } = pod.spec ?? {};
  const aliases = hostAliases.map(({ ip, hostnames = [] }) => [ip, ...hostnames].join('\t'));
  const added = aliases.length === 0 ? [] : ['', '# Entries added by HostAliases.', ...aliases];
  if (hostNetwork === true) {
    const lines = ['# Kubernetes-managed hosts file (host network).', machineHosts.replace(/\n$/, ''), ...added];
    return `${lines.join('\n')}\n`;
  }
  const whole = subdomain ? [`${hostname}.${subdomain}.${pod.metadata?.namespace ?? ''}.svc.${domain}`] : [];
  const own = addresses.map((address) => [address, ...whole, hostname].join('\t'));
  return `${['# Kubernetes-managed hosts file.', ...localLines, ...own, ...added].join('\n')}\n`;
}
