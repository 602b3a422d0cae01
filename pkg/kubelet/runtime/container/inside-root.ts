/**
 * Files of an image as its own programs would find them: symbolic links are followed within the root and never out of it. For a root in which nothing runs yet,
 * so that nobody changes it meanwhile.
 */
import { constants } from 'node:fs';
import { lstat, open, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Source: path_resolution(7). */
const linksMax = 40;
/** More than any file of users has. */
const bytesMax = 1024 * 1024;

/** The text of a file; empty where there is no regular file. Cut at 1 MiB. */
export async function readInside(root: string, path: string): Promise<string> {
  const found = await resolveInside(root, path);
  if (found === undefined) return '';
  const file = await open(found, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => undefined,
  );
  try {
    if (file === undefined || !(await file.stat()).isFile()) return '';
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytesMax), 0, bytesMax, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file?.close();
  }
}

/** The path on the machine of a path within a root; undefined where there is nothing. */
export async function resolveInside(root: string, path: string): Promise<string | undefined> {
  const rest = parts(path);
  const done: string[] = [];
  for (let links = 0; rest.length > 0; ) {
    const part = rest.shift() ?? '';
    if (part === '..') {
      done.pop();
      continue;
    }
    const at = join(root, ...done, part);
    const entry = await lstat(at).catch(() => undefined);
    if (entry === undefined) return undefined;
    if (!entry.isSymbolicLink()) {
      done.push(part);
      continue;
    }
    if (++links > linksMax) return undefined;
    const target = await readlink(at);
    if (target.startsWith('/')) done.length = 0;
    rest.unshift(...parts(target));
  }
  return join(root, ...done);
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
