/**
 * Images out of an OCI image layout (a folder or an archive of one) or an archive of `docker save`, taken into the store. What is in it is told; who loads it
 * gives it its names. Source: OCI image-spec "Image layout", Docker image-spec v1.2 "Combined image JSON + filesystem changeset format".
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import { type BlobClaim, readFirst } from '../content/blob-store.ts';
import { type Descriptor, mediaTypes, parseDescriptor, parseObject } from '../content/documents.ts';
import { ImageStoreError } from '../image-store.ts';
import { compressionOf } from '../layers/decompress.ts';
import { type ArchiveFiles, type ArchiveTarget, archiveFiles } from './archive-files.ts';

/** An image of an archive. Its contents are in the store, and pinned. */
export interface ArchivedImage {
  readonly target: Pick<Descriptor, 'digest' | 'mediaType' | 'size'>;
  /** As the archive says them; those of a layout may be no more than a tag. */
  readonly names: readonly string[];
}

const containerdName = 'io.containerd.image.name';
const layoutName = 'org.opencontainers.image.ref.name';

const layerTypes = {
  none: mediaTypes.ociLayer,
  gzip: mediaTypes.ociLayerGzip,
  zstd: mediaTypes.ociLayerZstd,
} as const;

/** Takes in the images of an archive or folder. Rejects with `damaged` or `unsupported` for what has none. */
export async function loadArchive(path: string, target: ArchiveTarget): Promise<readonly ArchivedImage[]> {
  const files = await archiveFiles(path, target);
  const { documents } = files;
  const index = documents.get('index.json');
  const manifest = documents.get('manifest.json');
  const layout = index !== undefined && documents.has('oci-layout') ? layoutImages(index, files) : undefined;
  // Newer engines write both. The layout has the manifests as they were, the other one names that are sure to be whole.
  if (layout?.every(({ names }) => names.length > 0 && names.every((name) => name.includes('/')))) return layout;
  if (manifest !== undefined) return dockerImages(manifest, files, target);
  if (layout !== undefined) return layout;
  const why = documents.has('repositories')
    ? 'it is of an engine before Docker 1.10'
    : 'it has neither a manifest.json nor an oci-layout';
  throw new ImageStoreError('unsupported', `${path} is no archive of images: ${why}`);
}

function layoutImages(index: Uint8Array, files: ArchiveFiles): readonly ArchivedImage[] {
  const { manifests } = parseObject(index, 'index.json of the archive');
  if (!Array.isArray(manifests) || manifests.length === 0)
    throw new ImageStoreError('damaged', 'index.json of the archive names no images');
  const byDigest = new Map<string, { readonly target: Descriptor; readonly names: string[] }>();
  for (const target of manifests.map(parseDescriptor)) {
    if (files.find(`blobs/${target.digest.replace(':', '/')}`) === undefined)
      throw new ImageStoreError('damaged', `archive lacks the content ${target.digest} that its index names`);
    const name = target.annotations?.[containerdName] ?? target.annotations?.[layoutName];
    const image = byDigest.get(target.digest) ?? { target, names: [] };
    byDigest.set(target.digest, image);
    if (name !== undefined) image.names.push(name);
  }
  return [...byDigest.values()];
}

async function dockerImages(
  manifest: Uint8Array,
  files: ArchiveFiles,
  target: ArchiveTarget,
): Promise<readonly ArchivedImage[]> {
  const { images } = parseObject(
    Buffer.concat([Buffer.from('{"images":'), manifest, Buffer.from('}')]),
    'manifest.json',
  );
  if (!Array.isArray(images) || images.length === 0)
    throw new ImageStoreError('damaged', 'manifest.json of the archive names no images');
  const loaded: ArchivedImage[] = [];
  for (const image of images) loaded.push(await dockerImage(image, files, target));
  return loaded;
}

/** Such archives have no manifest as registries do: it is made of what they say. */
async function dockerImage(image: unknown, files: ArchiveFiles, target: ArchiveTarget): Promise<ArchivedImage> {
  const { Config: config, Layers: layers, RepoTags: tags } = isObject(image) ? image : {};
  if (typeof config !== 'string' || !isTextList(layers))
    throw new ImageStoreError('damaged', 'manifest.json of the archive does not say what an image is made of');
  const find = (path: string): BlobClaim => {
    const found = files.find(path);
    if (found === undefined) throw new ImageStoreError('damaged', `archive lacks ${path}, which its manifest names`);
    return found;
  };
  const described: Descriptor[] = [];
  for (const path of layers) {
    const claim = find(path);
    described.push({ mediaType: layerTypes[compressionOf(await readFirst(target.blobs, claim.digest))], ...claim });
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociConfig, ...find(config) },
    layers: described,
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const claim = await target.blobs.put(bytes, target.pin);
  return { target: { mediaType: mediaTypes.ociManifest, ...claim }, names: isTextList(tags) ? tags : [] };
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
