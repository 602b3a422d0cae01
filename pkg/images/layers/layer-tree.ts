/**
 * The folder that a layer is unpacked into, as far as paths go: no path leads out of it, whatever the layer's links say. A path is walked one part after
 * another; a link on the way is followed within the folder, as it would be by a process whose root that is. Nobody else writes there meanwhile, so what was looked
 * at stays so. Paths are bytes, each as one character; without a slash at their beginning.
 */
import { chmodSync, lchownSync, lstatSync, mkdirSync, readdirSync, readlinkSync, rmSync, type Stats } from 'node:fs';
import { errorCode } from '#pkg/base/error-code.ts';
import type { SystemCalls } from '../host/system-calls.ts';
import { ImageStoreError } from '../image-store.ts';

/** Where a layer is unpacked. */
export interface LayerPlace {
  /** A folder that is there, and empty or what lower layers made. */
  readonly root: string;
  /**
   * `layer`: the folder has this layer alone, as overlay mounts want it, and takes from `lowers`, highest first, what folders on the way to its entries are.
   * `tree`: the layer changes what the folder has.
   */
  readonly form: 'layer' | 'tree';
  readonly lowers: readonly string[];
  readonly calls: SystemCalls;
}

/** Of one path, as the system has it. Source: path_resolution(7). */
const linksMax = 40;
/** Of one path, bytes. Source: limits.h `PATH_MAX`. */
const pathBytesMax = 4096;

const opaqueAttribute = 'trusted.overlay.opaque';

/** What a folder that is made because something is in it looks like, where no layer says it. */
const folderModeDefault = 0o755;

/** What is at a path: a `whiteout` hides what lower layers have there. */
export type Occupant = 'directory' | 'none' | 'other' | 'symlink' | 'whiteout';

/** Folders that were made on the way: their owner hears of them. */
export type FolderMade = (path: string, like: Stats | undefined) => void;

/** Finds and makes places in one folder. */
export class LayerTree {
  readonly #place: LayerPlace;
  readonly #root: string;
  readonly #folderMade: FolderMade;
  /** Folders of this layer that hide what lower ones have in them. */
  readonly #opaque = new Set<string>();
  /** The parent that was found last: entries come folder by folder. */
  #last: { readonly asked: string; readonly found: string } | undefined;

  constructor(place: LayerPlace, folderMade: FolderMade) {
    this.#place = place;
    this.#root = latin1(place.root);
    this.#folderMade = folderMade;
  }

  /** A path of the system's. */
  path(relative: string): Buffer {
    return join(this.#root, relative);
  }

  /** Looks at a path itself, whose parents are folders. */
  at(relative: string): Occupant {
    const stats = lstatIfThere(this.path(relative));
    return stats === undefined ? 'none' : occupant(stats);
  }

  /** Forgets what is known of paths: something on the way to others was replaced. */
  forget(): void {
    this.#last = undefined;
  }

  /** The real path of a folder, which is made where it is missing; undefined where it is missing and `make` is false. */
  folder(asked: string, { make }: { readonly make: boolean }): string | undefined {
    if (asked === '') return '';
    if (this.#last?.asked === asked) return this.#last.found;
    const found = this.#walk(asked, make);
    if (found !== undefined && make) this.#last = { asked, found };
    return found;
  }

  /** Hides what lower layers have in a folder. */
  makeOpaque(relative: string): void {
    this.#opaque.add(relative);
    if (this.#place.form === 'layer')
      this.#place.calls.setAttribute(this.path(relative), opaqueAttribute, Buffer.from('y'));
  }

  /** Takes away what is at a path, with all that is in it. */
  remove(relative: string): void {
    this.forget();
    rmSync(this.path(relative), { recursive: true, force: true });
  }

  /** Names in a folder. */
  names(relative: string): readonly string[] {
    return readdirSync(this.path(relative), { encoding: 'latin1' });
  }

  /** Where lower layers have something under a path without links; undefined where the layer hides it, or there is nothing. */
  lower(relative: string): { readonly path: Buffer; readonly stats: Stats } | undefined {
    if (this.#place.form === 'tree') return undefined;
    const parts = relative.split('/');
    if (parts.some((_, index) => this.#opaque.has(parts.slice(0, index + 1).join('/'))) || this.#opaque.has(''))
      return undefined;
    for (const lower of this.#place.lowers) {
      const found = this.#lookInto(latin1(lower), parts);
      if (found === 'hidden') return undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #lookInto(
    root: string,
    parts: readonly string[],
  ): 'hidden' | { readonly path: Buffer; readonly stats: Stats } | undefined {
    let hidesBelow = this.#isOpaque(join(root, ''));
    for (let depth = 1; depth <= parts.length; depth++) {
      const path = join(root, parts.slice(0, depth).join('/'));
      const stats = lstatIfThere(path);
      if (stats === undefined) return hidesBelow ? 'hidden' : undefined;
      const kind = occupant(stats);
      if (kind === 'whiteout') return 'hidden';
      if (depth === parts.length) return { path, stats };
      if (kind !== 'directory') return 'hidden';
      hidesBelow ||= this.#isOpaque(path);
    }
    return undefined;
  }

  #isOpaque(path: Buffer): boolean {
    return isOpaque(path, this.#place.calls);
  }

  #walk(asked: string, make: boolean): string | undefined {
    const todo = asked.split('/');
    let done: string[] = [];
    let links = 0;
    for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        done.pop();
        continue;
      }
      const relative = [...done, part].join('/');
      const next = this.#step(relative, asked, make);
      if (next === undefined) return undefined;
      if (next === 'folder') {
        done.push(part);
        continue;
      }
      if (++links > linksMax) throw damaged(`too many links on the way to ${readable(asked)}`);
      if (next.target.startsWith('/')) done = [];
      todo.unshift(...next.target.split('/'));
      if (todo.length > pathBytesMax) throw damaged(`too many links on the way to ${readable(asked)}`);
    }
    return done.join('/');
  }

  #step(relative: string, asked: string, make: boolean): 'folder' | { readonly target: string } | undefined {
    const here = this.at(relative);
    if (here === 'directory') return 'folder';
    if (here === 'symlink') return { target: readlinkSync(this.path(relative), { encoding: 'latin1' }) };
    if (here === 'other') throw damaged(`${readable(asked)} is below a file`);
    const lower = here === 'whiteout' ? undefined : this.lower(relative);
    const kind = lower === undefined ? 'none' : occupant(lower.stats);
    if (lower !== undefined && kind === 'symlink') return { target: readlinkSync(lower.path, { encoding: 'latin1' }) };
    if (kind === 'other') throw damaged(`${readable(asked)} is below a file`);
    if (!make && kind === 'none') return undefined;
    if (here === 'whiteout') this.remove(relative);
    this.#makeFolder(relative, lower?.stats);
    if (here === 'whiteout') this.makeOpaque(relative);
    return 'folder';
  }

  #makeFolder(relative: string, like: Stats | undefined): void {
    const path = this.path(relative);
    mkdirSync(path, { mode: 0o700 });
    if (like !== undefined) lchownSync(path, like.uid, like.gid);
    chmodSync(path, like === undefined ? folderModeDefault : like.mode & 0o7777);
    this.#folderMade(relative, like);
  }
}

/** The parts of an entry's path. Throws `damaged` for one that leads out of the root: no image has a reason to have one. */
export function partsOf(path: string, what: string): readonly string[] {
  if (path.length > pathBytesMax) throw damaged(`${what} ${readable(path)} is too long`);
  if (path.startsWith('/') && path !== '/') throw damaged(`${what} ${readable(path)} is absolute`);
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw damaged(`${what} ${readable(path)} leads out of the image`);
  if (path.includes('\0')) throw damaged(`${what} ${readable(path)} has a zero in it`);
  return parts;
}

/** A path for people. */
export function readable(path: string): string {
  const text = Buffer.from(path, 'latin1').toString();
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

/** A layer that is not as layers are. */
export function damaged(message: string): ImageStoreError {
  return new ImageStoreError('damaged', `layer is damaged: ${message}`);
}

/** What `lstat` says; undefined where there is nothing. */
export function lstatIfThere(path: Buffer): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Whether a folder of a layer hides what lower layers have in it. */
export function isOpaque(path: Buffer, calls: SystemCalls): boolean {
  const value = calls.attribute(path, opaqueAttribute);
  return value !== undefined && Buffer.from(value).toString() === 'y';
}

/** What is at a path of which `lstat` says this. */
function occupant(stats: Stats): Occupant {
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  return stats.isCharacterDevice() && stats.rdev === 0 ? 'whiteout' : 'other';
}

function join(root: string, relative: string): Buffer {
  return Buffer.from(relative === '' ? root : `${root}/${relative}`, 'latin1');
}

function latin1(path: string): string {
  return Buffer.from(path).toString('latin1');
}
