/** A local archive that `ADD` unpacks: its entries as a layer, below where they are to be, all at one time. */
import { createReadStream } from 'node:fs';
import { ImageStoreError } from '../image-store.ts';
import { decompressed } from '../layers/decompress.ts';
import { partsOf } from '../layers/layer-tree.ts';
import { ByteSource } from '../tar/byte-source.ts';
import { readTar } from '../tar/tar-reader.ts';
import { tarEnd, tarHeader, tarPadding } from '../tar/tar-writer.ts';

/** Whether a file begins as an archive does. What is none is copied as it is. */
export async function isArchive(path: Buffer): Promise<boolean> {
  const source = new ByteSource(decompressed(createReadStream(path)));
  try {
    const first = await readTar(source).next();
    return first.done !== true;
  } catch (error) {
    if (error instanceof ImageStoreError) return false;
    throw error;
  } finally {
    await source.close();
  }
}

/** The layer. `to` is without a slash at either end; empty for the root. */
export async function* addedArchive(path: Buffer, to: string, modified: number): AsyncGenerator<Uint8Array> {
  const source = new ByteSource(decompressed(createReadStream(path)));
  const below = (name: string, what: string): string =>
    [to, ...partsOf(name, what)].filter((one) => one !== '').join('/');
  try {
    for await (const { entry, body } of readTar(source)) {
      const own = below(entry.path, 'archive is damaged: path');
      if (own === '') continue;
      const target = entry.kind === 'link' ? below(entry.target, 'archive is damaged: target') : entry.target;
      yield tarHeader({ ...entry, path: entry.kind === 'directory' ? `${own}/` : own, target, modified });
      if (entry.size === 0) continue;
      yield* body();
      yield tarPadding(entry.size);
    }
    yield tarEnd();
  } finally {
    await source.close();
  }
}
