/** What tests of images share: a folder of their own, whether they run as root, and what a folder has in it, in words. */
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getuid } from 'node:process';
import { onTestFinished } from 'vitest';
import { systemCalls } from '../host/system-calls.ts';
import { overlayProblem } from '../snapshots/overlay.ts';

/** Why layers cannot be unpacked; undefined where they can. */
export const noRoot: string | undefined = getuid?.() === 0 ? undefined : 'only root may give files away';

/** Why there can be no overlay mounts in the folders of tests; undefined where there can. */
export const noOverlay: string | undefined = await (async () => {
  if (noRoot !== undefined) return noRoot;
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-images-'));
  try {
    return await overlayProblem(folder, await systemCalls());
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
})();

/** A folder that goes with the test. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-images-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * All below a folder, such as `etc/ 755`, `etc/passwd 644 root…`, `bin -> usr/bin` and `gone whiteout`, in order. Names of one file have the same
 * number of them, such as `(2)`.
 */
export function contentsOf(folder: string, below = ''): readonly string[] {
  return readdirSync(join(folder, below))
    .sort()
    .flatMap((name) => {
      const path = below === '' ? name : `${below}/${name}`;
      const stats = lstatSync(join(folder, path));
      const owner = stats.uid === 0 && stats.gid === 0 ? '' : ` ${stats.uid}:${stats.gid}`;
      const mode = `${(stats.mode & 0o7777).toString(8)}${owner}`;
      if (stats.isDirectory()) return [`${path}/ ${mode}`, ...contentsOf(folder, path)];
      if (stats.isSymbolicLink()) return [`${path} -> ${readlinkSync(join(folder, path))}${owner}`];
      if (stats.isCharacterDevice() && stats.rdev === 0) return [`${path} whiteout`];
      if (stats.isCharacterDevice() || stats.isBlockDevice())
        return [`${path} ${mode} device ${stats.rdev >> 8}:${stats.rdev & 0xff}`];
      if (!stats.isFile()) return [`${path} ${mode} other`];
      const names = stats.nlink > 1 ? ` (${stats.nlink})` : '';
      return [`${path} ${mode}${names} ${readFileSync(join(folder, path), 'latin1')}`];
    });
}
