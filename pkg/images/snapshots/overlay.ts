/**
 * Roots as overlay mounts: each layer is unpacked once, and a root is a folder of changes above them. A root costs one mount, whatever the image's
 * size. Source: kernel documentation, filesystems/overlayfs.
 */
import { chmod, chown, mkdir, open, readdir, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getuid } from 'node:process';
import { errorText } from '#pkg/base/error-text.ts';
import { mappedMounts } from '../host/mapped-mount.ts';
import type { SystemCalls } from '../host/system-calls.ts';
import { ImageStoreError, type PreparedRoot, type RootOwner } from '../image-store.ts';
import { isOpaque } from '../layers/layer-tree.ts';
import { chainIdsOf, type Snapshotter, type SnapshotterOptions, unpackLayer } from './snapshotter.ts';

const kind = 'overlay';
/** An image need not have layers, a mount does. */
const emptyKey = 'empty';
/** Text of a mount's options: one page. Source: mount(2). */
const optionBytesMax = 4095;

/** A snapshotter of overlay mounts. */
export function overlaySnapshotter({ folders, calls, clock }: SnapshotterOptions): Snapshotter {
  const folderKeys = (diffIds: readonly string[]): readonly string[] =>
    diffIds.length === 0 ? [emptyKey] : chainIdsOf(diffIds);
  const empty = { diffId: '', open: () => Promise.reject(new Error('the empty layer has no source')) };
  return {
    kind,
    folderKeys,
    async unpack(layers, signal) {
      const keys = folderKeys(layers.map(({ diffId }) => diffId));
      const below: string[] = [];
      for (const [index, key] of keys.entries()) {
        const layer = layers[index] ?? empty;
        const lowers = below.map((name) => join(folders.path, name)).reverse();
        const make = (root: string) =>
          key === emptyKey
            ? Promise.resolve({ bytes: 0, inodes: 1 })
            : unpackLayer(layer, { root, form: 'layer', lowers, calls }, { clock, signal });
        below.push(await folders.ensure(key, make, signal));
      }
    },
    async prepare(folder, diffIds, owner) {
      const { path, changesPath, workPath } = placesIn(folder);
      const names = await Promise.all(folderKeys(diffIds).map((key) => folders.find(key)));
      const lowers = names.flatMap((name) => (name === undefined ? [] : [name])).reverse();
      const [top] = lowers;
      if (top === undefined || lowers.length < names.length)
        throw new ImageStoreError('failed', 'layers of the image are not unpacked');
      if (await isMounted(path)) return { path, changesPath };
      await mkdir(workPath, { recursive: true, mode: 0o700 });
      await mkdir(path, { recursive: true, mode: 0o700 });
      await makeUpper(changesPath, join(folders.path, top), owner?.baseId ?? 0);
      const shown = visible(lowers, folders.path, calls);
      const mount = (from: string) => mountAt({ path, changesPath, workPath }, shown, { from, calls });
      if (owner === undefined) await mount(folders.path);
      else await withIdsOf(owner, { layers: folders.path, folder, calls, mount });
      return { path, changesPath };
    },
    async release(folder) {
      await dropLayers(folder, calls);
      const { path, changesPath, workPath } = placesIn(folder);
      while (await isMounted(path)) calls.unmount(path);
      for (const place of [path, changesPath, workPath]) await rm(place, { recursive: true, force: true });
    },
  };
}

/** Has a root mounted of layers as an owner's ids have them: the mount holds them by itself, so the place is gone again once it is made. */
async function withIdsOf(
  { namespacePath }: RootOwner,
  {
    layers,
    folder,
    calls,
    mount,
  }: {
    readonly layers: string;
    readonly folder: string;
    readonly calls: SystemCalls;
    readonly mount: (from: string) => Promise<void>;
  },
): Promise<void> {
  const mounts = await mappedMounts();
  // What a process that died over it has left.
  await dropLayers(folder, calls);
  const target = layersIn(folder);
  await mkdir(target, { recursive: true, mode: 0o700 });
  try {
    mounts.mount({ source: layers, target, namespacePath, isDeep: false });
    await mount(target);
  } finally {
    await dropLayers(folder, calls);
  }
}

function layersIn(folder: string): string {
  return join(folder, 'layers');
}

/** Takes the place of layers away; nothing where there is none. Never what is in it, which is everybody's. */
async function dropLayers(folder: string, calls: SystemCalls): Promise<void> {
  const target = layersIn(folder);
  if ((await stat(target).catch(() => undefined)) === undefined) return;
  try {
    calls.unmount(target);
  } catch {
    // Nothing is mounted there.
  }
  await rmdir(target);
}

/** Why there can be no such mounts in a folder; undefined where there can. One at a time for a folder: what another left that died over it is taken away first. */
export async function overlayProblem(folder: string, calls: SystemCalls): Promise<string | undefined> {
  if (getuid?.() !== 0) return 'only root may mount';
  const probe = join(folder, 'probe');
  const merged = join(probe, 'merged');
  const clear = async (): Promise<void> => {
    while (await isMounted(merged)) calls.unmount(merged);
    await rm(probe, { recursive: true, force: true });
  };
  try {
    await clear();
    await mkdir(probe, { mode: 0o700 });
    for (const name of ['lower', 'upper', 'work', 'merged']) await mkdir(join(probe, name));
    await writeFile(join(probe, 'lower', 'gone'), '');
    calls.makeNode(Buffer.from(join(probe, 'upper', 'gone')), 0o20_000, { major: 0, minor: 0 });
    calls.setAttribute(Buffer.from(join(probe, 'upper')), 'trusted.overlay.coxswain', Buffer.from('y'));
    const data = `lowerdir=${join(probe, 'lower')},upperdir=${join(probe, 'upper')},workdir=${join(probe, 'work')}`;
    calls.mount({ kind, target: merged, flags: 0, data });
    return (await readdir(merged)).length === 0 ? undefined : 'overlay mounts here do not hide what is taken away';
  } catch (error) {
    return errorText(error);
  } finally {
    await clear();
  }
}

function placesIn(folder: string): PreparedRoot & { readonly workPath: string } {
  return { path: join(folder, 'root'), changesPath: join(folder, 'changes'), workPath: join(folder, 'work') };
}

/** The root of the mount looks as its uppermost folder does. */
async function makeUpper(path: string, like: string, baseId: number): Promise<void> {
  if ((await stat(path).catch(() => undefined)) !== undefined) return;
  await mkdir(path, { mode: 0o700 });
  const { uid, gid, mode } = await stat(like);
  await chown(path, baseId + uid, baseId + gid);
  await chmod(path, mode & 0o7777);
}

/** Mounts show the roots of all layers together, so those below one that hides them are left out. */
function visible(lowers: readonly string[], path: string, calls: SystemCalls): readonly string[] {
  const hiding = lowers.findIndex((name) => isOpaque(Buffer.from(join(path, name)), calls));
  return hiding < 0 ? lowers : lowers.slice(0, hiding + 1);
}

async function mountAt(
  { path, changesPath, workPath }: PreparedRoot & { readonly workPath: string },
  lowers: readonly string[],
  { from, calls }: Pick<SnapshotterOptions, 'calls'> & { readonly from: string },
): Promise<void> {
  // Paths of all layers have room in the options if they begin at an open folder.
  const base = await open(from, 'r');
  try {
    const lower = lowers.map((name) => `/proc/self/fd/${base.fd}/${name}`).join(':');
    const data = `index=off,lowerdir=${lower},upperdir=${escaped(changesPath)},workdir=${escaped(workPath)}`;
    if (Buffer.byteLength(data) > optionBytesMax)
      throw new ImageStoreError('unsupported', `image has more layers (${lowers.length}) than a mount takes here`);
    calls.mount({ kind, target: path, flags: 0, data });
  } catch (error) {
    if (error instanceof ImageStoreError) throw error;
    throw new ImageStoreError('failed', `cannot mount the root filesystem: ${errorText(error)}`, error);
  } finally {
    await base.close();
  }
}

/** Source: overlayfs, where commas and backslashes in paths have a backslash before them. */
function escaped(path: string): string {
  return path.replaceAll(/[\\,:]/g, '\\$&');
}

async function isMounted(path: string): Promise<boolean> {
  const [own, parent] = await Promise.all([path, join(path, '..')].map((one) => stat(one).catch(() => undefined)));
  return own !== undefined && parent !== undefined && own.dev !== parent.dev;
}
