/**
 * What a container is made from: its pod's wishes in the terms of the runtime. Throws `ConfigError` for what is missing, forbidden, or not to be
 * had from this runtime: nothing that a pod asks for is passed over. Source: kubelet `generateContainerConfig`.
 */
import type { Container, Pod, VolumeMount } from '#pkg/api/types/core-v1.ts';
import { getOwn } from '#pkg/apimachinery/json.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { ConfigError } from '../env/config-error.ts';
import { buildEnvironment } from '../env/environment.ts';
import { ArgumentSpace, expand } from '../env/expand.ts';
import type { FieldContext } from '../env/field-ref.ts';
import { allContainers, specHashOf } from '../model/pod-view.ts';
import { noPluginParts, type PluginParts } from '../plugins/plugin-needs.ts';
import type { ContainerConfig, Device, Mount, MountPropagation, SandboxConfig } from '../runtime/container-config.ts';
import { unmetWishes } from '../runtime/requirements.ts';
import type { ImageInfo, Runtime } from '../runtime/runtime.ts';
import { isReadOnlyVolume } from '../volumes/pod-volumes.ts';
import type { VolumeMounted } from '../volumes/volume-mounted.ts';
import { podDns } from './dns-config.ts';
import { fittingContainerResources, fittingResources } from './fitting-resources.ts';
import { hostsFile, hostsPath } from './hosts-file.ts';
import type { PodContext } from './pod-context.ts';
import { namespacesOf, rootProblem, securityContextOf } from './security-context.ts';

const defaultMessagePath = '/dev/termination-log';

/** Which container of which pod, and where. */
export interface ConfigOptions {
  readonly context: PodContext;
  readonly pod: Pod;
  readonly container: Container;
  readonly attempt: number;
  readonly runtime: Runtime;
  readonly sandbox: { readonly addresses: readonly string[]; readonly attempt: number };
  readonly fields: FieldContext;
  /** By name. */
  readonly volumes: ReadonlyMap<string, VolumeMounted>;
  /** Id of the newest container of a name in this pod. */
  readonly idOf: (name: string) => string | undefined;
  /** Aborted when the pod is to end. */
  readonly signal: AbortSignal;
}

/** The sandbox of a pod. */
export function sandboxConfig(context: PodContext, pod: Pod, attempt: number): SandboxConfig {
  const { name = '', namespace = '', uid = '', labels, annotations } = pod.metadata ?? {};
  const sysctls = pod.spec?.securityContext?.sysctls ?? [];
  const runtimeHandler = context.runtimes.of(pod)?.handler;
  return {
    podUid: uid,
    podName: name,
    podNamespace: namespace,
    attempt,
    hostname: pod.spec?.hostNetwork === true ? context.nodeName : hostnameOf(pod),
    labels: labels ?? {},
    annotations: annotations ?? {},
    namespaces: namespacesOf(pod),
    ...(runtimeHandler === undefined ? {} : { runtimeHandler }),
    ...fittingResources(context, context.allocations.allotted(pod)),
    ...(context.names === undefined ? {} : { dns: podDns(pod, context.names).config }),
    sysctls: Object.fromEntries(sysctls.map((sysctl) => [sysctl.name, sysctl.value])),
    ...(allContainers(pod).some((one) => one.securityContext?.privileged) ? { hasPrivileged: true } : {}),
  };
}

/** The container. */
export async function containerConfig(
  options: ConfigOptions,
  image: ImageInfo,
  /** Ids of images by the name of the volume that shows them. */
  imageVolumes: ReadonlyMap<string, string>,
): Promise<ContainerConfig> {
  const { context, container, fields, pod, runtime } = options;
  const isRoot = rootProblem(pod, container, image);
  if (isRoot !== undefined) throw new ConfigError(isRoot);
  const space = new ArgumentSpace();
  const env = await buildEnvironment({
    container,
    fields,
    space,
    services: context.services(),
    reader: context.reader,
  });
  const expanded = (text: string): string => {
    const argument = expand(text, (name) => getOwn(env, name) as string | undefined);
    space.take(argument);
    return argument;
  };
  const stopSignal = container.lifecycle?.stopSignal;
  const parts = await partsOfPlugins(options);
  const config: ContainerConfig = {
    name: container.name,
    attempt: options.attempt,
    image: container.image ?? '',
    imageRef: image.id,
    command: (container.command ?? []).map(expanded),
    args: (container.args ?? []).map(expanded),
    ...(container.workingDir ? { workingDir: container.workingDir } : {}),
    env: { HOSTNAME: hostnameOf(pod), ...parts.env, ...env },
    addresses: options.sandbox.addresses,
    ...portsOf(container),
    mounts: [...(await mountsOf(options, env, imageVolumes)), ...parts.mounts],
    devices: [...parts.devices, ...devicesOf(options)],
    ...(parts.cdiDevices.length === 0 ? {} : { cdiDevices: parts.cdiDevices }),
    labels: pod.metadata?.labels ?? {},
    annotations: { ...pod.metadata?.annotations, ...parts.annotations },
    resources: fittingContainerResources(context, pod, container),
    security: securityContextOf(pod, container),
    ...targetOf(options),
    ...(container.stdin === true ? { stdin: true } : {}),
    ...(container.stdinOnce === true ? { stdinOnce: true } : {}),
    ...(container.tty === true ? { tty: true } : {}),
    ...(stopSignal === undefined ? {} : { stopSignal }),
    terminationMessagePath: container.terminationMessagePath || defaultMessagePath,
    specHash: specHashOf(container),
  };
  const sandbox = sandboxConfig(context, pod, options.sandbox.attempt);
  const unmet = unmetWishes({ sandbox, container: config }, runtime.capabilities);
  if (unmet.length > 0) {
    throw new ConfigError(`the ${runtime.capabilities.name} runtime does not support ${unmet.join(', ')}`);
  }
  return config;
}

/** What it gets of plugins of the node. */
async function partsOfPlugins({ context, pod, container, signal }: ConfigOptions): Promise<PluginParts> {
  if (context.plugins === undefined) return noPluginParts;
  try {
    return await context.plugins.partsFor(pod, container, signal);
  } catch (cause) {
    throw Object.assign(new ConfigError(errorText(cause)), { cause });
  }
}

/** The TCP ports that a container names, where it names some. */
function portsOf({ ports = [] }: Container): Pick<ContainerConfig, 'ports'> {
  const named = ports.filter(({ protocol = 'TCP' }) => protocol === 'TCP').map(({ containerPort }) => containerPort);
  return named.length === 0 ? {} : { ports: named };
}

/** Whose processes an ephemeral container sees. Source: kubelet `startSpec.getTargetID`. */
function targetOf({ pod, container, idOf }: ConfigOptions): Pick<ContainerConfig, 'targetContainerId'> {
  const name = pod.spec?.ephemeralContainers?.find((one) => one.name === container.name)?.targetContainerName;
  if (!name) return {};
  const targetContainerId = idOf(name);
  if (targetContainerId === undefined) throw new ConfigError(`unable to find target container ${name}`);
  return { targetContainerId };
}

/** The host name of a pod: its name, as long as a name may be. */
function hostnameOf(pod: Pod): string {
  const { hostnameOverride, hostname } = pod.spec ?? {};
  return (hostnameOverride || hostname || (pod.metadata?.name ?? '')).slice(0, 63).replace(/[-.]+$/, '');
}

async function mountsOf(
  options: ConfigOptions,
  env: Readonly<Record<string, string>>,
  imageVolumes: ReadonlyMap<string, string>,
): Promise<readonly Mount[]> {
  const mounts: Mount[] = [];
  for (const [index, mount] of (options.container.volumeMounts ?? []).entries()) {
    const mounted = options.volumes.get(mount.name);
    if (mounted === undefined || mounted.isBlock === true)
      throw new ConfigError(`cannot find volume "${mount.name}" to mount into container`);
    const subPath = mount.subPathExpr ? expandStrictly(mount.subPathExpr, env) : (mount.subPath ?? '');
    const imageId = imageVolumes.get(mount.name);
    if (imageId !== undefined) {
      const image = { id: imageId, subPath };
      mounts.push({ containerPath: mount.mountPath, hostPath: '', image, readOnly: true });
      continue;
    }
    const hostPath =
      subPath === '' ? mounted.path : await subPathOf(options, { mounted, subPath, volume: mount.name, index });
    const volume = options.pod.spec?.volumes?.find(({ name }) => name === mount.name);
    const isNodes = mounted.isReadOnly === true;
    const readOnly = mount.readOnly === true || isReadOnlyVolume(volume) || isNodes;
    const wished = isNodes ? withAllBelow(mount) : mount;
    mounts.push({ containerPath: mount.mountPath, hostPath, ...modeOf({ ...wished, readOnly }, options.runtime) });
  }
  const hosts = await hostsMount(options);
  return hosts === undefined ? mounts : [...mounts, hosts];
}

/** Volumes that are devices, at the paths that the container wants them at. Source: kubelet `makeBlockVolumes`. */
function devicesOf({ container, pod, volumes }: ConfigOptions): readonly Device[] {
  return (container.volumeDevices ?? []).map(({ name, devicePath }) => {
    const mounted = volumes.get(name);
    if (mounted?.isBlock !== true)
      throw new ConfigError(`cannot find volume "${name}" to pass into container "${container.name}"`);
    const volume = pod.spec?.volumes?.find((one) => one.name === name);
    const isReadOnly = mounted.isReadOnly === true || isReadOnlyVolume(volume);
    return { containerPath: devicePath, hostPath: mounted.path, permissions: isReadOnly ? 'r' : 'mrw' };
  });
}

/** The pod's own `/etc/hosts`, unless the container brings one. Source: kubelet `shouldMountHostsFile`. */
async function hostsMount({ context, container, pod, runtime, sandbox }: ConfigOptions): Promise<Mount | undefined> {
  const { names } = context;
  if (names === undefined || !runtime.capabilities.features.has('files')) return undefined;
  if ((container.volumeMounts ?? []).some(({ mountPath }) => mountPath === hostsPath)) return undefined;
  const { addresses } = sandbox;
  const { domain, machineHosts } = names;
  const text = hostsFile({ pod, addresses, hostname: hostnameOf(pod), domain, machineHosts });
  const hostPath = await context.volumes.writeFile(pod.metadata?.uid ?? '', 'hosts', text);
  return { containerPath: hostsPath, hostPath, readOnly: false };
}

/** Read-only with what is mounted below it, where the runtime can and nothing is to come through. */
function withAllBelow(mount: VolumeMount): VolumeMount {
  const isClosed = (mount.mountPropagation ?? 'None') === 'None' && mount.recursiveReadOnly === undefined;
  return isClosed ? { ...mount, recursiveReadOnly: 'IfPossible' } : mount;
}

const propagations: Readonly<Record<string, MountPropagation>> = {
  Bidirectional: 'bidirectional',
  HostToContainer: 'hostToContainer',
};

/** How a volume is mounted; `IfPossible` is what the runtime can do. */
function modeOf(
  mount: VolumeMount & Pick<Mount, 'readOnly'>,
  { capabilities }: Runtime,
): Omit<Mount, 'containerPath' | 'hostPath'> {
  const { readOnly, recursiveReadOnly, mountPropagation } = mount;
  const propagation = propagations[mountPropagation ?? 'None'];
  const isRecursive =
    recursiveReadOnly === 'Enabled' ||
    (recursiveReadOnly === 'IfPossible' && capabilities.features.has('recursiveReadOnly'));
  return {
    readOnly,
    ...(isRecursive ? { recursiveReadOnly: true } : {}),
    ...(propagation === undefined ? {} : { propagation }),
  };
}

/** Unlike in commands and arguments, a name without a value is an error here. Source: kubelet `ExpandContainerVolumeMounts`. */
function expandStrictly(text: string, env: Readonly<Record<string, string>>): string {
  const missing: string[] = [];
  const expanded = expand(text, (name) => {
    if (!Object.hasOwn(env, name)) missing.push(name);
    return env[name];
  });
  if (missing.length > 0)
    throw new ConfigError(`missing value for ${missing.map((one) => JSON.stringify(one)).join(', ')}`);
  return expanded;
}

interface MountPart {
  readonly mounted: VolumeMounted;
  readonly subPath: string;
  readonly volume: string;
  /** Among the container's mounts. */
  readonly index: number;
}

/** Source: kubelet `makeMounts`. */
async function subPathOf(
  { context, container, pod }: ConfigOptions,
  { mounted, subPath, volume, index }: MountPart,
): Promise<string> {
  if (subPath.startsWith('/')) throw new ConfigError(`error SubPath \`${subPath}\` must not be an absolute path`);
  if (subPath.split('/').includes('..')) {
    throw new ConfigError(`unable to provision SubPath \`${subPath}\`: must not contain '..'`);
  }
  try {
    const mount = `${container.name}.${index}`;
    const part = { mount, path: subPath, isReadOnly: mounted.isReadOnly === true };
    return await context.volumes.within(mounted.path, { podUid: pod.metadata?.uid ?? '', ...part });
  } catch (cause) {
    const message = `failed to prepare subPath for volumeMount "${volume}" of container "${container.name}"`;
    throw Object.assign(new ConfigError(message), { cause });
  }
}
