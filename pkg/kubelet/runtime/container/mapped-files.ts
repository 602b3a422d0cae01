/**
 * Files of containers whose users are their own: the root, and volumes by the ids of the pod, at places that those users may reach. Invariant: nothing here is ever
 * taken away with what is in it, as that is somebody else's: places are unmounted, and then they are empty.
 */
import { chmod, chown, mkdir, readdir, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type MappedMounts, mappedMounts } from '#pkg/images/host/mapped-mount.ts';
import type { Mount } from '../container-config.ts';
import { RuntimeError } from '../runtime.ts';
import { fromStore } from './images.ts';
import { namesIn } from './records.ts';

/** Who knows where to go may pass through, and see nothing; the container's place lets its own root pass alone. */
const passing = 0o711;
const ownPassing = 0o710;
/** Down from where nodes keep what is in memory. */
const foldersAbove = 3;

/** The container's place, and whose it is. */
export interface ReachPlace {
  readonly reach: string;
  /** What the root of the pod's users is outside. */
  readonly baseId: number;
}

/** The same, with the path of the pod's user namespace. */
export interface MappedPlace extends ReachPlace {
  readonly namespacePath: string;
}

/** Shows a root there; gives its path. */
export async function reachRoot(path: string, place: ReachPlace): Promise<string> {
  const mounts = await openMounts(place);
  const target = join(place.reach, 'root');
  await mkdir(target, { recursive: true, mode: passing });
  await fromStore(Promise.resolve().then(() => mounts.bind(path, target)));
  return target;
}

/** The mounts of a container by its pod's ids. Rejects with `unsupported` for those that cannot be so. */
export async function mappedVolumes(all: readonly Mount[], place: MappedPlace): Promise<readonly Mount[]> {
  const mounts = await openMounts(place);
  const mapped: Mount[] = [];
  for (const [index, mount] of all.entries()) {
    // Of images the root is made by these ids already.
    if (mount.image !== undefined) mapped.push(mount);
    else if ((mount.propagation ?? 'private') !== 'private')
      throw new RuntimeError('unsupported', 'mountPropagation is not supported with hostUsers: false');
    else mapped.push({ ...mount, hostPath: await mappedVolume(mount.hostPath, { ...place, mounts, index }) });
  }
  return mapped;
}

async function mappedVolume(
  source: string,
  { reach, namespacePath, mounts, index }: MappedPlace & { readonly mounts: MappedMounts; readonly index: number },
): Promise<string> {
  const target = join(reach, `volume-${index}`);
  if ((await stat(source)).isDirectory()) await mkdir(target, { mode: passing });
  else await writeFile(target, '');
  await fromStore(Promise.resolve().then(() => mounts.mount({ source, target, namespacePath, isDeep: true })));
  return target;
}

/** Takes away all that is at a container's place; nothing where there is none. */
export async function dropMapped(reach: string): Promise<void> {
  const entries = await readdir(reach, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return;
  const mounts = await fromStore(mappedMounts());
  for (const entry of entries) {
    const target = join(reach, entry.name);
    mounts.unmount(target);
    if (entry.isDirectory()) await rmdir(target);
    else await rm(target);
  }
  await rmdir(reach);
}

/** The same for all places in a folder but these. */
export async function dropAllMapped(folder: string, kept: ReadonlySet<string>): Promise<void> {
  for (const name of await namesIn(folder)) if (!kept.has(name)) await dropMapped(join(folder, name));
}

/** Makes the place; the folders above it let pass. */
async function openMounts({ reach, baseId }: ReachPlace): Promise<MappedMounts> {
  const mounts = await fromStore(mappedMounts());
  await mkdir(reach, { recursive: true, mode: 0o700 });
  for (let above = dirname(reach), depth = 0; depth < foldersAbove; above = dirname(above), depth++)
    await chmod(above, passing);
  await chown(reach, 0, baseId);
  await chmod(reach, ownPassing);
  return mounts;
}
