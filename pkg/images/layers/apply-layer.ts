/**
 * Unpacks one layer: owners, permissions, times, links, devices, extended attributes, and whiteouts, which take away what lower layers have. Nothing is written
 * outside of the folder, whatever the layer says. It runs as root, as only root may give files away. Metadata is written without waiting, as handing
 * each of these calls to another thread costs several times what they do; contents of large files are not.
 * Source: OCI image-spec "Image Layer Filesystem Changeset", kernel documentation of overlayfs ("whiteouts and opaque directories").
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  type Stats,
  symlinkSync,
  utimesSync,
  write,
  writeSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { errorCode } from '#pkg/base/error-code.ts';
import { Digester } from '../digest.ts';
import { ImageStoreError } from '../image-store.ts';
import { ByteSource } from '../tar/byte-source.ts';
import type { TarEntry } from '../tar/tar-entry.ts';
import { type OpenTarEntry, readTar } from '../tar/tar-reader.ts';
import { copyFile } from './copy-tree.ts';
import { damaged, type LayerPlace, LayerTree, lstatIfThere, partsOf, readable } from './layer-tree.ts';

/** What was unpacked. */
export interface AppliedLayer {
  /** Of the layer without its compression. */
  readonly diffId: string;
  /** What its files take on the disk. */
  readonly bytes: number;
  readonly inodes: number;
}

/** What one layer may take: beyond any image that is in use, and less than most disks. A layer that wants more is refused. */
const layerBytesMax = 256 * 2 ** 30;
const layerEntriesMax = 20_000_000;

/** Up to this much is written at once, beyond it by another thread. */
const smallWriteBytes = 64 << 10;
const blockBytes = 4096;

const whiteoutPrefix = '.wh.';
const opaqueName = '.wh..wh..opq';
/** What a file system below images once kept there for itself. */
const privatePrefix = '.wh..wh.';

const fileKinds = { char: constants.S_IFCHR, block: constants.S_IFBLK, fifo: constants.S_IFIFO } as const;

/** How many entries are unpacked before others have their turn. */
const entriesAtOnce = 64;

/** Unpacks a layer from its bytes without compression. Rejects with `damaged` or `unsupported` for what it will not unpack, and what the system says. */
export async function applyLayer(
  source: AsyncIterable<Uint8Array>,
  place: LayerPlace,
  options: { readonly signal?: AbortSignal; readonly pause: () => Promise<void> },
): Promise<AppliedLayer> {
  const digester = new Digester();
  async function* digested(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      options.signal?.throwIfAborted();
      digester.update(chunk);
      yield chunk;
    }
  }
  const bytes = new ByteSource(digested());
  const layer = new LayerWriter(place);
  try {
    let count = 0;
    for await (const entry of readTar(bytes)) {
      if (++count % entriesAtOnce === 0) await options.pause();
      if (count > layerEntriesMax)
        throw new ImageStoreError('unsupported', `layer has more than ${layerEntriesMax} entries`);
      await layer.add(entry);
    }
    // What comes after the end of the archive is part of what the digest is of.
    await bytes.drain();
  } finally {
    await bytes.close();
  }
  layer.finish();
  return { diffId: digester.digest(), bytes: layer.bytes, inodes: layer.inodes };
}

class LayerWriter {
  readonly #tree: LayerTree;
  readonly #place: LayerPlace;
  /** What this layer has made: whiteouts leave it alone. */
  readonly #made = new Set<string>();
  /** Times of folders, which change while things are put into them. */
  readonly #folderTimes = new Map<string, number>();
  bytes = 0;
  inodes = 0;

  constructor(place: LayerPlace) {
    this.#place = place;
    this.#tree = new LayerTree(place, (path, like) => this.#noteFolder(path, like));
  }

  async add({ entry, body }: OpenTarEntry): Promise<void> {
    const parts = partsOf(entry.path, 'path');
    const name = parts.at(-1);
    if (name === undefined) return this.#dressRoot(entry);
    const hiding = parts.slice(0, -1).find((part) => part.startsWith(whiteoutPrefix));
    if (hiding?.startsWith(privatePrefix)) return;
    if (hiding !== undefined) throw damaged(`${readable(entry.path)} is below a whiteout`);
    const parent = parts.slice(0, -1).join('/');
    if (name.startsWith(whiteoutPrefix)) return this.#whiteout(parent, name);
    const folder = this.#tree.folder(parent, { make: true }) ?? '';
    const path = folder === '' ? name : `${folder}/${name}`;
    if (isWhiteoutDevice(entry)) return this.#hide(path);
    if (entry.kind === 'link') return this.#link(entry, path);
    const was = this.#clear(path, entry.kind === 'directory');
    this.#noteMade(path);
    if (entry.kind === 'directory') return this.#directory(entry, path, was);
    this.#count(entry.size);
    if (entry.kind === 'file') return this.#file(entry, path, body());
    if (entry.kind === 'symlink') symlinkSync(Buffer.from(entry.target, 'latin1'), this.#tree.path(path));
    else this.#place.calls.makeNode(this.#tree.path(path), fileKinds[entry.kind] | entry.mode, entry.device);
    this.#dress(entry, path);
  }

  /** Times of folders, last of all. */
  finish(): void {
    for (const [path, modified] of this.#folderTimes) {
      if (this.#tree.at(path) === 'directory') utimesSync(this.#tree.path(path), modified, modified);
    }
  }

  #dressRoot(entry: TarEntry): void {
    if (entry.kind !== 'directory') throw damaged('the root is not a folder');
    this.#dress(entry, '');
    this.#folderTimes.set('', entry.modified);
  }

  #directory(entry: TarEntry, path: string, was: 'directory' | 'other' | 'whiteout'): void {
    if (was !== 'directory') {
      this.#count(0);
      mkdirSync(this.#tree.path(path), { mode: 0o700 });
    }
    if (was === 'whiteout') this.#tree.makeOpaque(path);
    this.#dress(entry, path);
    this.#folderTimes.set(path, entry.modified);
  }

  async #file(entry: TarEntry, path: string, body: AsyncIterable<Buffer>): Promise<void> {
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
    const file = openSync(this.#tree.path(path), flags, 0o600);
    try {
      for await (const chunk of body) await writeChunk(file, chunk);
      fchownSync(file, entry.uid, entry.gid);
      // After the owner, whose change takes these away.
      fchmodSync(file, entry.mode);
      this.#setAttributes(entry, path);
      futimesSync(file, entry.modified, entry.modified);
    } finally {
      closeSync(file);
    }
  }

  /** A further name of a file; where a lower layer has the file, this layer gets a copy of it. */
  #link(entry: TarEntry, path: string): Promise<void> | undefined {
    const targetParts = partsOf(entry.target, `the target of the link ${readable(entry.path)},`);
    const folder = this.#tree.folder(targetParts.slice(0, -1).join('/'), { make: false });
    const name = targetParts.at(-1);
    const missing = (): Error =>
      damaged(`${readable(entry.path)} is a link to ${readable(entry.target)}, which is not there`);
    if (folder === undefined || name === undefined) throw missing();
    const target = folder === '' ? name : `${folder}/${name}`;
    if (target === path) return undefined;
    const there = this.#tree.at(target);
    if (there === 'directory') throw damaged(`${readable(entry.path)} is a link to a folder`);
    if (there === 'other' || there === 'symlink') {
      this.#linkTo(target, path);
      return undefined;
    }
    const lower = there === 'none' ? this.#tree.lower(target) : undefined;
    if (lower === undefined || lower.stats.isDirectory()) throw missing();
    return this.#copyUp(lower, { target, targetFolder: targetParts.slice(0, -1).join('/'), path });
  }

  async #copyUp(
    lower: { readonly path: Buffer; readonly stats: Stats },
    { target, targetFolder, path }: { readonly target: string; readonly targetFolder: string; readonly path: string },
  ): Promise<void> {
    this.#tree.folder(targetFolder, { make: true });
    await copyFile(lower.path, this.#tree.path(target));
    this.#count(lower.stats.size);
    this.#noteMade(target);
    this.#linkTo(target, path);
  }

  #linkTo(target: string, path: string): void {
    this.#clear(path, false);
    this.#noteMade(path);
    linkSync(this.#tree.path(target), this.#tree.path(path));
  }

  #whiteout(parent: string, name: string): void {
    if (name.startsWith(privatePrefix) && name !== opaqueName) return;
    const hidden = name.slice(whiteoutPrefix.length);
    if (hidden === '' || hidden === '.' || hidden === '..') throw damaged(`whiteout ${readable(name)} names nothing`);
    // Where lower layers have no such folder there is nothing to hide.
    const found = this.#tree.folder(parent, { make: false });
    if (found === undefined) return;
    const folder = this.#tree.folder(parent, { make: true }) ?? '';
    if (name === opaqueName) this.#hideBelow(folder);
    else this.#hide(folder === '' ? hidden : `${folder}/${hidden}`);
  }

  /** Hides what lower layers have at a path; what this layer has there stays. */
  #hide(path: string): void {
    const there = this.#tree.at(path);
    if (this.#made.has(path)) {
      if (there === 'directory') this.#hideBelow(path);
      return;
    }
    if (this.#place.form === 'tree') {
      if (there !== 'none') this.#tree.remove(path);
      return;
    }
    if (there !== 'none') return;
    this.#count(0);
    this.#place.calls.makeNode(this.#tree.path(path), constants.S_IFCHR, { major: 0, minor: 0 });
  }

  /** Hides what lower layers have in a folder. */
  #hideBelow(folder: string): void {
    if (this.#place.form === 'layer') {
      this.#tree.makeOpaque(folder);
      return;
    }
    for (const name of this.#tree.names(folder)) {
      const path = folder === '' ? name : `${folder}/${name}`;
      if (!this.#made.has(path)) this.#tree.remove(path);
      else if (this.#tree.at(path) === 'directory') this.#hideBelow(path);
    }
  }

  /** Takes away what is in an entry's place, but for a folder where a folder is to be. */
  #clear(path: string, isDirectory: boolean): 'directory' | 'other' | 'whiteout' {
    const there = this.#tree.at(path);
    if (there === 'none') return 'other';
    if (there === 'directory' && isDirectory) return 'directory';
    this.#tree.remove(path);
    if (there === 'directory') for (const made of this.#made) if (made.startsWith(`${path}/`)) this.#made.delete(made);
    return there === 'whiteout' ? 'whiteout' : 'other';
  }

  /** A whiteout spares what was made, and so the folders on the way to it. */
  #noteMade(path: string): void {
    for (let at = path; !this.#made.has(at); at = at.slice(0, at.lastIndexOf('/'))) {
      this.#made.add(at);
      if (!at.includes('/')) return;
    }
  }

  #noteFolder(path: string, like: Stats | undefined): void {
    this.#count(0);
    this.#noteMade(path);
    if (like !== undefined) this.#folderTimes.set(path, like.mtimeMs / 1000);
  }

  /** Owner, permissions, attributes and times of what is no file. */
  #dress(entry: TarEntry, path: string): void {
    const place = this.#tree.path(path);
    lchownSync(place, entry.uid, entry.gid);
    if (entry.kind !== 'symlink') chmodSync(place, entry.mode);
    this.#setAttributes(entry, path);
    lutimesSync(place, entry.modified, entry.modified);
  }

  /** Attributes that an image may have: those of programs' rights, and of their users. Others are the host's, or steer its overlay mounts. */
  #setAttributes({ attributes }: TarEntry, path: string): void {
    for (const [name, value] of attributes) {
      const isOfImage =
        name === 'security.capability' || (name.startsWith('user.') && !name.startsWith('user.overlay.'));
      if (!isOfImage) continue;
      try {
        this.#place.calls.setAttribute(this.#tree.path(path), name, value);
      } catch (error) {
        // Not every file system has all kinds of them, and no program counts on those of users.
        if (!name.startsWith('user.') || lstatIfThere(this.#tree.path(path)) === undefined) throw error;
        if (errorCode(error) !== 'ENOTSUP' && errorCode(error) !== 'EPERM') throw error;
      }
    }
  }

  #count(bytes: number): void {
    this.inodes++;
    this.bytes += Math.ceil(bytes / blockBytes) * blockBytes;
    if (this.bytes > layerBytesMax)
      throw new ImageStoreError('unsupported', `layer unpacks to more than ${layerBytesMax / 2 ** 30} GiB`);
  }
}

const writeAsync = promisify(write);

async function writeChunk(file: number, chunk: Buffer): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const isSmall = chunk.length - done <= smallWriteBytes;
    done += isSmall
      ? writeSync(file, chunk, done)
      : (await writeAsync(file, chunk, done, chunk.length - done, null)).bytesWritten;
  }
}

/** As overlay mounts have them: an image may come from a program that packed those of its host. */
function isWhiteoutDevice({ kind, device }: TarEntry): boolean {
  return kind === 'char' && device.major === 0 && device.minor === 0;
}
