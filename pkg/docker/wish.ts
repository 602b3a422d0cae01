/**
 * What a client wants a container to be: the body of `POST /containers/create`, read and checked. Nothing that is asked for is passed over: a field that is not
 * known here is refused unless it says nothing, as clients send all of them. Pure. Source: Docker Engine API 1.41, `ContainerConfig`, `HostConfig`.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import { DockerError } from './docker-error.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A port of the machine that leads into a container. */
export interface PortWish {
  readonly protocol: 'tcp' | 'udp';
  readonly containerPort: number;
  /** Empty for all addresses. */
  readonly hostIp: string;
  /** 0 for one that is free. */
  readonly hostPort: number;
}

/** A folder or file of the machine, or a volume, in a container. */
export interface MountWish {
  readonly type: 'bind' | 'volume';
  /** A path, or the name of a volume; empty for a volume of the container's own. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  /** Of a path: it is made where it is not there. */
  readonly isMade: boolean;
}

/** What limits it; absent is no limit. */
export interface LimitWish {
  readonly memoryBytes?: number;
  readonly memorySwapBytes?: number;
  readonly cpuShares?: number;
  readonly cpuQuotaUs?: number;
  readonly cpuPeriodUs?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly pidsMax?: number;
  readonly oomScoreAdjustment?: number;
}

/** A container as it is wanted. */
export interface ContainerWish {
  readonly image: string;
  readonly hostname: string;
  readonly user: string;
  readonly workingDir: string;
  readonly env: readonly string[];
  /** Absent: the image's. */
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  readonly stopSignal: string;
  readonly stopSeconds: number;
  /** Such as `80/tcp`, besides those of the image. */
  readonly exposed: readonly string[];
  readonly ports: readonly PortWish[];
  readonly publishesAll: boolean;
  readonly mounts: readonly MountWish[];
  readonly network: 'bridge' | 'host' | 'none';
  readonly autoRemove: boolean;
  readonly privileged: boolean;
  readonly readOnlyRoot: boolean;
  readonly addCapabilities: readonly string[];
  readonly dropCapabilities: readonly string[];
  readonly groups: readonly number[];
  readonly noNewPrivileges: boolean;
  readonly isUnconfined: boolean;
  readonly sysctls: Readonly<Record<string, string>>;
  /** Lines of `/etc/hosts`: `name:address`. */
  readonly hosts: readonly string[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly sharesPids: boolean;
  readonly sharesIpc: boolean;
  readonly devices: readonly {
    readonly hostPath: string;
    readonly containerPath: string;
    readonly permissions: string;
  }[];
  readonly limits: LimitWish;
  /** The body as it was sent, which is shown to who inspects the container. */
  readonly config: Fields;
  readonly hostConfig: Fields;
}

const configFields = [
  'Hostname Domainname User AttachStdin AttachStdout AttachStderr ExposedPorts Tty OpenStdin StdinOnce Env Cmd Image Volumes WorkingDir',
  'Entrypoint Labels StopSignal StopTimeout HostConfig NetworkingConfig',
  // What clients send besides: a name in another place, and what the image was made with.
  'name Name OnBuild Shell ArgsEscaped platform Platform',
]
  .join(' ')
  .split(' ');

const hostFields = [
  'Binds Mounts PortBindings PublishAllPorts AutoRemove NetworkMode Memory MemorySwap NanoCpus CpuShares CpuQuota CpuPeriod CpusetCpus CpusetMems',
  'PidsLimit Privileged CapAdd CapDrop ReadonlyRootfs SecurityOpt Sysctls ExtraHosts Dns DnsSearch DnsOptions PidMode IpcMode GroupAdd Devices',
  'OomScoreAdj RestartPolicy LogConfig ConsoleSize MaskedPaths ReadonlyPaths Isolation Runtime',
]
  .join(' ')
  .split(' ');

/** Reads it. Throws 400 for what makes no sense, and 501 for what cannot be had here. */
export function containerWish(body: Fields): ContainerWish {
  refuseOthers(body, configFields, '');
  const host = isObject(body.HostConfig) ? body.HostConfig : {};
  refuseOthers(host, hostFields, 'HostConfig.');
  refuseHost(host);
  const image = text(body, 'Image');
  if (image === '') throw new DockerError(400, 'No image specified');
  return {
    image,
    ...programOf(body),
    ...rightsOf(host),
    ...placesOf(body, host),
    limits: limitsOf(host),
    autoRemove: bool(host, 'AutoRemove'),
    config: body,
    hostConfig: host,
  };
}

function programOf(body: Fields) {
  const { Entrypoint: entrypoint, Cmd: command } = body;
  return {
    hostname: text(body, 'Hostname'),
    user: text(body, 'User'),
    workingDir: text(body, 'WorkingDir'),
    env: texts(body, 'Env'),
    ...(isNothing(entrypoint) ? {} : { entrypoint: words(body, 'Entrypoint') }),
    ...(isNothing(command) ? {} : { command: words(body, 'Cmd') }),
    labels: stringMap(body, 'Labels'),
    tty: bool(body, 'Tty'),
    openStdin: bool(body, 'OpenStdin'),
    stdinOnce: bool(body, 'StdinOnce'),
    stopSignal: text(body, 'StopSignal'),
    stopSeconds: typeof body.StopTimeout === 'number' ? body.StopTimeout : stopSecondsDefault,
    exposed: Object.keys(isObject(body.ExposedPorts) ? body.ExposedPorts : {}),
  };
}

/** Source: Docker's `docker stop`. */
const stopSecondsDefault = 10;

function rightsOf(host: Fields) {
  const options = texts(host, 'SecurityOpt').map((option) => option.replace('=', ':'));
  const known = [
    'no-new-privileges',
    'no-new-privileges:true',
    'seccomp:unconfined',
    'label:disable',
    'apparmor:unconfined',
  ];
  const other = options.find((option) => !known.includes(option));
  if (other !== undefined) throw unsupported(`the security option ${other}`);
  const capabilities = (field: string): readonly string[] =>
    texts(host, field).map((name) => name.toUpperCase().replace(/^CAP_/, ''));
  const groups = texts(host, 'GroupAdd');
  const named = groups.find((group) => !/^\d+$/.test(group));
  if (named !== undefined) throw unsupported(`a group by its name, ${named}`);
  return {
    privileged: bool(host, 'Privileged'),
    readOnlyRoot: bool(host, 'ReadonlyRootfs'),
    addCapabilities: capabilities('CapAdd'),
    dropCapabilities: capabilities('CapDrop'),
    groups: groups.map(Number),
    noNewPrivileges: options.some((option) => option.startsWith('no-new-privileges')),
    isUnconfined: options.includes('seccomp:unconfined'),
    sysctls: stringMap(host, 'Sysctls'),
    sharesPids: mode(host, 'PidMode', ['', 'host']) === 'host',
    sharesIpc: mode(host, 'IpcMode', ['', 'private', 'shareable', 'host']) === 'host',
    devices: objects(host, 'Devices').map((device) => ({
      hostPath: text(device, 'PathOnHost'),
      containerPath: text(device, 'PathInContainer') || text(device, 'PathOnHost'),
      permissions: text(device, 'CgroupPermissions') || 'rwm',
    })),
  };
}

function placesOf(body: Fields, host: Fields) {
  const asked = mode(host, 'NetworkMode', ['', 'default', 'bridge', 'host', 'none']);
  const network = asked === 'host' || asked === 'none' ? asked : 'bridge';
  const own = Object.keys(isObject(body.Volumes) ? body.Volumes : {}).map(volumeAt);
  const mounts = [...texts(host, 'Binds').map(bindOf), ...objects(host, 'Mounts').map(mountOf), ...own];
  const twice = mounts.find(({ target }, index) => mounts.findIndex((one) => one.target === target) !== index);
  if (twice !== undefined) throw new DockerError(400, `Duplicate mount point: ${twice.target}`);
  return {
    network,
    ports: network === 'bridge' ? portsOf(host) : [],
    publishesAll: bool(host, 'PublishAllPorts'),
    mounts,
    hosts: texts(host, 'ExtraHosts'),
    dns: texts(host, 'Dns'),
    dnsSearch: texts(host, 'DnsSearch'),
    dnsOptions: texts(host, 'DnsOptions'),
  } as const;
}

function volumeAt(target: string): MountWish {
  return { type: 'volume', source: '', target, readOnly: false, isMade: false };
}

/** `SOURCE:TARGET[:OPTIONS]`, or a target alone. */
function bindOf(bind: string): MountWish {
  const [source = '', target, options = ''] = bind.split(':');
  if (target === undefined) return volumeAt(absolute(source, bind));
  const said = options === '' ? [] : options.split(',');
  // Labels of SELinux mean nothing where there is none.
  const known = ['ro', 'rw', 'z', 'Z', 'rprivate', 'private', 'nocopy'];
  const other = said.find((option) => !known.includes(option));
  if (other !== undefined) throw unsupported(`the option ${other} of ${bind}`);
  const isPath = source.startsWith('/');
  if (!isPath && !/^[a-zA-Z0-9][\w.-]*$/.test(source))
    throw new DockerError(
      400,
      `create ${source}: "${source}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed`,
    );
  return {
    type: isPath ? 'bind' : 'volume',
    source,
    target: absolute(target, bind),
    readOnly: said.includes('ro'),
    isMade: isPath,
  };
}

function mountOf(mount: Fields): MountWish {
  refuseOthers(mount, ['Type', 'Source', 'Target', 'ReadOnly', 'Consistency'], 'HostConfig.Mounts.');
  const type = text(mount, 'Type');
  const [source, target] = [text(mount, 'Source'), text(mount, 'Target')];
  if (type !== 'bind' && type !== 'volume') throw unsupported(`a mount of the type ${type}`);
  return { type, source, target: absolute(target, target), readOnly: bool(mount, 'ReadOnly'), isMade: false };
}

function absolute(path: string, whole: string): string {
  if (!path.startsWith('/'))
    throw new DockerError(400, `invalid volume specification: '${whole}': mount path must be absolute`);
  return path;
}

function portsOf(host: Fields): readonly PortWish[] {
  const bindings = isObject(host.PortBindings) ? host.PortBindings : {};
  return Object.entries(bindings).flatMap(([port, wanted]) =>
    (Array.isArray(wanted) ? wanted : []).filter(isObject).map((one) => {
      const hostPort = text(one, 'HostPort');
      if (!/^\d{0,5}$/.test(hostPort)) throw unsupported(`the port ${hostPort}, which is not one`);
      return { ...portOf(port), hostIp: text(one, 'HostIp'), hostPort: Number(hostPort) };
    }),
  );
}

/** `80/tcp` in its parts. Throws 400 for what is no port, and 501 for protocols other than TCP and UDP. */
export function portOf(port: string): Pick<PortWish, 'containerPort' | 'protocol'> {
  const [number = '', protocol = 'tcp'] = port.split('/');
  if (!/^\d{1,5}$/.test(number)) throw new DockerError(400, `invalid port specification: "${port}"`);
  if (protocol !== 'tcp' && protocol !== 'udp') throw unsupported(`ports of ${protocol}`);
  return { containerPort: Number(number), protocol };
}

function limitsOf(host: Fields): LimitWish {
  const [nanoCpus, memory, swap] = [amount(host, 'NanoCpus'), amount(host, 'Memory'), amount(host, 'MemorySwap')];
  const quota = amount(host, 'CpuQuota');
  if (nanoCpus !== undefined && quota !== undefined)
    throw new DockerError(400, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set.');
  const periodUs = amount(host, 'CpuPeriod') ?? cpuPeriodUs;
  const quotaUs = nanoCpus === undefined ? quota : Math.round((nanoCpus / 1e9) * periodUs);
  const shares = amount(host, 'CpuShares');
  const pids = amount(host, 'PidsLimit');
  const score = typeof host.OomScoreAdj === 'number' && host.OomScoreAdj !== 0 ? host.OomScoreAdj : undefined;
  const [cpus, mems] = [text(host, 'CpusetCpus'), text(host, 'CpusetMems')];
  return {
    ...(memory === undefined ? {} : { memoryBytes: memory }),
    ...(swap === undefined || swap < 0 ? {} : { memorySwapBytes: swap }),
    ...(shares === undefined ? {} : { cpuShares: shares }),
    ...(quotaUs === undefined || quotaUs < 0 ? {} : { cpuQuotaUs: quotaUs, cpuPeriodUs: periodUs }),
    ...(cpus === '' ? {} : { cpusetCpus: cpus }),
    ...(mems === '' ? {} : { cpusetMems: mems }),
    ...(pids === undefined || pids < 0 ? {} : { pidsMax: pids }),
    ...(score === undefined ? {} : { oomScoreAdjustment: score }),
  };
}

/** Source: the kernel's default of a period. */
const cpuPeriodUs = 100_000;

function refuseHost(host: Fields): void {
  const policy = isObject(host.RestartPolicy) ? text(host.RestartPolicy, 'Name') : '';
  if (policy !== '' && policy !== 'no') throw unsupported(`the restart policy ${policy}`);
  const driver = isObject(host.LogConfig) ? text(host.LogConfig, 'Type') : '';
  if (driver !== '' && driver !== 'json-file') throw unsupported(`the log driver ${driver}`);
  mode(host, 'Isolation', ['', 'default']);
  mode(host, 'Runtime', ['', 'runc']);
  for (const field of ['MaskedPaths', 'ReadonlyPaths'])
    if (Array.isArray(host[field])) throw unsupported(`HostConfig.${field}`);
}

function refuseOthers(fields: Fields, known: readonly string[], where: string): void {
  const other = Object.entries(fields).find(([name, value]) => !known.includes(name) && !isNothing(value));
  if (other !== undefined) throw unsupported(`${where}${other[0]}`);
}

/** Clients send every field that they know: what says nothing asks for nothing. */
function isNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === 0 || value === -1 || value === false)
    return true;
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.values(value).every(isNothing);
}

function unsupported(what: string): DockerError {
  return new DockerError(501, `${what} is not supported by Coxswain's Docker socket`);
}

function mode(fields: Fields, name: string, known: readonly string[]): string {
  const said = text(fields, name);
  if (!known.includes(said)) throw unsupported(`${name} ${said}`);
  return said;
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw new DockerError(400, `invalid value for ${name}: a text is expected`);
  return value;
}

function bool(fields: Fields, name: string): boolean {
  return fields[name] === true;
}

/** A number that is not 0, which is no limit. */
function amount(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  return typeof value === 'number' && value !== 0 ? value : undefined;
}

function texts(fields: Fields, name: string): readonly string[] {
  const value = fields[name];
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
  throw new DockerError(400, `invalid value for ${name}: a list of texts is expected`);
}

/** A list, or one text alone, as older clients send commands. */
function words(fields: Fields, name: string): readonly string[] {
  const value = fields[name];
  return typeof value === 'string' ? [value] : texts(fields, name);
}

function objects(fields: Fields, name: string): readonly Fields[] {
  const value = fields[name];
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function stringMap(fields: Fields, name: string): Readonly<Record<string, string>> {
  const value = fields[name];
  if (!isObject(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, String(one)]));
}
