/** Containers as Docker's API shows them. Pure. Source: Docker Engine API 1.41, `ContainerSummary`, `ContainerInspectResponse`. */
import type { ContainerNetwork } from './container-network.ts';
import { commandOf } from './container-spec.ts';
import type { DockerContainer } from './containers.ts';
import type { PublishedPort } from './ports.ts';

/** What has not happened yet, as Go writes it. */
const never = '0001-01-01T00:00:00Z';

const timeText = (ms: number | undefined): string => (ms === undefined ? never : new Date(ms).toISOString());

/** A row of `docker ps`. */
export function containerSummary(container: DockerContainer, nowMs: number, network: ContainerNetwork): object {
  const { id, name, wish, image, createdMs } = container;
  return {
    Id: id,
    Names: [`/${name}`],
    Image: wish.image,
    ImageID: image.id,
    Command: commandOf(wish, image).join(' '),
    Created: Math.floor(createdMs / 1000),
    Ports: portRows(container),
    Labels: { ...image.config.labels, ...wish.labels },
    State: stateText(container),
    Status: statusText(container, nowMs),
    HostConfig: { NetworkMode: networkMode(container) },
    NetworkSettings: { Networks: networksOf(container, network) },
    Mounts: mountsOf(container),
  };
}

/** All of one. */
export function containerDetails(
  container: DockerContainer,
  network: ContainerNetwork,
  execIds: readonly string[],
  pid: number,
) {
  const { id, name, wish, image, createdMs, networkNamespace } = container;
  const [path = '', ...args] = commandOf(wish, image);
  return {
    Id: id,
    Created: timeText(createdMs),
    Path: path,
    Args: args,
    State: stateOf(container, pid),
    Image: image.id,
    Name: `/${name}`,
    RestartCount: 0,
    Driver: 'overlay2',
    Platform: 'linux',
    ExecIDs: execIds.length === 0 ? null : execIds,
    HostsPath: container.hostsFile,
    Mounts: mountsOf(container),
    HostConfig: {
      ...wish.hostConfig,
      NetworkMode: networkMode(container),
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
      AutoRemove: wish.autoRemove,
      Binds: wish.hostConfig.Binds ?? null,
      PortBindings: wish.hostConfig.PortBindings ?? {},
    },
    Config: configOf(container),
    NetworkSettings: {
      SandboxKey: networkNamespace ?? '',
      Ports: portMap(container),
      IPAddress: container.ip,
      IPPrefixLen: container.ip === '' ? 0 : prefixBits,
      Gateway: container.ip === '' ? '' : network.gateway,
      MacAddress: '',
      Networks: networksOf(container, network),
    },
  };
}

const prefixBits = 24;

function stateOf(container: DockerContainer, pid: number) {
  const { state, exitCode, isOutOfMemory, isPaused, error, startedMs, finishedMs } = container;
  return {
    Status: stateText(container),
    Running: state === 'running',
    Paused: isPaused,
    Restarting: false,
    OOMKilled: isOutOfMemory,
    Dead: false,
    Pid: state === 'running' ? pid : 0,
    ExitCode: exitCode,
    Error: error,
    StartedAt: timeText(startedMs),
    FinishedAt: timeText(finishedMs),
  };
}

function configOf({ id, wish, image }: DockerContainer) {
  const { config } = image;
  const { HostConfig: _host, NetworkingConfig: _networking, name: _name, ...said } = wish.config;
  const names = new Set(wish.env.map((entry) => entry.split('=')[0]));
  return {
    ...said,
    Hostname: wish.hostname || id.slice(0, 12),
    Image: wish.image,
    User: wish.user || config.user,
    Env: [...wish.env, ...config.environment.filter((entry) => !names.has(entry.split('=')[0]))],
    Cmd: wish.command ?? (wish.entrypoint === undefined ? config.command : null),
    Entrypoint: wish.entrypoint ?? (config.entrypoint.length === 0 ? null : config.entrypoint),
    WorkingDir: wish.workingDir || config.workingDirectory,
    Labels: { ...config.labels, ...wish.labels },
    ExposedPorts: Object.fromEntries(exposedBy({ wish, image }).map((port) => [port, {}])),
    Tty: wish.tty,
    OpenStdin: wish.openStdin,
    StdinOnce: wish.stdinOnce,
  };
}

function exposedBy({ wish, image }: Pick<DockerContainer, 'image' | 'wish'>): readonly string[] {
  const said = wish.ports.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`);
  return [...new Set([...wish.exposed, ...(image.config.exposedPorts ?? []), ...said])];
}

function networkMode({ wish }: DockerContainer): string {
  return wish.network === 'bridge' ? 'default' : wish.network;
}

function networksOf({ id, ip, wish }: DockerContainer, network: ContainerNetwork): object {
  const isConnected = ip !== '';
  return {
    [wish.network]: {
      IPAMConfig: null,
      Links: null,
      Aliases: null,
      NetworkID: wish.network,
      EndpointID: isConnected ? id : '',
      Gateway: isConnected ? network.gateway : '',
      IPAddress: ip,
      IPPrefixLen: isConnected ? prefixBits : 0,
      IPv6Gateway: '',
      GlobalIPv6Address: '',
      GlobalIPv6PrefixLen: 0,
      MacAddress: '',
      DriverOpts: null,
    },
  };
}

function mountsOf({ mounts }: DockerContainer): readonly object[] {
  return mounts.map(({ type, name, source, target, readOnly }) => ({
    Type: type,
    ...(type === 'volume' ? { Name: name, Driver: 'local' } : {}),
    Source: source,
    Destination: target,
    Mode: readOnly ? 'ro' : '',
    RW: !readOnly,
    Propagation: type === 'bind' ? 'rprivate' : '',
  }));
}

function portRows(container: DockerContainer): readonly object[] {
  if (container.state !== 'running') return [];
  const published = container.publication?.ports ?? [];
  const taken = new Set(published.map(keyOf));
  const others = exposedBy(container).filter((port) => !taken.has(port));
  return [
    ...published.map(({ hostIp, hostPort, containerPort, protocol }) => ({
      IP: hostIp,
      PrivatePort: containerPort,
      PublicPort: hostPort,
      Type: protocol,
    })),
    ...others.map((port) => ({ PrivatePort: Number(port.split('/')[0]), Type: port.split('/')[1] ?? 'tcp' })),
  ];
}

function portMap(container: DockerContainer): object {
  if (container.state !== 'running') return {};
  const map: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  for (const port of exposedBy(container)) map[port] = null;
  for (const port of container.publication?.ports ?? []) {
    const bindings = map[keyOf(port)] ?? [];
    bindings.push({ HostIp: port.hostIp, HostPort: String(port.hostPort) });
    map[keyOf(port)] = bindings;
  }
  return map;
}

function keyOf({ containerPort, protocol }: PublishedPort): string {
  return `${containerPort}/${protocol}`;
}

/** As filters and lists name it. */
export function stateText({ isPaused, state }: Pick<DockerContainer, 'isPaused' | 'state'>): string {
  return isPaused ? 'paused' : state;
}

function statusText(
  { state, isPaused, startedMs = 0, finishedMs = 0, exitCode }: DockerContainer,
  nowMs: number,
): string {
  if (state === 'created') return 'Created';
  if (state === 'running') return `Up ${durationText(nowMs - startedMs)}${isPaused ? ' (Paused)' : ''}`;
  return `Exited (${exitCode}) ${durationText(nowMs - finishedMs)} ago`;
}

/** Source: Docker's `units.HumanDuration`. */
function durationText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  if (hours === 1) return 'About an hour';
  return hours < 48 ? `${hours} hours` : `${Math.floor(hours / 24)} days`;
}
