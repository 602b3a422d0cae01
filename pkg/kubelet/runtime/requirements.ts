/**
 * What a pod asks of its runtime that this runtime cannot do: one line per wish, with the feature it needs. Pure. What nobody can tell from inside
 * and nearly every chart asks for is not here: a node says so and goes on (`unenforced`), as a kubelet without CPU quotas does.
 */
import { blockIoClassOf } from './block-io-class.ts';
import type { ContainerConfig, SandboxConfig } from './container-config.ts';
import type { RuntimeCapabilities, RuntimeFeature } from './runtime.ts';

/** What is asked of the runtime. */
export interface Wishes {
  readonly sandbox: SandboxConfig;
  readonly container: ContainerConfig;
}

interface Requirement {
  readonly feature: RuntimeFeature;
  /** What is asked for, in the words of the pod's fields; undefined when it is not. */
  wish(wishes: Wishes, identity: RuntimeCapabilities['identity']): string | undefined;
}

/** Asks for a profile by name; the default of a runtime without the feature is none. */
const isNamed = (profile: { readonly type: string } | undefined): boolean => profile?.type === 'localhost';

const requirements: readonly Requirement[] = [
  {
    feature: 'runAsUser',
    wish: ({ container: { security } }, identity) => other('runAsUser', security.runAsUser, identity?.uid),
  },
  {
    feature: 'groups',
    wish: ({ container: { security } }, identity) => other('runAsGroup', security.runAsGroup, identity?.gid),
  },
  {
    feature: 'groups',
    wish({ container: { security } }, identity) {
      const groups = (security.supplementalGroups ?? []).filter((group) => group !== identity?.gid);
      return groups.length === 0 ? undefined : `supplementalGroups and fsGroup ${groups.join(', ')}`;
    },
  },
  { feature: 'privileged', wish: ({ container }) => when('privileged', container.security.privileged) },
  {
    feature: 'capabilities',
    wish: ({ container: { security } }, identity) =>
      when('capabilities.add', (security.addCapabilities ?? []).length > 0) ??
      // Who is not root has none that could be dropped.
      when('capabilities.drop', identity?.uid === 0 && (security.dropCapabilities ?? []).length > 0),
  },
  { feature: 'readOnlyRoot', wish: ({ container }) => when('readOnlyRootFilesystem', container.security.readOnlyRoot) },
  { feature: 'seccomp', wish: ({ container }) => when('seccompProfile', isNamed(container.security.seccomp)) },
  { feature: 'appArmor', wish: ({ container }) => when('appArmorProfile', isNamed(container.security.appArmor)) },
  { feature: 'selinux', wish: ({ container }) => when('seLinuxOptions', container.security.selinux !== undefined) },
  { feature: 'procMount', wish: ({ container }) => when('procMount: Unmasked', container.security.isProcUnmasked) },
  { feature: 'hostNetwork', wish: ({ sandbox }) => when('hostNetwork', sandbox.namespaces.network === 'node') },
  { feature: 'sysctls', wish: ({ sandbox }) => when('sysctls', Object.keys(sandbox.sysctls).length > 0) },
  { feature: 'userNamespaces', wish: ({ sandbox }) => when('hostUsers: false', sandbox.namespaces.user === 'pod') },
  { feature: 'devices', wish: ({ container }) => when('devices', container.devices.length > 0) },
  {
    feature: 'cdi',
    wish: ({ container }) => when('devices of the Container Device Interface', (container.cdiDevices ?? []).length > 0),
  },
  {
    feature: 'imageVolumes',
    wish: ({ container }) =>
      when(
        'volumes of images',
        container.mounts.some(({ image }) => image !== undefined),
      ),
  },
  {
    feature: 'mountPropagation',
    wish: ({ container }) =>
      when(
        'mountPropagation',
        container.mounts.some(({ propagation }) => propagation !== undefined && propagation !== 'private'),
      ),
  },
  {
    feature: 'recursiveReadOnly',
    wish: ({ container }) =>
      when(
        'recursiveReadOnly: Enabled',
        container.mounts.some(({ recursiveReadOnly }) => recursiveReadOnly),
      ),
  },
  {
    feature: 'hugepages',
    wish: ({ container }) => when('hugepages', Object.keys(container.resources.hugepageLimits ?? {}).length > 0),
  },
  { feature: 'blockIo', wish: ({ container }) => when('block I/O classes', blockIoClassOf(container) !== undefined) },
  { feature: 'stdin', wish: ({ container }) => when('stdin', container.stdin) },
  { feature: 'tty', wish: ({ container }) => when('tty', container.tty) },
  { feature: 'stopSignal', wish: ({ container }) => when('lifecycle.stopSignal', container.stopSignal !== undefined) },
];

/** What is asked for and cannot be had, in the words of the pod's fields; empty when all can. */
export function unmetWishes(wishes: Wishes, { features, identity }: RuntimeCapabilities): readonly string[] {
  return requirements.flatMap(({ feature, wish }) => (features.has(feature) ? [] : (wish(wishes, identity) ?? [])));
}

/** What is asked for and left out without refusing the container, in the words of the pod's fields. */
export function unenforced(
  { resources, security }: ContainerConfig,
  { features }: RuntimeCapabilities,
): readonly string[] {
  const left = (feature: RuntimeFeature, wish: string, isAsked: boolean | undefined) =>
    isAsked === true && !features.has(feature) ? [wish] : [];
  return [
    ...left('cpuLimits', 'limits.cpu', resources.cpuQuotaUs !== undefined),
    ...left('memoryLimits', 'limits.memory', resources.memoryLimitBytes !== undefined),
    ...left('noNewPrivileges', 'allowPrivilegeEscalation: false', security.noNewPrivileges),
  ];
}

function when(wish: string, isAsked: boolean | undefined): string | undefined {
  return isAsked === true ? wish : undefined;
}

/** An id that is asked for and is not the one that there is. */
function other(field: string, wanted: number | undefined, own: number | undefined): string | undefined {
  return wanted === undefined || wanted === own ? undefined : `${field} ${wanted}`;
}
