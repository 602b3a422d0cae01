/** For who may not unpack: layers are checked against their digests, and roots refused. Images can be pulled, saved and pushed so without root. */
import { Digester } from '../digest.ts';
import { ImageStoreError } from '../image-store.ts';
import { decompressed } from '../layers/decompress.ts';
import type { Snapshotter } from './snapshotter.ts';

/** What records say where there is no root. */
export const rootlessKind = 'none';

/** A snapshotter that makes no roots, for this reason. */
export function checkingSnapshotter(reason: string): Snapshotter {
  return {
    kind: rootlessKind,
    folderKeys: () => [],
    async unpack(layers, signal) {
      for (const layer of layers) {
        const digester = new Digester();
        for await (const chunk of decompressed(await layer.open())) {
          signal?.throwIfAborted();
          digester.update(chunk);
        }
        const found = digester.digest();
        if (found !== layer.diffId)
          throw new ImageStoreError(
            'damaged',
            `layer is not what the image says: it unpacks to ${found}, not ${layer.diffId}`,
          );
      }
    },
    prepare: () => Promise.reject(new ImageStoreError('unsupported', `cannot make a root filesystem: ${reason}`)),
    release: () => Promise.resolve(),
  };
}
