/**
 * What `COPY` and `ADD` put into a layer: files of a folder, found by patterns, in the order of their names, with the owner that is wanted and all at one time, so that the
 * same files give the same bytes. Links are copied as links; a path that goes through a link stays in its folder.
 */
import { createReadStream, lstatSync, readlinkSync, type Stats } from 'node:fs';
import { Digester } from '../digest.ts';
import type { SystemCalls } from '../host/system-calls.ts';
import { LayerTree, lstatIfThere } from '../layers/layer-tree.ts';
import { tarHeader, tarPadding } from '../tar/tar-writer.ts';
import type { IsIgnored } from './ignore.ts';
import { pathPattern } from './ignore.ts';

/** One file of a layer that is to be made. Paths are bytes, each as one character. */
export interface CopiedFile {
  /** In the image. */
  readonly path: string;
  /** On this machine; undefined for a folder that is made on the way. */
  readonly source: Buffer | undefined;
  readonly stats: Stats | undefined;
}

/** Of one path, as the system has it. */
const linksMax = 40;

/** A folder that files are copied from. */
export class CopySource {
  readonly #tree: LayerTree;
  readonly #isIgnored: IsIgnored;

  constructor(root: string, { calls, isIgnored }: { readonly calls: SystemCalls; readonly isIgnored: IsIgnored }) {
    this.#tree = new LayerTree({ root, form: 'tree', lowers: [], calls }, () => {});
    this.#isIgnored = isIgnored;
  }

  /** Paths that a pattern finds, in order; a pattern without signs is a path. */
  find(pattern: string): readonly string[] {
    const parts = pattern.split('/').filter((part) => part !== '' && part !== '.');
    let found = [''];
    for (const part of parts) {
      const isPlain = !/[*?[\\]/.test(part);
      const matches = isPlain ? undefined : pathPattern(part);
      found = found.flatMap((folder) => {
        if (part === '..') return [folder.split('/').slice(0, -1).join('/')];
        const real = this.#tree.folder(folder, { make: false });
        if (real === undefined || (real !== '' && this.#tree.at(real) !== 'directory')) return [];
        const names =
          matches === undefined ? [part] : [...this.#tree.names(real)].sort().filter((name) => matches.test(name));
        return names.map((name) => (folder === '' ? name : `${folder}/${name}`));
      });
    }
    return found.filter((path) => this.stats(path) !== undefined && !this.#isIgnored(text(path)));
  }

  /** Of what a path leads to: links on the way and at its end are followed within the folder. */
  stats(path: string): Stats | undefined {
    const real = this.real(path);
    return real === undefined ? undefined : lstatIfThere(this.#tree.path(real));
  }

  /** Where a path leads, on this machine. */
  pathOf(path: string): Buffer | undefined {
    const real = this.real(path);
    return real === undefined ? undefined : this.#tree.path(real);
  }

  /** Where a path leads, without links; undefined where that is nothing. */
  real(path: string): string | undefined {
    let at = path;
    for (let links = 0; links < linksMax; links++) {
      const parts = at.split('/').filter((part) => part !== '' && part !== '.');
      const name = parts.at(-1);
      // The last part is looked at itself; dots are the way's to follow.
      const folder = this.#tree.folder(parts.slice(0, name === '..' ? undefined : -1).join('/'), { make: false });
      if (folder === undefined || name === undefined || name === '..') return folder;
      const whole = folder === '' ? name : `${folder}/${name}`;
      if (this.#tree.at(whole) !== 'symlink') return whole;
      const target = readlinkSync(this.#tree.path(whole), { encoding: 'latin1' });
      at = target.startsWith('/') ? target : `${folder}/${target}`;
    }
    return undefined;
  }

  /** A file as it is to be in the image; of a folder all that is in it, but not the folder. */
  *copied(path: string, to: string): Generator<CopiedFile> {
    const real = this.real(path);
    if (real === undefined) return;
    const source = this.#tree.path(real);
    const stats = lstatSync(source);
    if (stats.isDirectory()) yield* this.#below(real, path, to);
    else yield { path: to, source, stats };
  }

  *#below(folder: string, asked: string, to: string): Generator<CopiedFile> {
    for (const name of [...this.#tree.names(folder)].sort()) {
      const path = folder === '' ? name : `${folder}/${name}`;
      const own = asked === '' ? name : `${asked}/${name}`;
      const source = this.#tree.path(path);
      const stats = lstatSync(source);
      // Sockets and the like are of programs that run, not of images.
      const isCopied = stats.isFile() || stats.isDirectory() || stats.isSymbolicLink();
      const target = to === '' ? name : `${to}/${name}`;
      // What is below an ignored folder may be kept all the same.
      if (isCopied && !this.#isIgnored(text(own))) yield { path: target, source, stats };
      if (stats.isDirectory()) yield* this.#below(path, own, target);
    }
  }
}

/** Owner, permissions and time of all files of a layer. */
export interface CopyDress {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number | undefined;
  /** Seconds since the epoch. */
  readonly modified: number;
}

/** The layer of copied files. */
export async function* copiedLayer(files: readonly CopiedFile[], dress: CopyDress): AsyncGenerator<Uint8Array> {
  for (const file of files) {
    const { header, size } = headerOf(file, dress);
    yield header;
    if (size === 0 || file.source === undefined) continue;
    let left = size;
    for await (const chunk of createReadStream(file.source)) {
      left -= chunk.length;
      if (left < 0) break;
      yield chunk;
    }
    if (left !== 0) throw new Error(`${file.source.toString()} changed while it was copied`);
    yield tarPadding(size);
  }
  yield Buffer.alloc(1024);
}

/** The digest of what copied files are, by which it is known whether a layer was made of them before. */
export async function digestOfCopied(files: readonly CopiedFile[], dress: CopyDress): Promise<string> {
  const digester = new Digester();
  for await (const chunk of copiedLayer(files, dress)) digester.update(chunk);
  return digester.digest();
}

function headerOf(
  { path, source, stats }: CopiedFile,
  dress: CopyDress,
): { readonly header: Buffer; readonly size: number } {
  const { uid, gid, modified } = dress;
  const mode = dress.mode ?? (stats === undefined ? 0o755 : stats.mode & 0o7777);
  const common = { path, uid, gid, modified };
  if (source === undefined || stats?.isDirectory())
    return { header: tarHeader({ ...common, kind: 'directory', path: `${path}/`, mode }), size: 0 };
  if (stats?.isSymbolicLink())
    return {
      header: tarHeader({ ...common, kind: 'symlink', target: readlinkSync(source, { encoding: 'latin1' }) }),
      size: 0,
    };
  const size = stats?.size ?? 0;
  return { header: tarHeader({ ...common, mode, size }), size };
}

function text(path: string): string {
  return Buffer.from(path, 'latin1').toString();
}
