/**
 * What a container is to an OCI runtime: a pod's wishes and its image's, on this machine. Pure: what is looked up in files comes in.
 * Source: containerd `cri/sbserver/container_create_linux.go`, OCI runtime specification.
 */
import type { ImageConfig } from '#pkg/images/image-store.ts';
import type { ContainerConfig, SandboxConfig, SecurityProfile } from '../../container-config.ts';
import { RuntimeError } from '../../runtime.ts';
import { userIdsCount } from '../user-ids.ts';
import { containerCapabilities } from './capabilities.ts';
import { deviceRule, type HostDevice, ociDevice } from './devices.ts';
import { type OwnFiles, ociMounts, rootPropagation } from './mounts.ts';
import type {
  OciBlockIo,
  OciDeviceRule,
  OciHooks,
  OciNamespace,
  OciProcess,
  OciSeccomp,
  OciSpec,
} from './oci-types.ts';
import { ociResources } from './resources.ts';
import { defaultSeccomp, seccompOf } from './seccomp.ts';
import type { ContainerUser } from './users.ts';

/** What the machine has to give. */
export interface MachineFacts {
  readonly cgroups: 'hybrid' | 'v1' | 'v2';
  /** Node's name of its processor. */
  readonly architecture: string;
  /** Without `CAP_`. */
  readonly capabilities: readonly string[];
  /** Below this nobody's score can be set. */
  readonly oomScoreMin: number;
  readonly hasAppArmor: boolean;
  /** For privileged containers. */
  readonly devices: readonly HostDevice[];
}

/** Paths of the sandbox's namespaces; absent is the node's, and for processes one of the container's own. */
export interface NamespacePaths {
  readonly network?: string;
  readonly ipc?: string;
  readonly uts?: string;
  readonly pid?: string;
  /** That of the pod's users; it owns the pod's others. */
  readonly user?: string;
}

/** All that a bundle is made of. */
export interface SpecOptions {
  readonly sandbox: SandboxConfig;
  readonly container: ContainerConfig;
  readonly image: ImageConfig;
  readonly user: ContainerUser;
  readonly machine: MachineFacts;
  readonly namespaces: NamespacePaths;
  /** The first of the ids that the pod's users are outside, where they are its own. */
  readonly userBase?: number;
  readonly rootPath: string;
  readonly cgroupsPath: string;
  readonly files: OwnFiles;
  /** Those of `container.devices`, in its order. */
  readonly devices: readonly HostDevice[];
  /** Text of the seccomp profile that the container names. */
  readonly seccompText?: string | undefined;
  readonly blockIo?: OciBlockIo | undefined;
  /** What is run beside it. */
  readonly hooks?: OciHooks | undefined;
}

/** What containers have where neither pod nor image says. Source: containerd `oci.WithDefaultPathEnv`. */
const pathDefault = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What containers do not see of `/proc` and `/sys`. */
export const maskedPaths: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];
/** What containers may only read of `/proc`. */
export const readonlyPaths: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];

const allDevices: OciDeviceRule = { allow: true, access: 'rwm' };
const noDevices: OciDeviceRule = { allow: false, access: 'rwm' };

/** The bundle's `config.json`. Throws `RuntimeError` `failed` for what cannot be run. */
export function ociSpec(options: SpecOptions): OciSpec {
  const { sandbox, container, machine, files, rootPath, cgroupsPath } = options;
  const { security } = container;
  const isPrivileged = security.privileged === true;
  const seccomp = seccompFor(options);
  const propagation = rootPropagation(container.mounts);
  const isUnmasked = isPrivileged || security.isProcUnmasked === true;
  const devices = isPrivileged
    ? machine.devices.map((device) => ociDevice(device, device.hostPath))
    : options.devices.map((device, index) => ociDevice(device, container.devices[index]?.containerPath ?? ''));
  const rules = isPrivileged
    ? [allDevices]
    : [
        noDevices,
        ...options.devices.map((device, index) => deviceRule(device, container.devices[index]?.permissions ?? '')),
      ];
  return {
    ociVersion: '1.0.2',
    process: ociProcess(options, commandOf(container, options.image)),
    root: { path: rootPath, readonly: security.readOnlyRoot === true },
    mounts: ociMounts({ mounts: container.mounts, files, isPrivileged, ownsNetwork: ownsNetwork(options) }),
    annotations: {},
    ...(options.hooks === undefined ? {} : { hooks: options.hooks }),
    linux: {
      namespaces: namespacesFor(options),
      ...(options.userBase === undefined ? {} : userMappings(options.userBase)),
      cgroupsPath,
      resources: {
        ...ociResources(container.resources),
        devices: rules,
        ...(options.blockIo === undefined ? {} : { blockIO: options.blockIo }),
      },
      devices,
      sysctl: sandbox.sysctls,
      ...(seccomp === undefined ? {} : { seccomp }),
      ...(propagation === undefined ? {} : { rootfsPropagation: propagation }),
      maskedPaths: isUnmasked ? [] : maskedPaths,
      readonlyPaths: isUnmasked ? [] : readonlyPaths,
    },
  };
}

/** A process in a container: the program, or a command in it with the program's user, rights and environment. */
export function ociProcess(options: SpecOptions, args: readonly string[]): OciProcess {
  const { container, image, machine, user } = options;
  const { security, resources } = container;
  const apparmor = appArmorFor(security.appArmor, machine.hasAppArmor && security.privileged !== true);
  const score = resources.oomScoreAdjustment;
  return {
    terminal: container.tty === true,
    user: { uid: user.uid, gid: user.gid, additionalGids: user.groups },
    args,
    env: environmentOf(options),
    cwd: container.workingDir || image.workingDirectory || '/',
    capabilities: containerCapabilities(security, machine.capabilities),
    noNewPrivileges: security.noNewPrivileges === true,
    ...(apparmor === undefined ? {} : { apparmorProfile: apparmor }),
    ...(score === undefined ? {} : { oomScoreAdj: Math.max(score, machine.oomScoreMin) }),
  };
}

/** The program and its arguments. Source: `container.command` and `args` of the API reference. */
function commandOf({ command, args }: ContainerConfig, image: ImageConfig): readonly string[] {
  const all =
    command.length > 0 ? [...command, ...args] : [...image.entrypoint, ...(args.length > 0 ? args : image.command)];
  if (all.length === 0) throw new RuntimeError('failed', 'no command specified');
  return all;
}

function environmentOf({ container, image, user }: SpecOptions): readonly string[] {
  const all = new Map([['PATH', pathDefault]]);
  if (container.tty === true) all.set('TERM', 'xterm');
  for (const entry of image.environment) {
    const at = entry.indexOf('=');
    if (at > 0) all.set(entry.slice(0, at), entry.slice(at + 1));
  }
  for (const [name, value] of Object.entries(container.env)) all.set(name, value);
  if (!all.has('HOME')) all.set('HOME', user.home);
  return [...all].map(([name, value]) => `${name}=${value}`);
}

function namespacesFor({ sandbox, namespaces, machine, container }: SpecOptions): readonly OciNamespace[] {
  const at = (type: OciNamespace['type'], path: string | undefined): readonly OciNamespace[] =>
    path === undefined ? [] : [{ type, path }];
  const hasOwn = sandbox.namespaces.pid === 'container' && namespaces.pid === undefined;
  const pid: readonly OciNamespace[] = hasOwn ? [{ type: 'pid' }] : [];
  const isOwnCgroup = machine.cgroups === 'v2' && container.security.privileged !== true;
  return [
    { type: 'mount' },
    ...at('user', namespaces.user),
    ...at('network', namespaces.network),
    ...at('ipc', namespaces.ipc),
    ...at('uts', namespaces.uts),
    ...at('pid', namespaces.pid),
    ...pid,
    ...(isOwnCgroup ? [{ type: 'cgroup' } as const] : []),
  ];
}

/** All ids of a pod whose first is this one outside. Source: KEP-127. */
export function userMappings(userBase: number): Pick<OciSpec['linux'], 'gidMappings' | 'uidMappings'> {
  const all = [{ containerID: 0, hostID: userBase, size: userIdsCount }];
  return { uidMappings: all, gidMappings: all };
}

/** Whether its users may have the kernel show its network: they own it, or are the machine's. */
function ownsNetwork({ sandbox, namespaces, userBase }: SpecOptions): boolean {
  return userBase === undefined || (namespaces.network !== undefined && sandbox.namespaces.network === 'pod');
}

function seccompFor({ container, machine, seccompText }: SpecOptions): OciSeccomp | undefined {
  const { security } = container;
  const { seccomp } = security;
  if (security.privileged === true || seccomp === undefined || seccomp.type === 'unconfined') return undefined;
  const capabilities = containerCapabilities(security, machine.capabilities).bounding;
  const subject = { architecture: machine.architecture, capabilities };
  if (seccomp.type === 'runtimeDefault') return defaultSeccomp(subject);
  if (seccompText === undefined)
    throw new RuntimeError('failed', `cannot load seccomp profile "${seccomp.reference}": no such file`);
  return seccompOf(seccompText, subject);
}

function appArmorFor(profile: SecurityProfile | undefined, isThere: boolean): string | undefined {
  if (!isThere || profile?.type !== 'localhost') return undefined;
  return profile.reference;
}
