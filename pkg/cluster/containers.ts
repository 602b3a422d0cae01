/**
 * The container runtime of a node: with the images of its cluster, and the OCI runtime that this machine has. Invariant: it is only opened where the machine has
 * all that it needs; what is missing is said in one sentence before anything starts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { arch, release, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Random } from '#pkg/base/random.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { ContainerRuntime } from '#pkg/kubelet/runtime/container/container-runtime.ts';
import type { OciRuntimes } from '#pkg/kubelet/runtime/container/oci-runtimes.ts';
import { placesOf } from '#pkg/kubelet/runtime/container/places.ts';
import { criFolder } from './cri-endpoint.ts';
import { findProgram } from './host-programs.ts';
import { handlerOfProgram, ociProgramsOf, ociRuntimesDefault } from './oci-runtimes.ts';

/** Where it is in a node's folder. */
export const runtimeFolder = 'oci';

/** Classes of block I/O, in the cluster's folder. */
const blockIoFileName = 'block-io.yaml';

/** Whose containers, and where. */
export interface ContainersPlace {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The node's folder. */
  readonly folder: string;
  /** Folder whose images they are made of. */
  readonly imagesFolder: string;
  /** Whether pods have networks of their own. */
  readonly ownNetwork: boolean;
  /** Path of the network namespace of the node; absent for that of this machine. */
  readonly nodeNetwork?: string | undefined;
  /** What pods may use of the node; absent for all of the machine. */
  readonly allocatable?: Readonly<Record<string, string>>;
  /** Most processes of one pod; absent: no limit. */
  readonly podPidsMax?: number | undefined;
  /** Which programs make them, as a flag says it; absent where none are made any more. */
  readonly ociRuntimes?: string;
}

/** Why this machine runs no containers by these OCI runtimes, in one sentence; undefined where it does. */
export function containersProblem(ociRuntimes: string = ociRuntimesDefault): string | undefined {
  return machineProblem() ?? firstOf(ociProgramsOf(ociRuntimes).map(programProblem));
}

function machineProblem(): string | undefined {
  if (userInfo().uid !== 0) return 'containers are made by root alone';
  if (!/ - cgroup2? /.test(readFileSync('/proc/self/mountinfo', 'utf8')))
    return 'no cgroups are mounted, which limit containers';
  return isBuiltin('node:ffi') ? undefined : noFfi;
}

const noFfi = 'this Node has no node:ffi, by which containers are given namespaces: Node 26 is needed';

/** Opens it. Rejects with `UserError` where the machine has not what it needs. */
export async function openContainers(place: ContainersPlace): Promise<ContainerRuntime> {
  const { ociRuntimes } = place;
  const problem = ociRuntimes === undefined ? machineProblem() : containersProblem(ociRuntimes);
  if (problem !== undefined) throw new UserError(`Cannot run containers as ${problem}`);
  const [{ openContainerRuntime }, { openClusterImages }, { nodeResources }] = await Promise.all([
    import('#pkg/kubelet/runtime/container/container-runtime.ts'),
    import('./images.ts'),
    import('#pkg/kubelet/pods/container-resources.ts'),
  ]);
  const { clock, random, log, folder, imagesFolder, ownNetwork, nodeNetwork, allocatable, podPidsMax } = place;
  const architecture = arch();
  const images = await openClusterImages({ folder: imagesFolder, clock, random, architecture, isRoot: true });
  return openContainerRuntime({
    clock,
    random,
    log,
    dataDir: join(folder, runtimeFolder),
    images,
    hasUserNamespaces: images.snapshotter.kind === 'overlay' && mapsUsers(),
    ociRuntimes: found(ociRuntimes),
    architecture,
    ownNetwork,
    nodeNetwork,
    seccompFolder: join(folder, 'seccomp'),
    blockIoFile: join(imagesFolder, blockIoFileName),
    podPidsMax,
    ...(allocatable === undefined ? {} : { nodeResources: nodeResources(allocatable) }),
  });
}

/** Ends all containers that the nodes of a cluster have left, whose kubelets do not run any more, and what is mounted in their folders, of nodes without containers too; gives how many nodes had any. */
export async function endContainers(
  clusterFolder: string,
  deps: Pick<ContainersPlace, 'clock' | 'log' | 'random'>,
): Promise<number> {
  const nodes = namesIn(join(clusterFolder, 'kubelet'));
  const has = (node: string, name: string): boolean => namesIn(join(clusterFolder, 'kubelet', node)).includes(name);
  const left = nodes.filter((node) => has(node, runtimeFolder) || has(node, criFolder));
  for (const node of left) {
    const folder = join(clusterFolder, 'kubelet', node);
    if (has(node, criFolder)) await (await import('./cri.ts')).endCriContainers(folder, deps);
    // A kubelet that was killed without a pod has left a monitor and cgroups all the same.
    const hasLeft = existsSync(placesOf(join(folder, runtimeFolder)).memory);
    if (hasLeft || namesIn(join(folder, runtimeFolder, 'sandboxes')).length > 0) {
      const runtime = await openContainers({ ...deps, folder, imagesFolder: clusterFolder, ownNetwork: false });
      await runtime.close();
    }
  }
  for (const node of nodes) await (await import('./plugins.ts')).endMounts(join(clusterFolder, 'kubelet', node));
  return left.length;
}

/** Whether this machine can give pods users of their own: file systems in memory are shown by other ids since Linux 6.3. */
export function mapsUsers(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const isNew = major > 6 || (major === 6 && minor >= 3);
  return isNew && existsSync('/proc/self/ns/user') && findProgram('unshare') !== undefined;
}

/** Why a program makes no containers here; undefined where it does, as far as can be told without making one. */
export function programProblem(program: string): string | undefined {
  const path = findProgram(program);
  if (path === undefined)
    return `there is no OCI runtime ${program.startsWith('/') ? `at ${program}` : `"${program}": install ${program}`}`;
  if (!hasBothCgroups() || !isCrun(path)) return undefined;
  return `${program} makes no containers on a machine that has cgroups of both versions, as this one: use runc`;
}

/** Whether limits are kept by version 1 of cgroups while version 2 is mounted too. */
function hasBothCgroups(): boolean {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return (
    lines.some((line) => line.includes(' - cgroup2 ')) &&
    lines.some((line) => / - cgroup .*\b(?:memory|pids)\b/.test(line))
  );
}

function isCrun(path: string): boolean {
  if (handlerOfProgram(path) === ociRuntimesDefault) return false;
  return spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout?.startsWith('crun ') === true;
}

function firstOf(problems: readonly (string | undefined)[]): string | undefined {
  return problems.find((problem) => problem !== undefined);
}

/** Where the programs are that a flag says. */
function found(ociRuntimes: string | undefined): OciRuntimes {
  if (ociRuntimes === undefined) return { first: '', byHandler: {} };
  const paths = ociProgramsOf(ociRuntimes).map((program) => [handlerOfProgram(program), findProgram(program) ?? '']);
  return { first: paths[0]?.[1] ?? '', byHandler: Object.fromEntries(paths) };
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
