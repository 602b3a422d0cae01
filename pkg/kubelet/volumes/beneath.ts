/**
 * Opens parts of a volume whose pods may change it at the same moment. Invariant: what is opened lies in the volume, whatever is swapped meanwhile: links are
 * resolved once, beforehand, and the way that came out of it is then gone step by step, each from the folder that is already open, and ends at any link. It mounts
 * nothing. Upstream counterpart: `k8s.io/mount-utils` and kubelet `volume/util/subpath` `doSafeOpen`, `doSafeMakeDir`.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, realpath } from 'node:fs/promises';
import { join } from 'node:path';

/** Of Linux, where Node has no name for it: a place only, which is neither read nor written, and of which devices and pipes hear nothing. */
const placeOnly = 0o10000000;
/** Permissions of folders that are made: those of the volume. Source: kubelet `makeMounts`. */
const permissionBits = 0o777;

/** A part of a volume. */
export interface PartOfVolume {
  readonly root: string;
  /** Relative, without `..`. */
  readonly subPath: string;
  /** For tests: called when links have been resolved, before the way is gone. */
  readonly onResolved?: (() => Promise<void>) | undefined;
}

/**
 * Opens a part as a place; a folder is made where there is nothing, one level after the other. The caller closes it. Rejects where links lead out of the
 * volume, or have come into the way since they were resolved.
 */
export async function openBeneath({ root, subPath, onResolved }: PartOfVolume): Promise<FileHandle> {
  const top = await realpath(root);
  const names = await resolvedNames(top, subPath);
  await onResolved?.();
  let at = await open(top, placeOnly | constants.O_DIRECTORY);
  try {
    const mode = (await at.stat()).mode & permissionBits;
    for (const [index, name] of names.entries()) {
      const next = await step(at, { name, mode, isFolder: index < names.length - 1, subPath });
      await at.close();
      at = next;
    }
    return at;
  } catch (error) {
    await at.close();
    throw error;
  }
}

/** The path of an open file for this process; links are not followed again. */
export function openPath({ fd }: FileHandle): string {
  return `/proc/self/fd/${fd}`;
}

/** The names of the way without links, as far as there is something. */
async function resolvedNames(top: string, subPath: string): Promise<readonly string[]> {
  let path = top;
  for (const name of subPath.split('/').filter((part) => part !== '' && part !== '.')) {
    const next = join(path, name);
    const real = (await realpath(next).catch(() => undefined)) ?? next;
    if (real !== top && !real.startsWith(`${top}/`)) throw outside(subPath);
    path = real;
  }
  return path
    .slice(top.length)
    .split('/')
    .filter((part) => part !== '');
}

interface Step {
  readonly name: string;
  /** Of a folder that is made. */
  readonly mode: number;
  /** Others cannot be gone through. */
  readonly isFolder: boolean;
  readonly subPath: string;
}

async function step(from: FileHandle, { name, mode, isFolder, subPath }: Step): Promise<FileHandle> {
  const path = `${openPath(from)}/${name}`;
  const flags = placeOnly | constants.O_NOFOLLOW | (isFolder ? constants.O_DIRECTORY : 0);
  const there = await open(path, flags).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw codeOf(error) === 'ELOOP' ? outside(subPath) : error;
  });
  if (there === undefined) await mkdir(path);
  const next = there ?? (await open(path, flags));
  try {
    const found = await next.stat();
    if (found.isSymbolicLink()) throw outside(subPath);
    if (there === undefined) await setMode(next, mode);
    return next;
  } catch (error) {
    await next.close();
    throw error;
  }
}

/** Not with mkdir, whose mode loses the bits of the umask; not by a name, which may stand for something else by now. */
async function setMode(place: FileHandle, mode: number): Promise<void> {
  const folder = await open(openPath(place), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.chmod(mode);
  } finally {
    await folder.close();
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function outside(subPath: string): Error {
  return new Error(`subpath ${JSON.stringify(subPath)} is outside of the volume`);
}
