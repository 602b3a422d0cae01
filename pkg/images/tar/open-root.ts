/**
 * Paths below a folder, such as the root of a container, whose programs may change them at the same moment. Invariant: what is opened lies below it, whatever is swapped
 * meanwhile: every step is taken from a folder that is open already and ends at any link, and what a link says is then gone the same way, from the root or from where it is.
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, mkdir, open, readlink } from 'node:fs/promises';
import { errorCode } from '#pkg/base/error-code.ts';

/** Of Linux, where Node has no name for it: a place only, which is neither read nor written, and of which devices and pipes hear nothing. */
const placeOnly = 0o10000000;
/** Source: path_resolution(7). */
const linksMax = 40;
const folderMode = 0o755;

/** How a way is gone. */
export interface WayOptions {
  /** Whether a link at its end is followed too. */
  readonly followsLast: boolean;
  /** Whether folders are made where there is nothing. */
  readonly makes: boolean;
}

/** A root that is open; disposed of, its folders are closed. */
export class OpenRoot implements AsyncDisposable {
  readonly #root: FileHandle;

  private constructor(root: FileHandle) {
    this.#root = root;
  }

  static async open(path: string): Promise<OpenRoot> {
    return new OpenRoot(await open(path, placeOnly | constants.O_DIRECTORY));
  }

  /** What a link says that is at the end of a path; empty where there is none. */
  async linkAt(path: string): Promise<string> {
    const parts = partsOf(path);
    const name = parts.pop();
    const folder = await this.at(parts.join('/'), { followsLast: true, makes: false });
    if (folder === undefined || name === undefined) return '';
    try {
      return await linkIn(folder, name);
    } finally {
      await folder.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#root.close();
  }

  /** Opens what a path means, as a place; undefined where there is nothing. The caller closes it. */
  async at(path: string, { followsLast, makes }: WayOptions): Promise<FileHandle | undefined> {
    const todo = partsOf(path);
    /** The folders from the root on, but for the root itself. */
    const way: FileHandle[] = [];
    let links = 0;
    try {
      for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
        if (part === '..') {
          await way.pop()?.close();
          continue;
        }
        const from = `${placePath(way.at(-1) ?? this.#root)}/${part}`;
        const next = await openStep(from, makes);
        if (next === undefined) return undefined;
        way.push(next);
        if (!(await next.stat()).isSymbolicLink() || (todo.length === 0 && !followsLast)) continue;
        if (++links > linksMax) return undefined;
        await way.pop()?.close();
        const target = await readlink(from);
        if (target.startsWith('/')) await closeAll(way.splice(0));
        todo.unshift(...partsOf(target));
      }
      return way.pop() ?? (await open(placePath(this.#root), placeOnly | constants.O_DIRECTORY));
    } finally {
      await closeAll(way);
    }
  }
}

/** The path of an open place for this process, which is what was opened, whatever is there by now. */
export function placePath({ fd }: FileHandle): string {
  return `/proc/self/fd/${fd}`;
}

/** Opens an entry of an open folder as a place, itself where it is a link; undefined where there is nothing. */
export async function openEntry(folder: FileHandle, name: string): Promise<FileHandle | undefined> {
  return openStep(`${placePath(folder)}/${name}`, false);
}

/** What a link of an open folder says; empty where it is none by now. */
export async function linkIn(folder: FileHandle, name: string): Promise<string> {
  return readlink(`${placePath(folder)}/${name}`).catch(() => '');
}

/** What an open place is, which is not changed by who swaps its name. */
export async function readText(place: FileHandle, stats: Stats): Promise<AsyncIterable<Buffer>> {
  const file = await open(placePath(place), constants.O_RDONLY | constants.O_NONBLOCK);
  return readUpTo(file, stats.size);
}

/** So many bytes: what a file that shrinks lacks is zeros, and what one that grows has besides is left. */
async function* readUpTo(file: FileHandle, size: number): AsyncGenerator<Buffer> {
  try {
    for (let left = size; left > 0; ) {
      const block = Buffer.alloc(Math.min(left, blockBytes));
      const { bytesRead } = await file.read(block, 0, block.length);
      const piece = bytesRead === 0 ? block : block.subarray(0, bytesRead);
      left -= piece.length;
      yield piece;
    }
  } finally {
    await file.close();
  }
}

const blockBytes = 256 << 10;

async function openStep(path: string, makes: boolean): Promise<FileHandle | undefined> {
  const flags = placeOnly | constants.O_NOFOLLOW;
  try {
    return await open(path, flags);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOTDIR') return undefined;
    if (code !== 'ENOENT') throw error;
    if (!makes) return undefined;
    await mkdir(path, { mode: folderMode });
    return open(path, flags);
  }
}

async function closeAll(handles: readonly FileHandle[]): Promise<void> {
  for (const handle of handles) await handle.close();
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
