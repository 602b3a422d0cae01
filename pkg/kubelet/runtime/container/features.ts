/** What the container runtime can do on a machine. Pure. */
import type { RuntimeFeature } from '../runtime.ts';
import type { MachineFacts } from './spec/oci-spec.ts';

const always: readonly RuntimeFeature[] = [
  'attach',
  'capabilities',
  'containerPid',
  'cpuLimits',
  'cpusets',
  'devices',
  'exec',
  'execStdin',
  'files',
  'groups',
  'hostNetwork',
  'hugepages',
  'imageVolumes',
  'memoryLimits',
  'mountPropagation',
  'noNewPrivileges',
  'oomScore',
  'pidLimits',
  'portForward',
  'privileged',
  'procMount',
  'readOnlyRoot',
  'recursiveReadOnly',
  'runAsUser',
  'seccomp',
  // Where the machine has no SELinux, labels mean nothing: they are taken, and nothing is done.
  'selinux',
  'stdin',
  'stopSignal',
  'sysctls',
  'tty',
  'update',
];

/** Its features; user namespaces are not among them. */
export function containerFeatures({ hasAppArmor }: Pick<MachineFacts, 'hasAppArmor'>): Set<RuntimeFeature> {
  return new Set([...always, ...(hasAppArmor ? (['appArmor'] satisfies RuntimeFeature[]) : [])]);
}
