/** What a client's container is to the container runtime: a pod of its own with one container. Pure. */
import type { StoredImage } from '#pkg/images/image-store.ts';
import type { ContainerConfig, ContainerResources, SandboxConfig } from '#pkg/kubelet/runtime/container-config.ts';
import type { MadeMount } from './volumes.ts';
import type { ContainerWish, LimitWish } from './wish.ts';

/** Digits of an id that stand for it. */
const shortLength = 12;

/** Its sandbox. */
export function sandboxConfig(wish: ContainerWish, id: string): SandboxConfig {
  const { dns, dnsOptions, dnsSearch } = wish;
  const hasDns = dns.length + dnsOptions.length + dnsSearch.length > 0;
  return {
    podUid: id,
    podName: id.slice(0, shortLength),
    podNamespace: 'docker',
    attempt: 0,
    hostname: wish.hostname || id.slice(0, shortLength),
    labels: {},
    annotations: {},
    namespaces: {
      network: wish.network === 'host' ? 'node' : 'pod',
      pid: wish.sharesPids ? 'node' : 'container',
      ipc: wish.sharesIpc ? 'node' : 'pod',
      user: 'node',
    },
    sysctls: wish.sysctls,
    ...(hasDns ? { dns: { servers: dns, searches: dnsSearch, options: dnsOptions } } : {}),
    ...(wish.privileged ? { hasPrivileged: true } : {}),
  };
}

/** The container in it. */
export function containerConfig({
  wish,
  image,
  name,
  mounts,
  hostsFile,
}: {
  readonly wish: ContainerWish;
  readonly image: StoredImage;
  readonly name: string;
  readonly mounts: readonly MadeMount[];
  readonly hostsFile: string;
}): ContainerConfig {
  return {
    name,
    attempt: 0,
    image: wish.image,
    imageRef: image.id,
    command: commandOf(wish, image),
    args: [],
    ...(wish.workingDir === '' ? {} : { workingDir: wish.workingDir }),
    env: environmentOf(wish.env),
    addresses: [],
    mounts: [
      { containerPath: '/etc/hosts', hostPath: hostsFile, readOnly: false },
      ...mounts.map(({ source, target, readOnly }) => ({ containerPath: target, hostPath: source, readOnly })),
    ],
    devices: wish.devices,
    labels: wish.labels,
    annotations: {},
    resources: resourcesOf(wish.limits),
    security: {
      ...(wish.user === '' ? {} : { imageUser: wish.user }),
      supplementalGroups: wish.groups,
      addCapabilities: wish.addCapabilities,
      dropCapabilities: wish.dropCapabilities,
      privileged: wish.privileged,
      readOnlyRoot: wish.readOnlyRoot,
      noNewPrivileges: wish.noNewPrivileges,
      seccomp: { type: wish.isUnconfined ? 'unconfined' : 'runtimeDefault' },
    },
    stdin: wish.openStdin,
    stdinOnce: wish.stdinOnce,
    tty: wish.tty,
    ...(wish.stopSignal === '' ? {} : { stopSignal: wish.stopSignal }),
    terminationMessagePath: '/dev/termination-log',
    specHash: '',
  };
}

/** Entrypoint and command: who says an entrypoint gets none of the image's command. Source: moby `daemon/commit.go` `merge`. */
export function commandOf({ entrypoint, command }: ContainerWish, { config }: StoredImage): readonly string[] {
  const hasOwn = entrypoint !== undefined && entrypoint.length > 0;
  const first = (hasOwn ? entrypoint : config.entrypoint).filter((word, _, all) => word !== '' || all.length > 1);
  const rest = command !== undefined && command.length > 0 ? command : hasOwn ? [] : config.command;
  return [...first, ...rest];
}

function environmentOf(env: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    env.flatMap((entry) => {
      const equals = entry.indexOf('=');
      return equals > 0 ? [[entry.slice(0, equals), entry.slice(equals + 1)]] : [];
    }),
  );
}

function resourcesOf({ memoryBytes, memorySwapBytes, ...rest }: LimitWish): ContainerResources {
  return {
    ...rest,
    ...(memoryBytes === undefined ? {} : { memoryLimitBytes: memoryBytes }),
    ...(memorySwapBytes === undefined ? {} : { memorySwapLimitBytes: memorySwapBytes }),
  };
}
