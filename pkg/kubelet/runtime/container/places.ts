/** Where the runtime of one node keeps what: on disk what outlives a start of the machine, in memory what does not. Pure. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { SandboxConfig } from '../container-config.ts';

/** In memory on every Linux, and short, as paths of sockets have to be. */
const runFolder = '/run/coxswain';

/** Its folders, and the name of its cgroup. */
export interface Places {
  readonly disk: string;
  readonly memory: string;
  /** From the root of each hierarchy. */
  readonly cgroup: string;
}

/** Those of a node whose data is in a folder: one folder, one runtime. */
export function placesOf(dataDir: string): Places {
  const mark = createHash('sha256').update(dataDir).digest('hex').slice(0, 12);
  return { disk: dataDir, memory: join(runFolder, mark), cgroup: `/coxswain-${mark}` };
}

/** Where all nodes of the machine say which ids their pods have. */
export const userIdsFolder: string = join(runFolder, 'ids');

/** Folder of what containers with users of their own are to find: the rest is root's alone. */
export function reachFolder(memory: string): string {
  return join(memory, 'r');
}

function reachIn(memory: string, id: string): string {
  return join(reachFolder(memory), id.slice(0, 32));
}

/** The cgroups of all pods and of two of their classes, in that of a node. Source: kubelet `cm/qos_container_manager_linux.go`. */
export function classCgroups(root: string) {
  const kubepods = `${root}/kubepods`;
  return { kubepods, burstable: `${kubepods}/burstable`, besteffort: `${kubepods}/besteffort` };
}

/** The cgroup of a pod, in that of a node. */
export function podCgroup(root: string, { podUid, qosClass }: PodPlace): string {
  const { kubepods, ...classes } = classCgroups(root);
  if (qosClass === undefined) return `${root}/pod${podUid}`;
  return `${qosClass === 'guaranteed' ? kubepods : classes[qosClass]}/pod${podUid}`;
}

/** What the place of a pod follows from. */
export type PodPlace = Pick<SandboxConfig, 'podUid' | 'qosClass'>;

/** For what is looked up by its own id alone. */
export const anyPod: PodPlace = { podUid: '' };

/** Files of one sandbox. */
export function sandboxPlaces({ disk, memory, cgroup }: Places, id: string, pod: PodPlace) {
  const folder = join(disk, 'sandboxes', id);
  const shared = join(memory, 's', id.slice(0, 32));
  return {
    folder,
    record: join(folder, 'sandbox.json'),
    stopped: join(folder, 'stopped'),
    hostname: join(folder, 'hostname'),
    resolvConf: join(folder, 'resolv.conf'),
    /** Its first process, where its containers share theirs. */
    pauseRoot: join(folder, 'root'),
    config: join(folder, 'config.json'),
    exit: join(folder, 'exit.json'),
    reach: reachIn(memory, id),
    shared,
    user: join(shared, 'user'),
    network: join(shared, 'net'),
    ipc: join(shared, 'ipc'),
    uts: join(shared, 'uts'),
    shm: join(shared, 'shm'),
    cgroup: podCgroup(cgroup, pod),
  };
}

/** Files of one container. */
export function containerPlaces({ disk, memory, cgroup }: Places, id: string, pod: PodPlace) {
  const folder = join(disk, 'containers', id);
  return {
    folder,
    record: join(folder, 'container.json'),
    config: join(folder, 'config.json'),
    started: join(folder, 'started'),
    exit: join(folder, 'exit.json'),
    log: join(folder, 'log'),
    /** How many images besides its own it shows. */
    imageVolumes: join(folder, 'image-volumes.json'),
    terminationLog: join(folder, 'termination-log'),
    reach: reachIn(memory, id),
    cgroup: `${podCgroup(cgroup, pod)}/${id}`,
  };
}
