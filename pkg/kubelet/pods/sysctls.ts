/** Which parameters of the kernel a pod may set on this node: those that do no harm to others, and what the node allows besides. Pure. Source: kubelet `sysctl/allowlist.go`, `sysctl/safe_sysctls.go`. */
import { dottedSysctl, sysctlSharedBy } from '#pkg/api/core/sysctls.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { PodFailure } from '../status/pod-status-input.ts';

const safe: readonly string[] = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
];

/** Why a pod is refused for what it sets; undefined where it is not. Of `allowed`, names that end with `*` stand for all that begin so. */
export function sysctlRefusal({ spec }: Pod, allowed: readonly string[]): PodFailure | undefined {
  const { hostIPC = false, hostNetwork = false, securityContext } = spec ?? {};
  const isAllowed = (name: string): boolean =>
    safe.includes(name) ||
    allowed.some((one) => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : one === name));
  for (const { name } of securityContext?.sysctls ?? []) {
    const plain = dottedSysctl(name);
    const refuse = (why: string): PodFailure => ({
      reason: 'SysctlForbidden',
      message: `forbidden sysctl: ${JSON.stringify(name)} ${why}`,
    });
    if (!isAllowed(plain)) return refuse('not allowlisted');
    const shared = sysctlSharedBy(name);
    if (hostNetwork && shared === 'hostNetwork') return refuse('not allowed with host net enabled');
    if (hostIPC && shared === 'hostIPC') return refuse('not allowed with host ipc enabled');
  }
  return undefined;
}
