/** Makes what an OCI runtime runs of a record: the files that a container gets besides its volumes, and its `config.json`. */
import { chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerConfig } from '../container-config.ts';
import { resolvConfText } from '../resolv-conf-text.ts';
import { RuntimeError } from '../runtime.ts';
import { wishedBlockIo } from './block-io.ts';
import { readInside } from './inside-root.ts';
import type { Machine } from './machine.ts';
import { devicesAt } from './machine.ts';
import { pauseProgram } from './pause-program.ts';
import { containerPlaces, type Places, sandboxPlaces } from './places.ts';
import type { ContainerFile, SandboxFile } from './records.ts';
import type { HostDevice } from './spec/devices.ts';
import { type NamespacePaths, type SpecOptions, userMappings } from './spec/oci-spec.ts';
import type { OciSpec } from './spec/oci-types.ts';
import { type ContainerUser, containerUser } from './spec/users.ts';

const hostResolvConf = '/etc/resolv.conf';
const hostSharedMemory = '/dev/shm';

/** Writes the files that the containers of a sandbox share. */
export async function writeSandboxFiles(places: Places, { id, config }: SandboxFile): Promise<void> {
  const at = sandboxPlaces(places, id, config);
  const dns = config.dns;
  const resolvConf = dns === undefined ? await readFile(hostResolvConf, 'utf8').catch(() => '') : resolvConfText(dns);
  await Promise.all([writeFile(at.hostname, `${config.hostname}\n`), writeFile(at.resolvConf, resolvConf)]);
}

/** Whom a container's program runs as, by the files of its root. */
export async function userOf(config: ContainerConfig, imageUser: string, rootPath: string): Promise<ContainerUser> {
  const [passwd, group] = await Promise.all([readInside(rootPath, '/etc/passwd'), readInside(rootPath, '/etc/group')]);
  const { runAsUser, runAsGroup, supplementalGroups, supplementalGroupsPolicy } = config.security;
  return containerUser(
    { imageUser, runAsUser, runAsGroup, supplementalGroups, supplementalGroupsPolicy },
    { passwd, group },
  );
}

/** The devices that a container names. Rejects with `failed` where one is not there. */
export async function wishedDevices({ devices }: ContainerConfig): Promise<readonly HostDevice[]> {
  const found = await Promise.all(devices.map(({ hostPath }) => devicesAt(hostPath)));
  const missing = found.findIndex((all) => all.length === 0);
  if (missing >= 0)
    throw new RuntimeError(
      'failed',
      `error gathering device information while adding device "${devices[missing]?.hostPath}": no such device`,
    );
  return found.flatMap(([first]) => first ?? []);
}

/** Where what containers name is on the node. */
export interface NamedPlaces {
  /** Seccomp profiles. */
  readonly seccompFolder: string;
  /** Classes of block I/O; need not be there. */
  readonly blockIoFile: string;
}

/** What a container names that is in files of the node: its seccomp profile, and what its class of block I/O comes to. Rejects as `wishedBlockIo`. */
export async function namedParts(
  config: ContainerConfig,
  { seccompFolder, blockIoFile }: NamedPlaces,
): Promise<Pick<ContainerFile, 'blockIo' | 'seccompText'>> {
  const [profile, blockIo] = await Promise.all([
    seccompText(config, seccompFolder),
    wishedBlockIo(config, blockIoFile),
  ]);
  return {
    ...(profile === undefined ? {} : { seccompText: profile }),
    ...(blockIo === undefined ? {} : { blockIo }),
  };
}

/** Undefined where it names none, or there is no such file. */
async function seccompText({ security }: ContainerConfig, folder: string): Promise<string | undefined> {
  if (security.seccomp?.type !== 'localhost') return undefined;
  return readFile(join(folder, join('/', security.seccomp.reference)), 'utf8').catch(() => undefined);
}

/** The bundle of a container in the terms of `ociSpec`. */
export function specOptions(
  {
    places,
    machine,
    nodeNetwork,
  }: { readonly places: Places; readonly machine: Machine; readonly nodeNetwork?: string | undefined },
  {
    record,
    sandbox,
    pausePid,
    targetPid,
  }: {
    readonly record: ContainerFile;
    readonly sandbox: SandboxFile;
    readonly pausePid: number | undefined;
    readonly targetPid: number | undefined;
  },
): SpecOptions {
  const { namespaces } = sandbox.config;
  const shared = sandboxPlaces(places, sandbox.id, sandbox.config);
  const own = containerPlaces(places, record.id, sandbox.config);
  const network = sandbox.ownNetwork ? shared.network : nodeNetwork;
  const paths: NamespacePaths = {
    ...(network === undefined ? {} : { network }),
    ...(namespaces.ipc === 'pod' ? { ipc: shared.ipc } : {}),
    ...(namespaces.pid === 'container' && targetPid !== undefined ? { pid: `/proc/${targetPid}/ns/pid` } : {}),
    ...(namespaces.pid === 'pod' && pausePid !== undefined ? { pid: `/proc/${pausePid}/ns/pid` } : {}),
    uts: shared.uts,
    ...(sandbox.userBase === undefined ? {} : { user: shared.user }),
  };
  return {
    ...(sandbox.userBase === undefined ? {} : { userBase: sandbox.userBase }),
    sandbox: sandbox.config,
    container: { ...record.config, resources: record.resources ?? record.config.resources },
    image: record.image,
    user: record.user,
    machine: machine.facts,
    namespaces: paths,
    rootPath: record.rootPath,
    cgroupsPath: own.cgroup,
    files: {
      hostname: shared.hostname,
      resolvConf: shared.resolvConf,
      shm: namespaces.ipc === 'pod' ? shared.shm : hostSharedMemory,
      terminationLog: { hostPath: own.terminationLog, containerPath: record.config.terminationMessagePath },
    },
    devices: record.devices,
    seccompText: record.seccompText,
    blockIo: record.blockIo,
    hooks: record.hooks,
  };
}

/** Makes the folder of a pod's first process, which is somebody's. Rejects with `unsupported` on a processor that its program is not there for. */
export async function writePauseRoot(
  path: string,
  { architecture, owner }: { readonly architecture: string; readonly owner: number },
): Promise<void> {
  const program = pauseProgram(architecture);
  if (program === undefined)
    throw new RuntimeError(
      'unsupported',
      `shareProcessNamespace is not supported on processors of the kind ${architecture}`,
    );
  // The OCI runtime makes folders in it, as the pod's root; crun wants that of devices to be there.
  for (const folder of [path, join(path, 'dev')]) {
    await mkdir(folder, { recursive: true, mode: 0o755 });
    await chown(folder, owner, owner);
  }
  await writeFile(join(path, 'pause'), program, { mode: 0o755 });
}

/** Makes the bundle of a pod's first process, whose root is at a path. */
export async function writePauseBundle(places: Places, sandbox: SandboxFile, root: string): Promise<void> {
  const at = sandboxPlaces(places, sandbox.id, sandbox.config);
  const spec = pauseSpec(root, `${at.cgroup}/${sandbox.id}`, { uts: at.uts, ...userOptions(sandbox, at) });
  await writeFile(at.config, JSON.stringify(spec));
}

function userOptions({ userBase }: SandboxFile, { user }: { readonly user: string }) {
  return userBase === undefined ? {} : { user, userBase };
}

function pauseSpec(
  root: string,
  cgroupsPath: string,
  { uts, user, userBase }: { readonly uts: string; readonly user?: string; readonly userBase?: number },
): OciSpec {
  // Of nobody in particular, and without any rights. Source: the user of upstream's pause image.
  const id = 65_535;
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: id, gid: id, additionalGids: [] },
      args: ['/pause'],
      env: [],
      cwd: '/',
      capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] },
      noNewPrivileges: true,
    },
    root: { path: root, readonly: true },
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] }],
    annotations: {},
    linux: {
      namespaces: [
        { type: 'mount' },
        { type: 'pid' },
        { type: 'uts', path: uts },
        ...(user === undefined ? [] : [{ type: 'user', path: user } as const]),
      ],
      ...(userBase === undefined ? {} : userMappings(userBase)),
      cgroupsPath,
      resources: { devices: [{ allow: false, access: 'rwm' }], cpu: { shares: 2 } },
      devices: [],
      sysctl: {},
      maskedPaths: [],
      readonlyPaths: [],
    },
  };
}
