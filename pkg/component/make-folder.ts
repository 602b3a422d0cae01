/**
 * Makes folders of this user's own. Node's own way to make all that are missing may not end where a file system contradicts itself (Node 26), and
 * reports a read-only disk as a missing folder: so each is made by itself, the uppermost first.
 */

import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errorCode } from '#pkg/base/error-code.ts';

/**
 * Makes a folder and those above it that are missing, with mode 0700; gives the uppermost that was not there, or undefined when all were. Throws what the
 * system says; `EEXIST` or `ENOTDIR` where something on the way is no folder.
 */
export async function makeFolder(path: string): Promise<string | undefined> {
  const wanted = resolve(path);
  try {
    return await makeOne(wanted);
  } catch (error) {
    const above = dirname(wanted);
    if (errorCode(error) !== 'ENOENT' || above === wanted) throw error;
    // Somebody else may have made it meanwhile. A second refusal is final.
    const first = (await isFolder(above)) ? undefined : await makeFolder(above);
    const made = await makeOne(wanted);
    return first ?? made;
  }
}

/** The folder if it is made here, undefined when it is there already. */
async function makeOne(path: string): Promise<string | undefined> {
  try {
    await mkdir(path, { mode: 0o700 });
    return path;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && (await isFolder(path))) return undefined;
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}
