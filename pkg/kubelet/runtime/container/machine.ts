/**
 * What this machine has to give to containers, as its files in /proc and /sys say: the version of its cgroups and where they are mounted, the rights of this
 * process, its devices. Looked up once, at the start.
 */
import { existsSync, readFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { capabilitiesOf } from './spec/capabilities.ts';
import type { HostDevice } from './spec/devices.ts';
import type { MachineFacts } from './spec/oci-spec.ts';

/** Where cgroups are mounted. */
export interface CgroupMounts {
  readonly version: MachineFacts['cgroups'];
  /** By controller, such as `memory`, for version 1; all lead to the same place in version 2. */
  readonly folders: Readonly<Record<string, string>>;
}

/** Controllers that say something of a container, or limit it. */
const controllers = ['cpu', 'cpuacct', 'cpuset', 'memory', 'pids', 'devices', 'freezer', 'blkio', 'hugetlb', 'systemd'];

/** Cgroups as `/proc/self/mountinfo` has them; undefined where there are none. Source: cgroups(7). */
export function cgroupMounts(mountInfo: string): CgroupMounts | undefined {
  const folders: Record<string, string> = {};
  let unified: string | undefined;
  for (const line of mountInfo.split('\n')) {
    const [mount = '', rest = ''] = line.split(' - ');
    const [, , , , place = ''] = mount.split(' ');
    const [type, , options = ''] = rest.split(' ');
    if (type === 'cgroup2') unified ??= place;
    if (type !== 'cgroup') continue;
    const names = options.split(',').map((name) => name.replace(/^name=/, ''));
    for (const name of controllers) if (names.includes(name)) folders[name] ??= place;
  }
  const hasFirst = folders['memory'] !== undefined || folders['pids'] !== undefined;
  // There an OCI runtime makes a cgroup in both.
  if (hasFirst && unified !== undefined) return { version: 'hybrid', folders: { ...folders, unified } };
  if (hasFirst) return { version: 'v1', folders };
  if (unified === undefined) return undefined;
  const place = unified;
  return { version: 'v2', folders: Object.fromEntries(controllers.map((name) => [name, place])) };
}

/** The folders of one cgroup, one for each hierarchy. */
export function cgroupFolders({ folders }: CgroupMounts, path: string): readonly string[] {
  return [...new Set(Object.values(folders))].map((folder) => join(folder, path));
}

/** A machine with its cgroups. */
export interface Machine {
  readonly facts: MachineFacts;
  readonly cgroups: CgroupMounts;
}

/** The machine that this is; undefined where it has no cgroups. */
export async function readMachine(architecture: string): Promise<Machine | undefined> {
  const cgroups = cgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  if (cgroups === undefined) return undefined;
  const status = readFileSync('/proc/self/status', 'latin1');
  const capabilities = capabilitiesOf(/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0');
  const ownScore = Number(readFileSync('/proc/self/oom_score_adj', 'latin1'));
  return {
    cgroups,
    facts: {
      cgroups: cgroups.version,
      architecture,
      capabilities,
      oomScoreMin: capabilities.includes('SYS_RESOURCE') ? -1000 : ownScore,
      hasAppArmor: existsSync('/sys/kernel/security/apparmor'),
      devices: await devicesBelow('/dev'),
    },
  };
}

/** Of their own in each container, or no devices of the machine's. */
const notPassedOn = new Set(['/dev/pts', '/dev/shm', '/dev/mqueue', '/dev/fd', '/dev/console', '/dev/ptmx']);
/** More than a machine has; what is beyond is left out. */
const devicesMax = 1024;

async function devicesBelow(folder: string): Promise<readonly HostDevice[]> {
  const found: HostDevice[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (notPassedOn.has(path) || found.length >= devicesMax) continue;
    if (entry.isDirectory()) found.push(...(await devicesBelow(path)));
    else if (entry.isBlockDevice() || entry.isCharacterDevice()) found.push(...(await devicesAt(path)));
  }
  return found;
}

/** The devices of a path: itself, or those in its folder. None where there are none. */
export async function devicesAt(path: string): Promise<readonly HostDevice[]> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return [];
  if (found.isDirectory()) return devicesBelow(path);
  if (!found.isBlockDevice() && !found.isCharacterDevice()) return [];
  const kind = found.isBlockDevice() ? 'b' : 'c';
  return [{ hostPath: path, kind, number: found.rdev, mode: found.mode, uid: found.uid, gid: found.gid }];
}
