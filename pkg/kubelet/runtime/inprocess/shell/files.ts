/**
 * The files of a container as its commands see them: its mounts, and all else in its own folder. Invariants: no path leads out of them, by whatever
 * `..` or links, so that neither a command nor an archive can reach the machine's files; what is read-only stays as it is.
 * Upstream counterpart: the mount namespace of a container.
 */
import { type FileHandle, lstat, mkdir, open, readdir, readlink, stat } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { CommandError } from './io.ts';

/** A path of the container that is elsewhere on the machine. */
export interface FilesMount {
  readonly containerPath: string;
  readonly hostPath: string;
  readonly readOnly?: boolean;
}

/** Links in one path. Source: Linux `MAXSYMLINKS`. */
const linksMax = 40;
/** The one file of the machine that is every container's: only opened and looked at, so that nobody can remove or change it. */
const nullDevice = '/dev/null';
/** What every container has, once a command looks. */
const folders = ['bin', 'dev', 'etc', 'home', 'proc', 'root', 'tmp', 'usr', 'var'];

/** The files of one container. */
export class ContainerFiles {
  readonly #root: string;
  /** The longest paths first. */
  readonly #mounts: readonly FilesMount[];
  readonly #hostname: string;
  #isFilled = false;

  constructor({
    root,
    mounts,
    hostname,
  }: { readonly root: string; readonly mounts: readonly FilesMount[]; readonly hostname: string }) {
    this.#root = root;
    this.#hostname = hostname;
    this.#mounts = mounts
      .map((mount) => ({ ...mount, containerPath: posix.resolve('/', mount.containerPath) }))
      .sort((a, b) => b.containerPath.length - a.containerPath.length);
  }

  /** Makes the folders that people look for, once. */
  async fill(): Promise<void> {
    if (this.#isFilled) return;
    this.#isFilled = true;
    for (const folder of folders) await mkdir(join(this.#root, folder), { recursive: true });
    for (const { containerPath, hostPath } of this.#mounts) {
      const place = join(this.#root, containerPath);
      // A mount point is seen in its parent's list.
      const isFolder = await stat(hostPath).then(
        (found) => found.isDirectory(),
        () => true,
      );
      await mkdir(isFolder ? place : dirname(place), { recursive: true }).catch(() => {});
      if (!isFolder) await (await open(place, 'a').catch(() => undefined))?.close();
    }
    const hosts = await open(join(this.#root, 'etc/hostname'), 'w').catch(() => undefined);
    await hosts?.writeFile(`${this.#hostname}\n`);
    await hosts?.close();
  }

  /** The path in the container, without `..`. */
  absolute(cwd: string, path: string): string {
    return posix.resolve('/', cwd, path);
  }

  /**
   * Where a path is on this machine, links followed inside of the container; the last one only with `followLast`. Throws as the system does for
   * links that go in circles.
   */
  async host(path: string, { followLast = true }: { readonly followLast?: boolean } = {}): Promise<string> {
    let links = 0;
    let left = posix
      .resolve('/', path)
      .split('/')
      .filter((part) => part !== '');
    let at = '/';
    for (let part = left.shift(); part !== undefined; part = left.shift()) {
      const next = part === '..' ? posix.dirname(at) : posix.join(at, part);
      if (left.length === 0 && !followLast) return this.#place(next);
      const target = await readlink(this.#place(next)).catch(() => undefined);
      if (target === undefined) {
        at = next;
        continue;
      }
      if (++links > linksMax) {
        throw Object.assign(new Error('ELOOP: too many symbolic links'), { code: 'ELOOP', syscall: 'open', path });
      }
      const rest = posix.isAbsolute(target) ? [] : at.split('/');
      left = [...rest, ...target.split('/'), ...left].filter((one) => one !== '' && one !== '.');
      at = '/';
    }
    return this.#place(at);
  }

  /** The same for something that is about to be changed. Throws `EROFS` in a mount that is read-only. */
  async writable(path: string, options: { readonly followLast?: boolean } = {}): Promise<string> {
    const host = await this.host(path, options);
    const mount = this.#mounts.find(({ hostPath }) => host === hostPath || host.startsWith(`${hostPath}/`));
    if (mount?.readOnly === true) {
      throw Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS', syscall: 'open', path });
    }
    return host;
  }

  /** Opens a file; to be closed by the caller. */
  async open(path: string, flags: 'a' | 'r' | 'r+' | 'w', mode?: number): Promise<FileHandle> {
    if (posix.resolve('/', path) === nullDevice) return open(nullDevice, flags);
    return open(flags === 'r' ? await this.host(path) : await this.writable(path), flags, mode);
  }

  /** Names in a folder, in order. */
  async list(path: string): Promise<readonly string[]> {
    return (await readdir(await this.host(path))).sort();
  }

  async stat(path: string) {
    if (posix.resolve('/', path) === nullDevice) return stat(nullDevice);
    return stat(await this.host(path));
  }

  async lstat(path: string) {
    return lstat(await this.host(path, { followLast: false }));
  }

  /** What a mount covers is not in the container's own folder, though it has a place there. */
  #place(path: string): string {
    const mount = this.#mounts.find(({ containerPath }) => isUnder(path, containerPath));
    if (mount === undefined) return join(this.#root, path);
    return join(mount.hostPath, path.slice(mount.containerPath === '/' ? 0 : mount.containerPath.length));
  }
}

function isUnder(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? folder : `${folder}/`);
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EEXIST: 'File exists',
  EINVAL: 'Invalid argument',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  ENAMETOOLONG: 'File name too long',
  ENOENT: 'No such file or directory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  ENOTEMPTY: 'Directory not empty',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
  EXDEV: 'Invalid cross-device link',
};

/** What the system said, in the words of its tools. */
function reasonOf(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  return reasons[code ?? ''] ?? message ?? String(error);
}

/** The error of a command about a path. */
export function pathError(path: string, error: unknown): CommandError {
  return error instanceof CommandError ? error : new CommandError(`${path}: ${reasonOf(error)}`);
}
