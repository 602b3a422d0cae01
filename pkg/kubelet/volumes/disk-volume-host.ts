/**
 * Volumes as folders on this machine, under `<directory>/<pod uid>/<plugin>/<name>`. Contents are replaced as a whole: the visible files are
 * links through `..data`, which is switched from one folder to the next by a rename. Source: kubelet `volume/util/atomic_writer.go`.
 */
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { VolumeFile, VolumeHost, VolumeRef } from './volume-host.ts';

const dataLink = '..data';

/** Volumes under a folder, which is made on first use. */
export function diskVolumeHost(directory: string): VolumeHost {
  const pathOf = (volume: VolumeRef): string => join(directory, volume.podUid, volume.plugin, volume.name);
  return {
    async directory(volume) {
      await mkdir(pathOf(volume), { recursive: true });
      return pathOf(volume);
    },
    async write(volume, files) {
      await mkdir(pathOf(volume), { recursive: true });
      await replaceContents(pathOf(volume), files);
      return pathOf(volume);
    },
    async removePod(podUid) {
      await rm(join(directory, podUid), { recursive: true, force: true });
    },
    async podUids() {
      return readdir(directory).catch(() => []);
    },
  };
}

async function replaceContents(root: string, files: ReadonlyMap<string, VolumeFile>): Promise<void> {
  const before = await readlink(join(root, dataLink)).catch(() => undefined);
  if (before !== undefined && (await holdsExactly(join(root, before), files))) return;
  const next = await mkdtemp(join(root, '..version-'));
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
  await linkVisible(root, new Set([...files.keys()].map((path) => path.split('/')[0]!)));
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
