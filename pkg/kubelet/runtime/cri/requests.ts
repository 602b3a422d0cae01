/**
 * What is asked of a CRI runtime, as messages: a pod's wishes with the numbers of the interface's fields. Pure. Source: `k8s.io/cri-api` `runtime/v1` `api.proto`.
 */
import { framed, type MessageWriter } from '#pkg/grpc/message.ts';
import { maskedPaths, readonlyPaths } from '../container/spec/oci-spec.ts';
import { kernelPageSize } from '../container/spec/resources.ts';
import type {
  ContainerConfig,
  ContainerResources,
  Mount,
  NamespaceModes,
  SandboxConfig,
  SecurityContext,
  SecurityProfile,
} from '../container-config.ts';
import type { RegistryCredentials } from '../runtime.ts';

/** Names and notes by which what was made here is found again. */
export interface Marks {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A sandbox with all that the runtime is told of it. */
export interface SandboxWish extends Marks {
  readonly config: SandboxConfig;
  /** Folder of its containers' logs. */
  readonly logFolder: string;
}

/** A container with all that the runtime is told of it. */
export interface ContainerWish extends Marks {
  readonly config: ContainerConfig;
  readonly namespaces: NamespaceModes;
  /** Below the sandbox's folder of logs. */
  readonly logPath: string;
  /** File of the machine for the last message of the program. */
  readonly terminationLog: string;
  /** Folder of seccomp profiles that pods name. */
  readonly seccompFolder: string;
  /** Whom the program runs as where a group is wished for and no user: the interface takes no group alone. */
  readonly imageUser?: { readonly uid: number } | { readonly name: string } | undefined;
}

const namespaceMode = { pod: 0, container: 1, node: 2, target: 3 } as const;
const propagations = { private: 0, hostToContainer: 1, bidirectional: 2 } as const;
const profileTypes = { runtimeDefault: 0, unconfined: 1, localhost: 2 } as const;

/** For calls that say nothing. */
export const emptyRequest: Uint8Array = framed(() => {});

/** For calls about something with an identity, which is the first field. */
export function idRequest(id: string): Uint8Array {
  return framed((message) => message.string(1, id));
}

/** For `Version`. */
export const versionRequest: Uint8Array = framed((message) => message.string(1, 'v1'));

/** For `Status`, with more than usual. */
export const statusRequest: Uint8Array = framed((message) => message.flag(1, true));

/** For calls that can say more than usual. */
export function verboseRequest(id: string): Uint8Array {
  return framed((message) => {
    message.string(1, id);
    message.flag(2, true);
  });
}

/** For `ListPodSandbox` (labels: field 3) and `ListContainers` (4): those with these labels. */
export function listRequest(labelsField: 3 | 4, labels: Readonly<Record<string, string>>): Uint8Array {
  return framed((message) => message.message(1, () => message.map(labelsField, Object.entries(labels))));
}

/** For `RunPodSandbox`. */
export function runSandboxRequest(wish: SandboxWish): Uint8Array {
  return framed((message) => {
    message.message(1, () => writeSandbox(message, wish));
    message.string(2, wish.config.runtimeHandler ?? '');
  });
}

/** For `CreateContainer`. */
export function createRequest(sandboxId: string, container: ContainerWish, sandbox: SandboxWish): Uint8Array {
  return framed((message) => {
    message.string(1, sandboxId);
    message.message(2, () => writeContainer(message, container));
    message.message(3, () => writeSandbox(message, sandbox));
  });
}

/** For `StopContainer`. */
export function stopRequest(id: string, graceSeconds: number): Uint8Array {
  return framed((message) => {
    message.string(1, id);
    message.number(2, graceSeconds);
  });
}

/** For `UpdateContainerResources`. */
export function updateRequest(id: string, resources: ContainerResources): Uint8Array {
  return framed((message) => {
    message.string(1, id);
    message.message(2, () => writeResources(message, resources));
  });
}

/** For `ExecSync`, without a time of its own: it ends with the call. */
export function execSyncRequest(id: string, command: readonly string[]): Uint8Array {
  return framed((message) => {
    message.string(1, id);
    message.strings(2, command);
  });
}

/** Which streams. */
export interface WantedStreams {
  readonly stdin: boolean;
  readonly tty: boolean;
}

/** For `Exec`. */
export function execRequest(id: string, command: readonly string[], { stdin, tty }: WantedStreams): Uint8Array {
  return framed((message) => {
    message.string(1, id);
    message.strings(2, command);
    message.flag(3, tty);
    message.flag(4, stdin);
    message.flag(5, true);
    message.flag(6, !tty);
  });
}

/** For `Attach`. */
export function attachRequest(id: string, { stdin, tty }: WantedStreams): Uint8Array {
  return framed((message) => {
    message.string(1, id);
    message.flag(2, stdin);
    message.flag(3, tty);
    message.flag(4, true);
    message.flag(5, !tty);
  });
}

/** For `PortForward`. */
export function portForwardRequest(sandboxId: string, port: number): Uint8Array {
  return framed((message) => {
    message.string(1, sandboxId);
    message.packed(2, [port]);
  });
}

/** For `ImageStatus`. */
export function imageRequest(image: string): Uint8Array {
  return framed((message) => message.message(1, () => message.string(1, image)));
}

/** For `PullImage`. */
export function pullRequest(image: string, credentials: RegistryCredentials | undefined): Uint8Array {
  return framed((message) => {
    message.message(1, () => message.string(1, image));
    if (credentials === undefined) return;
    message.message(2, () => {
      message.string(1, credentials.username);
      message.string(2, credentials.password);
    });
  });
}

function writeSandbox(message: MessageWriter, { config, logFolder, labels, annotations }: SandboxWish): void {
  message.message(1, () => {
    message.string(1, config.podName);
    message.string(2, config.podUid);
    message.string(3, config.podNamespace);
    message.number(4, config.attempt);
  });
  message.string(2, config.hostname);
  message.string(3, logFolder);
  const { dns } = config;
  if (dns !== undefined) {
    message.message(4, () => {
      message.strings(1, dns.servers);
      message.strings(2, dns.searches);
      message.strings(3, dns.options);
    });
  }
  message.map(6, Object.entries(labels));
  message.map(7, Object.entries(annotations));
  message.message(8, () => {
    message.message(2, () => {
      message.message(1, () => writeNamespaces(message, config.namespaces));
      message.flag(6, config.hasPrivileged);
      // The sandbox's own process, of which containers know nothing.
      message.message(9, () => writeProfile(message, { type: 'runtimeDefault' }));
    });
    message.map(3, Object.entries(config.sysctls));
  });
}

function writeNamespaces(message: MessageWriter, modes: NamespaceModes, targetId?: string): void {
  message.number(1, namespaceMode[modes.network]);
  message.number(2, targetId === undefined ? namespaceMode[modes.pid] : namespaceMode.target);
  message.number(3, namespaceMode[modes.ipc]);
  message.string(4, targetId);
  message.message(5, () => message.number(1, namespaceMode[modes.user]));
}

function writeContainer(message: MessageWriter, wish: ContainerWish): void {
  const { config, terminationLog } = wish;
  message.message(1, () => {
    message.string(1, config.name);
    message.number(2, config.attempt);
  });
  message.message(2, () => {
    message.string(1, config.imageRef || config.image);
    message.string(18, config.image);
  });
  message.strings(3, config.command);
  message.strings(4, config.args);
  message.string(5, config.workingDir);
  message.messages(6, Object.entries(config.env), ([name, value]) => {
    message.string(1, name);
    message.string(2, value);
  });
  const lastMessage = { containerPath: config.terminationMessagePath, hostPath: terminationLog, readOnly: false };
  message.messages(7, [...config.mounts, lastMessage], (mount) => writeMount(message, mount));
  message.messages(8, config.devices, ({ containerPath, hostPath, permissions }) => {
    message.string(1, containerPath);
    message.string(2, hostPath);
    message.string(3, permissions);
  });
  message.map(9, Object.entries(wish.labels));
  message.map(10, Object.entries(wish.annotations));
  message.string(11, wish.logPath);
  message.flag(12, config.stdin);
  message.flag(13, config.stdinOnce);
  message.flag(14, config.tty);
  message.message(15, () => {
    message.message(1, () => writeResources(message, config.resources));
    message.message(2, () => writeSecurity(message, wish));
  });
}

function writeMount(message: MessageWriter, mount: Mount): void {
  message.string(1, mount.containerPath);
  message.string(2, mount.hostPath);
  message.flag(3, mount.readOnly);
  message.number(5, propagations[mount.propagation ?? 'private']);
  message.flag(8, mount.recursiveReadOnly);
}

function writeResources(message: MessageWriter, resources: ContainerResources): void {
  message.number(1, resources.cpuPeriodUs);
  message.number(2, resources.cpuQuotaUs);
  message.number(3, resources.cpuShares);
  message.number(4, resources.memoryLimitBytes);
  message.number(5, resources.oomScoreAdjustment);
  message.string(6, resources.cpusetCpus);
  message.string(7, resources.cpusetMems);
  message.messages(8, Object.entries(resources.hugepageLimits ?? {}), ([size, limit]) => {
    message.string(1, kernelPageSize(size));
    message.number(2, limit);
  });
  message.number(10, resources.memorySwapLimitBytes);
}

function writeSecurity(message: MessageWriter, { config, namespaces, seccompFolder, imageUser }: ContainerWish): void {
  const { security, targetContainerId } = config;
  message.message(1, () => {
    message.strings(1, security.addCapabilities ?? []);
    message.strings(2, security.dropCapabilities ?? []);
  });
  message.flag(2, security.privileged);
  message.message(3, () => writeNamespaces(message, namespaces, targetContainerId));
  const { selinux } = security;
  if (selinux !== undefined) {
    message.message(4, () => {
      message.string(1, selinux.user);
      message.string(2, selinux.role);
      message.string(3, selinux.type);
      message.string(4, selinux.level);
    });
  }
  writeUser(message, security, imageUser);
  message.flag(7, security.readOnlyRoot);
  message.flag(11, security.noNewPrivileges);
  if (security.isProcUnmasked !== true) {
    message.strings(13, maskedPaths);
    message.strings(14, readonlyPaths);
  }
  const { seccomp, appArmor } = security;
  if (seccomp !== undefined) message.message(15, () => writeProfile(message, atFolder(seccomp, seccompFolder)));
  if (appArmor !== undefined) message.message(16, () => writeProfile(message, appArmor));
}

function writeUser(message: MessageWriter, security: SecurityContext, imageUser: ContainerWish['imageUser']): void {
  const { runAsUser, runAsGroup } = security;
  message.wrapped(5, runAsUser);
  if (runAsUser === undefined && runAsGroup !== undefined) {
    if (imageUser !== undefined && 'name' in imageUser) message.string(6, imageUser.name);
    else message.wrapped(5, imageUser?.uid ?? 0);
  }
  message.wrapped(12, runAsGroup);
  message.packed(8, security.supplementalGroups ?? []);
  message.number(17, security.supplementalGroupsPolicy === 'strict' ? 1 : 0);
}

function writeProfile(message: MessageWriter, profile: SecurityProfile): void {
  message.number(1, profileTypes[profile.type]);
  if (profile.type === 'localhost') message.string(2, profile.reference);
}

/** A profile of the node's folder; one whose name leads out of it stays within. */
function atFolder(profile: SecurityProfile, folder: string): SecurityProfile {
  if (profile.type !== 'localhost') return profile;
  const within = profile.reference.split('/').filter((part) => part !== '' && part !== '.' && part !== '..');
  return { type: 'localhost', reference: [folder, ...within].join('/') };
}
