/**
 * The files of an archive of images, taken into the store as they come, since what says which of them are an image's may be at the end: contents go to the blobs,
 * small documents to memory, and links are noted. Nothing is written under a name that the archive says. A folder is read the same way.
 */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText } from '#pkg/base/error-text.ts';
import type { BlobClaim, BlobStore } from '../content/blob-store.ts';
import { manifestBytesMax } from '../content/documents.ts';
import { digestOfHex } from '../digest.ts';
import type { Pin } from '../disk/pins.ts';
import { ImageStoreError } from '../image-store.ts';
import { decompressed } from '../layers/decompress.ts';
import { partsOf } from '../layers/layer-tree.ts';
import { ByteSource } from '../tar/byte-source.ts';
import { type OpenTarEntry, readTar } from '../tar/tar-reader.ts';

/** Where an archive's files go. */
export interface ArchiveTarget {
  readonly blobs: BlobStore;
  readonly pin: Pin;
  readonly signal?: AbortSignal | undefined;
}

/** The files of an archive, by path. */
export interface ArchiveFiles {
  /** Of the documents that say what the others are. */
  readonly documents: ReadonlyMap<string, Uint8Array>;
  /** What became of another file. Links are followed within the archive. */
  find(path: string): BlobClaim | undefined;
}

/** Layers and documents of more images than anybody puts into one archive. */
const entriesMax = 100_000;
const linksMax = 10;

const documentNames: ReadonlySet<string> = new Set(['index.json', 'manifest.json', 'oci-layout', 'repositories']);
const blobPattern = /^blobs\/sha256\/([0-9a-f]{64})$/;
/** What older archives repeat of each layer, which the configuration says too. */
const ignoredPattern = /\/(?:VERSION|json)$/;

/** Reads an archive, plain or compressed, or a folder. */
export async function archiveFiles(path: string, target: ArchiveTarget): Promise<ArchiveFiles> {
  const info = await stat(path).catch((error: unknown) => {
    throw new ImageStoreError('notFound', `cannot read ${path}: ${errorText(error)}`, error);
  });
  const files = new Files(target);
  await (info.isDirectory() ? addFolder(path, files) : addArchive(path, files, target.signal));
  return files;
}

class Files implements ArchiveFiles {
  readonly documents = new Map<string, Uint8Array>();
  readonly #target: ArchiveTarget;
  readonly #blobs = new Map<string, BlobClaim>();
  readonly #links = new Map<string, string>();

  constructor(target: ArchiveTarget) {
    this.#target = target;
  }

  find(path: string): BlobClaim | undefined {
    let at = partsOf(path, 'path').join('/');
    for (let links = 0; links < linksMax; links++) {
      const blob = this.#blobs.get(at);
      const link = this.#links.get(at);
      if (blob !== undefined || link === undefined) return blob;
      at = link;
    }
    return undefined;
  }

  async addFile(path: string, size: number, body: () => AsyncIterable<Uint8Array>): Promise<void> {
    if (documentNames.has(path)) {
      this.documents.set(path, await readSmall(body(), size, path));
      return;
    }
    const { blobs, pin, signal } = this.#target;
    const hex = blobPattern.exec(path)?.[1];
    if (hex !== undefined) {
      const claim = { digest: digestOfHex(hex), size };
      await pin.add([claim.digest]);
      await blobs.receive(claim, (offset) => from(body(), offset), { ...(signal && { signal }) });
      this.#blobs.set(path, claim);
    } else if (!ignoredPattern.test(path)) {
      this.#blobs.set(path, await blobs.putStream(body(), ({ digest }) => pin.add([digest])));
    }
  }

  addLink(path: string, target: string): void {
    this.#links.set(path, target);
  }
}

async function addArchive(path: string, files: Files, signal: AbortSignal | undefined): Promise<void> {
  const source = new ByteSource(decompressed(createReadStream(path, { highWaterMark: 1 << 20 })));
  let count = 0;
  try {
    for await (const entry of readTar(source)) {
      signal?.throwIfAborted();
      if (++count > entriesMax) throw new ImageStoreError('unsupported', `archive has more than ${entriesMax} entries`);
      await addEntry(entry, files);
    }
  } finally {
    await source.close();
  }
}

async function addEntry({ entry, body }: OpenTarEntry, files: Files): Promise<void> {
  const parts = partsOf(entry.path, 'archive is damaged: path');
  const path = parts.join('/');
  if (entry.kind === 'file') return files.addFile(path, entry.size, body);
  if (entry.kind === 'link') files.addLink(path, partsOf(entry.target, 'archive is damaged: target').join('/'));
  if (entry.kind === 'symlink') files.addLink(path, resolved(parts.slice(0, -1), entry.target));
}

async function addFolder(path: string, files: Files): Promise<void> {
  for (const name of documentNames) {
    const info = await stat(join(path, name)).catch(() => undefined);
    if (info?.isFile()) await files.addFile(name, info.size, () => createReadStream(join(path, name)));
  }
  const blobs = join('blobs', 'sha256');
  const names = await readdir(join(path, blobs)).catch(() => []);
  for (const name of names) {
    const file = join(path, blobs, name);
    const info = await stat(file);
    if (info.isFile()) await files.addFile(join(blobs, name), info.size, () => createReadStream(file));
  }
}

/** Where a symbolic link leads; no further than to the archive's root. */
function resolved(folder: readonly string[], target: string): string {
  const path = target.startsWith('/') ? [] : [...folder];
  for (const part of target.split('/')) {
    if (part === '..') path.pop();
    else if (part !== '' && part !== '.') path.push(part);
  }
  return path.join('/');
}

async function readSmall(body: AsyncIterable<Uint8Array>, size: number, path: string): Promise<Uint8Array> {
  if (size > manifestBytesMax)
    throw new ImageStoreError('damaged', `${path} of the archive has ${size} bytes, more than ${manifestBytesMax}`);
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}

/** What is left of contents after their first bytes. */
async function* from(body: AsyncIterable<Uint8Array>, offset: number): AsyncGenerator<Uint8Array> {
  let left = offset;
  for await (const part of body) {
    if (left < part.length) yield part.subarray(left);
    left = Math.max(0, left - part.length);
  }
}
