/** What is mounted in a container: the file systems of the kernel, the files that its pod shares, and its volumes. Pure. Source: containerd `oci.defaultMounts`. */
import type { Mount } from '../../container-config.ts';
import type { OciMount } from './oci-types.ts';

/** Files of the machine that a container gets besides its volumes; each is absent where it has none. */
export interface OwnFiles {
  readonly hostname: string;
  readonly resolvConf: string | undefined;
  readonly shm: string;
  readonly terminationLog: { readonly hostPath: string; readonly containerPath: string };
}

/** What else the mounts depend on. */
export interface MountOptions {
  readonly mounts: readonly Mount[];
  readonly files: OwnFiles;
  readonly isPrivileged: boolean;
  /** Whether the kernel's view of the network may be mounted anew: else it is that of the machine. */
  readonly ownsNetwork: boolean;
}

const bindFile = ['rbind', 'rprivate', 'rw'];

/** All mounts, in the order in which they are made. */
export function ociMounts({ mounts, files, isPrivileged, ownsNetwork }: MountOptions): readonly OciMount[] {
  const own: OciMount[] = [
    bind(files.hostname, '/etc/hostname', bindFile),
    ...(files.resolvConf === undefined ? [] : [bind(files.resolvConf, '/etc/resolv.conf', bindFile)]),
    bind(files.shm, '/dev/shm', bindFile),
    bind(files.terminationLog.hostPath, files.terminationLog.containerPath, bindFile),
  ];
  const taken = new Set(mounts.map(({ containerPath }) => containerPath));
  const volumes = mounts.map((mount) => bind(mount.hostPath, mount.containerPath, optionsOf(mount)));
  return [
    ...kernelMounts({ isPrivileged, ownsNetwork }).filter(({ destination }) => !taken.has(destination)),
    ...own.filter(({ destination }) => !taken.has(destination)),
    // A mount hides what is below its path: those of fewer parts come first, else in the order of the pod.
    ...volumes.toSorted((a, b) => depthOf(a.destination) - depthOf(b.destination)),
  ];
}

/** How mounts that come later go between the machine's root and the container's. */
export function rootPropagation(mounts: readonly Mount[]): string | undefined {
  if (mounts.some(({ propagation }) => propagation === 'bidirectional')) return 'rshared';
  if (mounts.some(({ propagation }) => propagation === 'hostToContainer')) return 'rslave';
  return undefined;
}

function kernelMounts({
  isPrivileged,
  ownsNetwork,
}: Pick<MountOptions, 'isPrivileged' | 'ownsNetwork'>): readonly OciMount[] {
  const mode = isPrivileged ? 'rw' : 'ro';
  const quiet = ['nosuid', 'noexec', 'nodev'];
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: quiet },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: quiet },
    ownsNetwork
      ? { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...quiet, mode] }
      : bind('/sys', '/sys', ['rbind', 'rprivate', ...quiet, mode]),
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...quiet, 'relatime', mode] },
  ];
}

const propagations = { private: 'rprivate', hostToContainer: 'rslave', bidirectional: 'rshared' } as const;

function optionsOf({ image, readOnly, recursiveReadOnly, propagation = 'private' }: Mount): readonly string[] {
  const mode = readOnly ? (recursiveReadOnly === true ? ['ro', 'rro'] : ['ro']) : ['rw'];
  return ['rbind', propagations[propagation], ...mode, ...(image === undefined ? [] : ['noexec'])];
}

function bind(source: string, destination: string, options: readonly string[]): OciMount {
  return { destination, type: 'bind', source, options };
}

function depthOf(path: string): number {
  return path.split('/').filter((part) => part !== '').length;
}
