/**
 * Volumes as folders on this machine, under `<directory>/<pod uid>/<plugin>/<name>`. Contents are replaced as a whole: the visible files are
 * links through `..data`, which is switched from one folder to the next by a rename. Source: kubelet `volume/util/atomic_writer.go`.
 */

import type { Stats } from 'node:fs';
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { textBefore } from '#pkg/base/text-before.ts';
import { folderUsage } from '../runtime/container/usage.ts';
import { openBeneath, type PartOfVolume } from './beneath.ts';
import { giveToGroup } from './group-owner.ts';
import { bindOpen, mountMemory, unmountBelow } from './mounts.ts';
import { type MachinePath, mountedPath, type NodeMount } from './node-mounts.ts';
import { VolumeError } from './payload.ts';
import type { VolumeFile, VolumeHost, VolumeRef } from './volume-host.ts';
import type { VolumeAmounts, VolumeMeasure, VolumeUsage } from './volume-usage.ts';

const dataLink = '..data';
/** Of the folders that hold the files, one for each write. */
const versionPrefix = '..version-';

/** Permissions of an empty volume. Source: kubelet `volume/emptydir` `perm`. */
const directoryMode = 0o777;
/** Permissions of the folders of written files. Source: kubelet `volume/util/atomic_writer.go` `newTimestampDir`. */
const versionMode = 0o755;
/** Permissions of folders that a subpath makes. Source: kubelet `makeMounts`, which takes the volume's own. */
const permissionBits = 0o777;

/** What a host can do besides. */
export interface DiskVolumeOptions {
  /**
   * Whether it is for containers of whatever users: then volumes of memory are file systems of their own, volumes are given to groups, and parts of volumes
   * are mounted where no pod can change what they lead to, which only root may do. Default false.
   */
  readonly isForContainers?: boolean;
  /** What of the machine the node has at paths of its own. Default: nothing. */
  readonly mounts?: readonly NodeMount[];
  /** For tests: called when the links of a subpath have been resolved, before it is opened. */
  readonly onResolved?: () => Promise<void>;
}

/** Volumes under a folder, which is made on first use; those that outlive pods are in one beside it. */
export function diskVolumeHost(directory: string, options: DiskVolumeOptions = {}): VolumeHost {
  const { isForContainers = false, mounts = [], onResolved } = options;
  const lasting = join(dirname(directory), 'persistent-volumes');
  /** Volumes whose contents this host writes and containers only read. */
  const written = new Set<string>();
  const pathOf = (volume: VolumeRef): string => join(directory, volume.podUid, volume.plugin, volume.name);
  return {
    async directory(volume, inMemory) {
      const path = await makeDirectory(pathOf(volume));
      if (isForContainers && inMemory !== undefined) await mountMemory(path, inMemory.bytesMax);
      return path;
    },
    async giveTo(path, { group, isReadOnly }) {
      if (isForContainers) await giveToGroup(path, group, isReadOnly);
    },
    lastingDirectory: (name) => makeDirectory(join(lasting, name)),
    lastingNames: () => readdir(lasting).catch(() => []),
    async removeLasting(name) {
      await rm(join(lasting, name), { recursive: true, force: true });
    },
    async within(root, subPath, mount) {
      if (mount.isReadOnly) await checkThere(root, subPath);
      if (isForContainers && !written.has(root)) {
        await mkdir(dirname(pathOf(mount)), { recursive: true });
        return mountPart(pathOf(mount), { root, subPath, onResolved });
      }
      const path = await makeWithin(root, subPath);
      const real = await realpath(path);
      const versions = join(await realpath(root), versionPrefix);
      return real.startsWith(versions) ? keepVersion(real, pathOf(mount)) : path;
    },
    async machinePath(path, type) {
      const at = mountedPath(path, mounts);
      await checkMachinePath(at, type, path);
      return at;
    },
    async write(volume, files) {
      await mkdir(pathOf(volume), { recursive: true });
      await replaceContents(pathOf(volume), files);
      written.add(pathOf(volume));
      return pathOf(volume);
    },
    usageOf: usageAt,
    bytesOf: async (volume) => (await folderUsage(pathOf(volume))).bytes,
    async removePod(podUid) {
      // Whoever it was that mounted something here: what is seen through a mount is not the pod's to lose.
      await unmountBelow(join(directory, podUid));
      await rm(join(directory, podUid), { recursive: true, force: true });
      for (const path of written) if (path.startsWith(join(directory, podUid, '/'))) written.delete(path);
    },
    async podUids() {
      return readdir(directory).catch(() => []);
    },
  };
}

/** See `VolumeHost.usageOf`. Source: `volume/metrics_du.go`, `metrics_statfs.go`. */
async function usageAt(path: string, measure: Exclude<VolumeMeasure, 'driver'>): Promise<VolumeUsage> {
  const { bavail, bfree, blocks, bsize, ffree, files } = await statfs(path);
  const bytes: VolumeAmounts = { available: bavail * bsize, total: blocks * bsize, used: (blocks - bfree) * bsize };
  const inodes: VolumeAmounts = { available: ffree, total: files, used: files - ffree };
  if (measure === 'filesystem') return { bytes, inodes };
  const own = await folderUsage(path);
  return { bytes: { ...bytes, used: own.bytes }, inodes: { ...inodes, used: own.inodes } };
}

async function makeDirectory(path: string): Promise<string> {
  const made = await mkdir(path, { recursive: true });
  // Whatever user a container is, it may write here. Not with mkdir, whose mode loses the bits of the umask.
  if (made !== undefined) await chmod(path, directoryMode);
  return path;
}

/** See `VolumeHost.within`. Made one level after the other, each with the permissions of the volume. */
async function makeWithin(root: string, subPath: string): Promise<string> {
  const top = await realpath(root);
  const mode = (await stat(top)).mode & permissionBits;
  let path = top;
  for (const name of subPath.split('/').filter((part) => part !== '' && part !== '.')) {
    path = join(path, name);
    const isThere = await realpath(path).catch(() => undefined);
    if (isThere === undefined) {
      await mkdir(path);
      await chmod(path, mode);
      continue;
    }
    if (isThere !== top && !isThere.startsWith(`${top}/`)) {
      throw new Error(`subpath ${JSON.stringify(subPath)} is outside of the volume`);
    }
    path = isThere;
  }
  return join(root, subPath);
}

/** Mounts a part of a volume at a path that only this host changes, in the place of what was there for the container before. */
async function mountPart(at: string, part: PartOfVolume): Promise<string> {
  const place = await openBeneath(part);
  try {
    await unmountBelow(at);
    await rm(at, { recursive: true, force: true });
    if ((await place.stat()).isDirectory()) await mkdir(at);
    else await writeFile(at, '');
    await bindOpen(place, at);
    return at;
  } finally {
    await place.close();
  }
}

/** Gives files of a version, which are never written again, another name that stays when the version goes: what bind mounts do for containers. */
async function keepVersion(from: string, to: string): Promise<string> {
  await rm(to, { recursive: true, force: true });
  await mkdir(dirname(to), { recursive: true });
  if ((await stat(from)).isDirectory()) {
    await mkdir(to);
    const entries = await readdir(from, { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      const target = join(to, join(entry.parentPath, entry.name).slice(from.length));
      if (entry.isDirectory()) await mkdir(target, { recursive: true });
      else {
        await mkdir(dirname(target), { recursive: true });
        await link(join(entry.parentPath, entry.name), target);
      }
    }
  } else await link(from, to);
  return to;
}

/** What is looked for by each type, and how it is called. Source: kubelet `volume/hostpath` `checkTypeInternal`. */
const machineTypes: Readonly<Record<string, readonly [name: string, is: (found: Stats) => boolean]>> = {
  Directory: ['directory', (found) => found.isDirectory()],
  File: ['file', (found) => found.isFile()],
  Socket: ['socket', (found) => found.isSocket()],
  CharDevice: ['character device', (found) => found.isCharacterDevice()],
  BlockDevice: ['block device', (found) => found.isBlockDevice()],
};

/** Fails for a part of a read-only volume that would have to be made. */
async function checkThere(root: string, subPath: string): Promise<void> {
  const isThere = await stat(join(root, subPath)).then(
    () => true,
    () => false,
  );
  if (!isThere)
    throw new Error(`subpath ${JSON.stringify(subPath)} is not there, and the node has the volume read-only`);
}

/** See `VolumeHost.machinePath`; `named` is the path as the volume has it. */
async function checkMachinePath({ path, isReadOnly }: MachinePath, type: string, named: string): Promise<void> {
  const isMade = type.endsWith('OrCreate');
  const known = machineTypes[isMade ? type.slice(0, -'OrCreate'.length) : type];
  if (known === undefined) return;
  const [name, is] = known;
  const found = await stat(path).catch(() => undefined);
  if (found === undefined && isMade) {
    if (isReadOnly)
      throw new VolumeError(`hostPath type check failed: ${named} is not there, and the node has it read-only`);
    if (name === 'directory') await mkdir(path, { recursive: true });
    else await writeFile(path, '', { flag: 'a' });
    return;
  }
  if (found === undefined || !is(found)) throw new VolumeError(`hostPath type check failed: ${named} is not a ${name}`);
}

async function replaceContents(root: string, files: ReadonlyMap<string, VolumeFile>): Promise<void> {
  const before = await readlink(join(root, dataLink)).catch(() => undefined);
  if (before !== undefined && (await holdsExactly(join(root, before), files))) return;
  const next = await mkdtemp(join(root, versionPrefix));
  // Programs of containers are other users than who writes the files, whose own permissions say who reads them.
  await chmod(next, versionMode);
  for (const [path, file] of files) {
    const target = join(next, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, file.data);
    await chmod(target, file.mode);
  }
  const fresh = join(root, `${dataLink}_new`);
  await rm(fresh, { force: true });
  await symlink(next.slice(root.length + 1), fresh);
  await rename(fresh, join(root, dataLink));
  await linkVisible(root, new Set([...files.keys()].map((path) => textBefore(path, '/'))));
  if (before !== undefined) await rm(join(root, before), { recursive: true, force: true });
}

/** Makes the names at the top of the volume those of its files. */
async function linkVisible(root: string, names: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(root)) {
    if (name.startsWith('..') || names.has(name)) continue;
    await rm(join(root, name), { force: true, recursive: true });
  }
  for (const name of names) {
    const link = join(root, name);
    const known = await lstat(link).catch(() => undefined);
    if (known === undefined) await symlink(join(dataLink, name), link);
  }
}

async function holdsExactly(root: string, files: ReadonlyMap<string, VolumeFile>): Promise<boolean> {
  const there = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
  if (there.filter((entry) => entry.isFile()).length !== files.size) return false;
  for (const [path, file] of files) {
    const data = await readFile(join(root, path)).catch(() => undefined);
    if (data === undefined || !data.equals(file.data)) return false;
  }
  return true;
}
