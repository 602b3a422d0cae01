/**
 * Files of containers whose users are their own: the root, and volumes by the ids of the pod, at places that those users may reach. Invariant: nothing here is ever
 * taken away with what is in it, as that is somebody else's: places are unmounted, and then they are empty.
 */
import { chmod, mkdir, readdir, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type MappedMounts, mappedMounts } from '#pkg/images/host/mapped-mount.ts';
import type { Mount } from '../container-config.ts';
import { RuntimeError } from '../runtime.ts';
import { fromStore } from './images.ts';
import { namesIn } from './records.ts';

/** Who may pass through, and see nothing. */
const passing = 0o711;

/** The container's place, and the user namespace of its pod. */
export interface MappedPlace {
  readonly reach: string;
  readonly namespacePath: string;
}

/** Shows a root there; gives its path. */
export async function reachRoot(path: string, reach: string): Promise<string> {
  const mounts = await openMounts(reach);
  const target = join(reach, 'root');
  await mkdir(target, { recursive: true, mode: passing });
  await fromStore(Promise.resolve().then(() => mounts.bind(path, target)));
  return target;
}

/** The mounts of a container by its pod's ids. Rejects with `unsupported` for those that cannot be so. */
export async function mappedVolumes(all: readonly Mount[], place: MappedPlace): Promise<readonly Mount[]> {
  const mounts = await openMounts(place.reach);
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

/** The node's folder in memory lets pass who knows where to go. */
async function openMounts(reach: string): Promise<MappedMounts> {
  const mounts = await fromStore(mappedMounts());
  await mkdir(reach, { recursive: true, mode: passing });
  for (const path of [dirname(dirname(dirname(reach))), dirname(dirname(reach)), dirname(reach), reach])
    await chmod(path, passing);
  return mounts;
}
