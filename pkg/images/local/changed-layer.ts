/** What was changed in a root of overlay mounts, as a layer: whiteouts become what images have for them, and all is at one time. The reverse of `apply-layer.ts`. */
import { createReadStream, readdirSync, readlinkSync, type Stats } from 'node:fs';
import type { SystemCalls } from '../host/system-calls.ts';
import { isOpaque, lstatIfThere } from '../layers/layer-tree.ts';
import type { TarEntryKind } from '../tar/tar-entry.ts';
import { tarEnd, tarFile, tarHeader, tarPadding } from '../tar/tar-writer.ts';

const capability = 'security.capability';

/** The layer of a folder of changes. Nobody changes it meanwhile. */
export async function* changedLayer(folder: string, modified: number, calls: SystemCalls): AsyncGenerator<Uint8Array> {
  const root = Buffer.from(folder).toString('latin1');
  const seen = new Map<string, string>();
  async function* walk(below: string): AsyncGenerator<Uint8Array> {
    const names = readdirSync(bytes(root, below), { encoding: 'latin1' }).sort();
    for (const name of names) {
      const path = below === '' ? name : `${below}/${name}`;
      const source = bytes(root, path);
      const stats = lstatIfThere(source);
      if (stats === undefined || stats.isSocket() || isMountPoint(path, stats)) continue;
      if (stats.isCharacterDevice() && stats.rdev === 0) {
        yield tarFile({ path: below === '' ? `.wh.${name}` : `${below}/.wh.${name}`, modified }, '');
        continue;
      }
      yield* entry(path, source, stats, { seen, modified, calls });
      if (!stats.isDirectory()) continue;
      if (isOpaque(source, calls)) yield tarFile({ path: `${path}/.wh..wh..opq`, modified }, '');
      yield* walk(path);
    }
  }
  yield* walk('');
  yield tarEnd();
}

async function* entry(
  path: string,
  source: Buffer,
  stats: Stats,
  {
    seen,
    modified,
    calls,
  }: { readonly seen: Map<string, string>; readonly modified: number; readonly calls: SystemCalls },
): AsyncGenerator<Uint8Array> {
  const { uid, gid } = stats;
  const kind = kindOf(stats);
  const value = kind === 'file' ? calls.attribute(source, capability) : undefined;
  const common = {
    path,
    uid,
    gid,
    mode: stats.mode & 0o7777,
    modified,
    ...(value && { attributes: new Map([[capability, value]]) }),
  };
  if (kind === 'directory') return yield tarHeader({ ...common, kind, path: `${path}/` });
  if (kind === 'symlink')
    return yield tarHeader({ ...common, kind, target: readlinkSync(source, { encoding: 'latin1' }) });
  if (kind !== 'file')
    return yield tarHeader({ ...common, kind, device: { major: stats.rdev >> 8, minor: stats.rdev & 0xff } });
  const inode = `${stats.dev} ${stats.ino}`;
  const first = stats.nlink > 1 ? seen.get(inode) : undefined;
  if (first !== undefined) return yield tarHeader({ ...common, kind: 'link', target: first });
  seen.set(inode, path);
  yield tarHeader({ ...common, size: stats.size });
  for await (const chunk of createReadStream(source)) yield chunk;
  yield tarPadding(stats.size);
}

/** Where the machine's own file was mounted an empty one is left. */
function isMountPoint(path: string, stats: Stats): boolean {
  return path === 'etc/resolv.conf' && stats.isFile() && stats.size === 0;
}

function kindOf(stats: Stats): TarEntryKind {
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isCharacterDevice()) return 'char';
  if (stats.isBlockDevice()) return 'block';
  return stats.isFIFO() ? 'fifo' : 'file';
}

function bytes(root: string, path: string): Buffer {
  return Buffer.from(path === '' ? root : `${root}/${path}`, 'latin1');
}
