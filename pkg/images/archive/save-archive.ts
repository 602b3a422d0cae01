/**
 * Images as an archive: an OCI image layout that has the `manifest.json` of `docker save` too, so that engines of either kind load it. The same images give the
 * same bytes. Source: OCI image-spec "Image layout", Docker image-spec v1.2.
 */
import type { BlobStore } from '../content/blob-store.ts';
import { type Descriptor, mediaTypes } from '../content/documents.ts';
import { tarEnd, tarFile, tarHeader, tarPadding } from '../tar/tar-writer.ts';

/** One image of an archive, of one platform. */
export interface ImageToSave {
  readonly manifest: Pick<Descriptor, 'digest' | 'mediaType' | 'size'>;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  /** Such as `docker.io/library/busybox:1.36`. */
  readonly names: readonly string[];
}

/** The bytes of an archive. */
export async function* savedArchive(images: readonly ImageToSave[], blobs: BlobStore): AsyncGenerator<Uint8Array> {
  yield tarFile({ path: 'oci-layout' }, JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  yield tarFile({ path: 'index.json' }, JSON.stringify(indexOf(images)));
  yield tarFile({ path: 'manifest.json' }, JSON.stringify(images.map(dockerEntry)));
  const written = new Set<string>();
  for (const { manifest, config, layers } of images) {
    for (const { digest, size } of [manifest, config, ...layers]) {
      if (written.has(digest)) continue;
      written.add(digest);
      yield tarHeader({ path: blobPath(digest), size });
      yield* blobs.stream(digest);
      yield tarPadding(size);
    }
  }
  yield tarEnd();
}

function indexOf(images: readonly ImageToSave[]): object {
  const manifests = images.flatMap(({ manifest: { mediaType, digest, size }, names }) => {
    const entry = { mediaType, digest, size };
    if (names.length === 0) return [entry];
    return names.map((name) => ({
      ...entry,
      annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': tagOf(name) },
    }));
  });
  return { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
}

function dockerEntry({ config, layers, names }: ImageToSave): object {
  return {
    Config: blobPath(config.digest),
    RepoTags: names.map(familiar),
    Layers: layers.map(({ digest }) => blobPath(digest)),
  };
}

/** As Docker's engine says names: without what it would fill in. */
function familiar(name: string): string {
  return name.replace(/^docker\.io\/(?:library\/)?/, '');
}

function tagOf(name: string): string {
  return name.slice(name.lastIndexOf(':') + 1);
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}
