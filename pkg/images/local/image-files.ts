/**
 * Single files of an image, read out of its layers without a root being made of it, which takes no rights. Law: what is read is what a root would have there: the uppermost layer that says something of a path has the last
 * word, whiteouts included. Links are refused. Source: OCI image specification, "Image Layer Filesystem Changeset".
 */
import { ImageStoreError } from '../image-store.ts';
import { decompressed } from '../layers/decompress.ts';
import type { LayerSource } from '../snapshots/snapshotter.ts';
import { ByteSource } from '../tar/byte-source.ts';
import { type OpenTarEntry, readTar } from '../tar/tar-reader.ts';

/** Which files: of the image's uppermost folder, by name; each of at most so many bytes. */
export interface ImageFilesWish {
  readonly names: readonly string[];
  readonly bytesMax: number;
}

const whiteout = '.wh.';
const opaque = '.wh..wh..opq';

/** Those that are there, of layers with the lowest first. Throws `unsupported` for what is no file, or larger. */
export async function readImageFiles(
  layers: readonly LayerSource[],
  wish: ImageFilesWish,
): Promise<ReadonlyMap<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const layer of layers) {
    const own = await filesOfLayer(layer, wish);
    for (const name of wish.names) if (own.hidden.has(name) || own.hidden.has('')) files.delete(name);
    for (const [name, bytes] of own.files) files.set(name, bytes);
  }
  return files;
}

async function filesOfLayer(layer: LayerSource, { names, bytesMax }: ImageFilesWish) {
  const files = new Map<string, Buffer>();
  /** Names that layers below may have; `''` for all of them. */
  const hidden = new Set<string>();
  const source = new ByteSource(decompressed(await layer.open()));
  try {
    for await (const opened of readTar(source)) {
      const name = opened.entry.path.replace(/^(\.?\/)+/, '').replace(/\/+$/, '');
      if (name === opaque) hidden.add('');
      else if (name.startsWith(whiteout)) hidden.add(name.slice(whiteout.length));
      else if (names.includes(name)) files.set(name, await contentsOf(opened, { name, bytesMax }));
    }
  } finally {
    await source.close();
  }
  return { files, hidden };
}

async function contentsOf(
  { entry, body }: OpenTarEntry,
  { name, bytesMax }: { readonly name: string; readonly bytesMax: number },
): Promise<Buffer> {
  if (entry.kind !== 'file')
    throw new ImageStoreError('unsupported', `cannot read ${name} of the image, as it is no file`);
  if (entry.size > bytesMax)
    throw new ImageStoreError('unsupported', `cannot read ${name} of the image, as it has ${entry.size} bytes`);
  const pieces: Buffer[] = [];
  for await (const piece of body()) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
