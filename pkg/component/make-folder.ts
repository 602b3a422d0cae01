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
    await mkdir(wanted, { mode: 0o700 });
    return wanted;
  } catch (error) {
    const code = errorCode(error);
    if (code !== 'ENOENT') {
      if (await isFolder(wanted)) return undefined;
      throw error;
    }
    const above = dirname(wanted);
    if (above === wanted || (await isFolder(above))) throw error;
    const first = await makeFolder(above);
    await makeFolder(wanted);
    return first ?? wanted;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}
