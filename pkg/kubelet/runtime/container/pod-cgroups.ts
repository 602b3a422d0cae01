/**
 * The cgroups above those of containers, as upstream's kubelet makes them: `kubepods` for all pods of a node, in it `burstable` and `besteffort`, and one for each
 * pod in that of its class, those of guaranteed pods in `kubepods` itself. Limits are written here; what is below a pod is the OCI runtime's.
 *
 * Laws:
 * 1. A pod's cgroup has its limits before the first container is in it, and goes after the last.
 * 2. `burstable` weighs as much as its pods ask for together, `besteffort` as little as can be, so that a class of many pods cannot crowd out another.
 * 3. What a kubelet that was killed has left of pods that nobody knows is taken away by the next one (`keepOnly`), and all of it by `close`.
 *
 * What the kernel does is done at once and never waited for, so that two pods that come together count both.
 * Source: kubelet `cm/qos_container_manager_linux.go`, `pod_container_manager_linux.go`, `cgroup_manager_linux.go`; kernel `admin-guide/cgroup-v2.rst`.
 */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorText } from '#pkg/base/error-text.ts';
import type { ContainerResources, SandboxConfig } from '../container-config.ts';
import { RuntimeError } from '../runtime.ts';
import { type CgroupMounts, cgroupFolders } from './machine.ts';
import { classCgroups, podCgroup } from './places.ts';

const sharesMin = 2;
const sharesMax = 262_144;
/** Of version 2. */
const weightMax = 10_000;
const periodUsDefault = 100_000;

/** Whose they are. */
export interface PodCgroupsOptions {
  readonly mounts: CgroupMounts;
  /** From the root of each hierarchy: the cgroup of the node, in which all others are. */
  readonly root: string;
  /** What all of its pods may use together, and their weight; what is not named has no limit. */
  readonly node: ContainerResources;
  /** Most processes of one pod, threads among them; absent: as many as the machine has room for. */
  readonly podPidsMax?: number | undefined;
}

/** A pod, as far as its place goes. */
export type PodOfClass = Pick<SandboxConfig, 'podUid' | 'qosClass' | 'resources'>;

/** The cgroups of one node's pods. */
export class PodCgroups {
  readonly #options: PodCgroupsOptions;
  #burstableShares = 0;
  #isMade = false;

  constructor(options: PodCgroupsOptions) {
    this.#options = options;
  }

  /** Makes that of a pod, and those above it. Throws `RuntimeError` where the kernel does not let it. */
  add(pod: PodOfClass): void {
    if (pod.qosClass === undefined) return;
    const { root, node } = this.#options;
    const classes = classCgroups(root);
    try {
      if (!this.#isMade) {
        this.#make(classes.kubepods, node);
        this.#make(classes.besteffort, { cpuShares: sharesMin });
        this.#make(classes.burstable, { cpuShares: Math.max(sharesMin, this.#burstableShares) });
        this.#isMade = true;
      }
      this.#make(podCgroup(root, pod), pod.resources ?? {});
      this.#limitPids(podCgroup(root, pod));
    } catch (cause) {
      throw new RuntimeError('failed', `cannot make the cgroup of the pod: ${errorText(cause)}`, cause);
    }
  }

  /** Gives a pod other limits: all of them, so that what is not named has none. Throws `RuntimeError` for those that it is beyond already. */
  change(pod: PodOfClass): void {
    if (pod.qosClass === undefined) return;
    const path = podCgroup(this.#options.root, pod);
    try {
      this.#write(path, { cpuShares: sharesMin, cpuQuotaUs: -1, memoryLimitBytes: -1, ...pod.resources });
    } catch (cause) {
      throw new RuntimeError('failed', `cannot change the limits of the pod: ${errorText(cause)}`, cause);
    }
  }

  /** Takes that of a pod away: nothing of it runs. */
  remove(pod: PodOfClass): void {
    for (const folder of cgroupFolders(this.#options.mounts, podCgroup(this.#options.root, pod))) removeTree(folder);
  }

  /** These are the pods that run: what their class weighs follows. */
  weigh(pods: readonly PodOfClass[]): void {
    const burstable = new Map(pods.filter(({ qosClass }) => qosClass === 'burstable').map((pod) => [pod.podUid, pod]));
    let shares = 0;
    for (const { resources } of burstable.values()) {
      const own = resources?.cpuShares ?? 0;
      // The least weight is that of a pod that asks for nothing.
      if (own > sharesMin) shares += own;
    }
    if (shares === this.#burstableShares) return;
    this.#burstableShares = shares;
    try {
      this.#write(classCgroups(this.#options.root).burstable, { cpuShares: Math.max(sharesMin, shares) });
    } catch {
      // It is not there, and is made with this weight.
    }
  }

  /** Takes those of all other pods away, as far as nothing runs in them. */
  keepOnly(podUids: ReadonlySet<string>): void {
    const { mounts, root } = this.#options;
    for (const place of Object.values(classCgroups(root)))
      for (const folder of cgroupFolders(mounts, place))
        for (const name of namesIn(folder))
          if (name.startsWith('pod') && !podUids.has(name.slice('pod'.length))) removeTree(join(folder, name));
  }

  /** Takes all of them away. */
  close(): void {
    for (const folder of cgroupFolders(this.#options.mounts, this.#options.root)) removeTree(folder);
    this.#isMade = false;
  }

  #make(path: string, resources: ContainerResources): void {
    const { mounts } = this.#options;
    for (const mount of limitMounts(mounts)) {
      mkdirSync(join(mount, path), { recursive: true });
      if (mounts.version === 'v2') passOnControllers(mount, path);
    }
    this.#write(path, resources);
  }

  /** Against pods that start processes without end: the machine has numbers for so many of them. */
  #limitPids(path: string): void {
    const { mounts, podPidsMax } = this.#options;
    const mount = mounts.folders['pids'];
    if (podPidsMax === undefined || mount === undefined) return;
    mkdirSync(join(mount, path), { recursive: true });
    writeFileSync(join(mount, path, 'pids.max'), String(podPidsMax));
  }

  #write(path: string, resources: ContainerResources): void {
    const { mounts } = this.#options;
    const files = mounts.version === 'v2' ? unifiedFiles(resources) : firstFiles(resources);
    for (const [controller, name, value] of files) {
      const mount = mounts.folders[controller];
      if (mount !== undefined) writeFileSync(join(mount, path, name), value);
    }
  }
}

/** A controller, one of its files, and what is written there. */
type CgroupFile = readonly [controller: 'cpu' | 'memory', name: string, value: string];

function firstFiles({ cpuShares, cpuPeriodUs, cpuQuotaUs, memoryLimitBytes }: ContainerResources): CgroupFile[] {
  return [
    ...of('cpu', 'cpu.shares', cpuShares && Math.min(sharesMax, Math.max(sharesMin, cpuShares))),
    ...of('cpu', 'cpu.cfs_period_us', cpuPeriodUs),
    ...of('cpu', 'cpu.cfs_quota_us', cpuQuotaUs),
    ...of('memory', 'memory.limit_in_bytes', memoryLimitBytes),
  ];
}

function unifiedFiles(resources: ContainerResources): CgroupFile[] {
  const { cpuShares, cpuPeriodUs = periodUsDefault, cpuQuotaUs, memoryLimitBytes } = resources;
  const most = (amount: number): string => (amount < 0 ? 'max' : String(amount));
  return [
    ...of('cpu', 'cpu.weight', cpuShares && weightOf(cpuShares)),
    ...of('cpu', 'cpu.max', cpuQuotaUs && `${most(cpuQuotaUs)} ${cpuPeriodUs}`),
    ...of('memory', 'memory.max', memoryLimitBytes && most(memoryLimitBytes)),
  ];
}

function of(controller: CgroupFile[0], name: string, value: number | string | undefined): CgroupFile[] {
  return value === undefined ? [] : [[controller, name, String(value)]];
}

/** Weight of version 2 for shares of version 1. Source: KEP-2254. */
function weightOf(shares: number): number {
  const within = Math.min(sharesMax, Math.max(sharesMin, shares));
  return 1 + Math.floor(((within - sharesMin) * (weightMax - 1)) / (sharesMax - sharesMin));
}

/** Where the limits of pods are: those of other controllers the OCI runtime makes. */
function limitMounts({ folders }: CgroupMounts): ReadonlySet<string> {
  return new Set([folders['cpu'], folders['memory']].filter((folder) => folder !== undefined));
}

/** In version 2 a cgroup has the controllers that all above it pass on. */
function passOnControllers(mount: string, path: string): void {
  const parts = path.split('/').filter((part) => part !== '');
  for (let depth = 0; depth < parts.length; depth++) {
    const above = join(mount, ...parts.slice(0, depth));
    for (const name of readFileSync(join(above, 'cgroup.controllers'), 'latin1').trim().split(/\s+/)) {
      try {
        writeFileSync(join(above, 'cgroup.subtree_control'), `+${name}`);
      } catch {
        // One that cannot be passed on, such as `cpuset` with real-time processes: a limit of it is refused when it is written.
      }
    }
  }
}

/** Takes a cgroup away with those in it; those in which something runs stay. */
function removeTree(folder: string): void {
  for (const name of namesIn(folder)) removeTree(join(folder, name));
  try {
    rmdirSync(folder);
  } catch {
    // Not there, or not empty.
  }
}

/** Of the cgroups in one. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
}
