/**
 * Where the paths of a container are on this machine. A mount's are in its volume; the file for a last message and a working directory that the machine does
 * not have are in the container's own folder; all others are the machine's, as programs on disk need what is there (their modules, `/proc`, `/etc/ssl`).
 * Upstream's counterpart is the mount namespace of a container.
 */
import { isAbsolute, resolve } from 'node:path';

/** What a container sees. */
export interface ContainerPathsOptions {
  /** Absolute. */
  readonly workingDir: string;
  readonly mounts: readonly { readonly containerPath: string; readonly hostPath: string }[];
  /** The container's own folder on this machine. */
  readonly root: string;
  /** Paths of the container that are in its own folder. */
  readonly own: readonly string[];
}

/** The paths of one container; `cwd` is its working directory and may change. */
export class ContainerPaths {
  /** The container's current directory. */
  cwd: string;
  /** The longest paths first. */
  readonly #places: readonly { readonly containerPath: string; readonly hostPath: string }[];
  readonly #root: string;

  constructor({ workingDir, mounts, root, own }: ContainerPathsOptions) {
    this.cwd = resolve('/', workingDir);
    this.#root = root;
    this.#places = [
      ...mounts.map(({ containerPath, hostPath }) => ({ containerPath: resolve('/', containerPath), hostPath })),
      ...own.map((path) => ({ containerPath: resolve('/', path), hostPath: root + resolve('/', path) })),
    ].sort((a, b) => b.containerPath.length - a.containerPath.length);
  }

  /** The machine's path of a path as the program writes it. Paths that lie in a volume of the container already stay as they are. */
  hostPath(path: string): string {
    const inside = isAbsolute(path) ? path : resolve(this.cwd, path);
    if (this.#places.length === 0) return inside;
    const plain = resolve(inside);
    if (isUnder(plain, this.#root) || this.#places.some(({ hostPath }) => isUnder(plain, hostPath))) return inside;
    const place = this.#places.find(({ containerPath }) => isUnder(plain, containerPath));
    if (place === undefined) return inside;
    // What ends with a slash has to be a directory.
    const end = inside.endsWith('/') && plain !== '/' ? '/' : '';
    return (
      resolve(place.hostPath, `.${plain.slice(place.containerPath === '/' ? 0 : place.containerPath.length)}`) + end
    );
  }

  /** A path of the container as it is shown, for the current directory of the machine's process. */
  get hostCwd(): string {
    return this.hostPath(this.cwd);
  }
}

function isUnder(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}
