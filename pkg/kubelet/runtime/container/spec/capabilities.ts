/**
 * Which capabilities a container has: the runtimes' usual ones, changed as its pod wishes, of those that this machine has to give. Pure.
 * Source: containerd `oci.defaultUnixCaps`, capabilities(7).
 */
import type { SecurityContext } from '../../container-config.ts';
import type { OciCapabilities } from './oci-types.ts';

/** In the order of their numbers. */
const names: readonly string[] = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
];

const usual: ReadonlySet<string> = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

/** Capabilities of a mask as `/proc/self/status` has it (`000001fffeffffff`), without their prefix; those without a name here are left out. */
export function capabilitiesOf(mask: string): readonly string[] {
  const bits = BigInt(`0x${mask}`);
  return names.filter((_, number) => (bits >> BigInt(number)) % 2n === 1n);
}

/** The capabilities of a container, where the machine has `available`. A name that is asked for is kept though the machine has it not: the start says so. */
export function containerCapabilities(security: SecurityContext, available: readonly string[]): OciCapabilities {
  const all = wished(security, available);
  const sets = all.map((name) => `CAP_${name}`);
  return { bounding: sets, effective: sets, permitted: sets, inheritable: [], ambient: [] };
}

function wished(security: SecurityContext, available: readonly string[]): readonly string[] {
  if (security.privileged === true) return available;
  const { addCapabilities = [], dropCapabilities = [] } = security;
  const base = addCapabilities.includes('ALL')
    ? available
    : dropCapabilities.includes('ALL')
      ? []
      : available.filter((name) => usual.has(name));
  const set = new Set([...base, ...addCapabilities]);
  for (const name of dropCapabilities) set.delete(name);
  set.delete('ALL');
  return [...set].sort();
}
