/** What lies below an open place as an archive, link by link: nothing is followed, so that nothing outside of the place comes in, whoever changes it meanwhile. */
import type { Stats } from 'node:fs';
import { type FileHandle, readdir } from 'node:fs/promises';
import { linkIn, openEntry, placePath, readText } from './open-root.ts';
import { tarEnd, tarHeader, tarPadding } from './tar-writer.ts';

/** A place with all that is below it; its own name is given, and what it says where it is a link. */
export async function* archiveOf(place: FileHandle, name: string, link: string): AsyncGenerator<Uint8Array> {
  yield* entries(place, latin1(name), link);
  yield tarEnd();
}

async function* entries(place: FileHandle, path: string, link: string): AsyncGenerator<Uint8Array> {
  const stats = await place.stat();
  const entry = entryOf(path, stats, link);
  if (entry === undefined) return;
  yield tarHeader(entry);
  if (stats.isFile()) {
    yield* await readText(place, stats);
    yield tarPadding(stats.size);
  }
  if (!stats.isDirectory()) return;
  for (const name of (await readdir(placePath(place), { encoding: 'latin1' })).toSorted()) {
    const own = Buffer.from(name, 'latin1').toString();
    const below = await openEntry(place, own);
    if (below === undefined) continue;
    try {
      yield* entries(below, `${path}/${name}`, await linkIn(place, own));
    } finally {
      await below.close();
    }
  }
}

function entryOf(path: string, stats: Stats, link: string) {
  const common = {
    path: stats.isDirectory() ? `${path}/` : path,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    modified: Math.floor(stats.mtimeMs / 1000),
  };
  if (stats.isFile()) return { ...common, kind: 'file', size: stats.size } as const;
  if (stats.isDirectory()) return { ...common, kind: 'directory' } as const;
  if (stats.isSymbolicLink()) return { ...common, kind: 'symlink', target: latin1(link) } as const;
  if (stats.isFIFO()) return { ...common, kind: 'fifo' } as const;
  const device = { major: (stats.rdev >> 8) & 0xfff, minor: (stats.rdev & 0xff) | ((stats.rdev >> 12) & 0xfff00) };
  if (stats.isCharacterDevice()) return { ...common, kind: 'char', device } as const;
  if (stats.isBlockDevice()) return { ...common, kind: 'block', device } as const;
  // Sockets are nothing without who listens.
  return undefined;
}

/** Paths of archives are bytes, each as one character. */
function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}
