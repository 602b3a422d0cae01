/** What the container runtime can do on a machine. Pure. */
import type { RuntimeFeature } from '../runtime.ts';
import type { MachineFacts } from './spec/oci-spec.ts';

const always: readonly RuntimeFeature[] = [
  'attach',
  'capabilities',
  'cdi',
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

/** Its features. */
export function containerFeatures({
  hasAppArmor,
  hasBlockIo,
  hasUsers,
}: Pick<MachineFacts, 'hasAppArmor'> & {
  readonly hasBlockIo: boolean;
  readonly hasUsers: boolean;
}): Set<RuntimeFeature> {
  const features = new Set(always);
  if (hasAppArmor) features.add('appArmor');
  if (hasBlockIo) features.add('blockIo');
  if (hasUsers) features.add('userNamespaces');
  return features;
}
