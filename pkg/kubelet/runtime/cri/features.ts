/** What pods can ask of a CRI runtime: what the interface has had from its first version on, so that every runtime takes it. Pure. */
import type { RuntimeFeature } from '../runtime.ts';

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
  'hugepages',
  'memoryLimits',
  'mountPropagation',
  'noNewPrivileges',
  'oomScore',
  'portForward',
  'privileged',
  'procMount',
  'readOnlyRoot',
  'runAsUser',
  'seccomp',
  // Where the machine has no SELinux, labels mean nothing: they are taken, and nothing is done.
  'selinux',
  'stdin',
  'sysctls',
  'tty',
  'update',
];

/**
 * Its features. Not among them is what runtimes that do not know it pass over in silence: volumes of images, mounts that are read-only all the way down, stop signals of
 * the pod's own and user namespaces; nor limits of processes, which the interface does not have.
 */
export function criFeatures({ hasAppArmor }: { readonly hasAppArmor: boolean }): ReadonlySet<RuntimeFeature> {
  return new Set([...always, ...(hasAppArmor ? (['appArmor'] satisfies RuntimeFeature[]) : [])]);
}
