/** Images for tests, made of layers: their documents, and their contents by digest. */
import { gzipSync } from 'node:zlib';
import { type Descriptor, mediaTypes, type Platform } from '../content/documents.ts';
import { digestOf } from '../digest.ts';

/** An image that is made of bytes in memory. */
export interface TestImage {
  /** Of the manifest, or the index. */
  readonly target: Descriptor;
  readonly id: string;
  readonly diffIds: readonly string[];
  readonly contents: ReadonlyMap<string, Buffer>;
  readonly manifest: Descriptor;
}

/** What the machine of the tests runs. */
export const testPlatform: Platform = { os: 'linux', architecture: 'amd64' };

/** An image of layers without compression, lowest first; each is compressed by `compress`. */
export function testImage(
  layers: readonly Buffer[],
  options: {
    readonly config?: object;
    readonly platform?: Platform;
    readonly compress?: (layer: Buffer) => Buffer;
    readonly diffIds?: readonly string[];
  } = {},
): TestImage {
  const { config = {}, platform = testPlatform, compress = gzipSync } = options;
  const contents = new Map<string, Buffer>();
  const add = (mediaType: string, bytes: Buffer): Descriptor => {
    const digest = digestOf(bytes);
    contents.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const diffIds = options.diffIds ?? layers.map((layer) => digestOf(layer));
  const described = layers.map((layer) => add(mediaTypes.ociLayerGzip, compress(layer)));
  const document = { ...platform, config, rootfs: { type: 'layers', diff_ids: diffIds } };
  const configDescriptor = add(mediaTypes.ociConfig, Buffer.from(JSON.stringify(document)));
  const manifest = add(
    mediaTypes.ociManifest,
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.ociManifest,
        config: configDescriptor,
        layers: described,
      }),
    ),
  );
  return { target: manifest, manifest, id: configDescriptor.digest, diffIds, contents };
}

/** An index of images, each of a platform. */
export function testIndex(images: readonly (readonly [Platform, TestImage])[]): Pick<TestImage, 'contents' | 'target'> {
  const manifests = images.map(([platform, { manifest }]) => ({ ...manifest, platform }));
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }));
  const target = { mediaType: mediaTypes.ociIndex, digest: digestOf(bytes), size: bytes.length };
  const contents = new Map([[target.digest, bytes], ...images.flatMap(([, image]) => [...image.contents])]);
  return { target, contents };
}
