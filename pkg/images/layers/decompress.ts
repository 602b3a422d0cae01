/** Layers and archives as they are inside: gzip, zstd or neither, by their first bytes, as media types are not always true. */
import { pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { errorText } from '#pkg/base/error-text.ts';
import { ImageStoreError } from '../image-store.ts';

const gzipMagic = Buffer.of(0x1f, 0x8b);
const zstdMagic = Buffer.of(0x28, 0xb5, 0x2f, 0xfd);
const magicBytesMax = 4;

/** Memory that a frame of zstd may ask for, as a power of two: 128 MiB, what its tool takes without being told. */
const zstdWindowLogMax = 27;

/** Of what a decompressor gives at once. */
const chunkBytes = 256 << 10;

/** How bytes are compressed, by the first of them. */
export function compressionOf(first: Uint8Array): 'gzip' | 'none' | 'zstd' {
  if (gzipMagic.equals(first.subarray(0, gzipMagic.length))) return 'gzip';
  return zstdMagic.equals(first.subarray(0, zstdMagic.length)) ? 'zstd' : 'none';
}

/** The bytes without their compression. What the source throws is thrown as it is; bytes that are not what they begin as are `damaged`. */
export async function* decompressed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let length = 0;
  while (length < magicBytesMax) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    head.push(value);
    length += value.length;
  }
  const first = Buffer.concat(head);
  const compression = compressionOf(first);
  let failure: unknown;
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      if (first.length > 0) yield first;
      for (;;) {
        const { done, value } = await iterator.next();
        if (done === true) return;
        yield value;
      }
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      await iterator.return?.();
    }
  }
  if (compression === 'none') return yield* all();
  const inflate =
    compression === 'gzip'
      ? createGunzip({ chunkSize: chunkBytes })
      : createZstdDecompress({ chunkSize: chunkBytes, params: { [zstdWindowLogParameter]: zstdWindowLogMax } });
  // What goes wrong comes out at the end of the pipe, which is read below.
  pipeline(Readable.from(all(), { objectMode: false, highWaterMark: chunkBytes }), inflate, () => {});
  try {
    yield* inflate;
  } catch (error) {
    if (failure !== undefined) throw failure;
    throw new ImageStoreError('damaged', `content cannot be unpacked: ${errorText(error)}`, error);
  }
}

/** `ZSTD_d_windowLogMax` of zstd.h. */
const zstdWindowLogParameter = 100;
