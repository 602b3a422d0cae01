/**
 * Manifests, indexes and configurations of images, read from bytes that somebody else made: what does not have the shape is refused as damaged, and
 * what is not an image as unsupported. Pure. Source: OCI image-spec (manifest, image-index, config), Docker image manifest v2 schema 2.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import { isDigest } from '../digest.ts';
import { type ImageConfig, ImageStoreError } from '../image-store.ts';

/** Kinds of documents. */
export const mediaTypes = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const;

/** Largest manifest or index. Source: OCI distribution-spec asks registries for at least 4 MiB. */
export const manifestBytesMax = 4 << 20;

/** Largest configuration: containers' settings and a line of history for each layer. */
export const configBytesMax = 8 << 20;

/** Layers of one image: what Docker's engine has at most, and overlay mounts take. */
const layersMax = 128;

/** Entries of one index: images for each platform, and what was signed about them. */
const manifestsMax = 1024;

/** Where contents are, and for whom. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What an image runs on, in Go's words. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** An image of one platform. */
export interface ImageManifest {
  readonly kind: 'image';
  readonly config: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
}

/** Images of several platforms. */
export interface ImageIndex {
  readonly kind: 'index';
  readonly manifests: readonly Descriptor[];
}

/** One step of how an image was made. */
export interface HistoryEntry {
  /** RFC 3339; empty where it is not said. */
  readonly created: string;
  readonly createdBy: string;
  readonly comment: string;
  /** Whether the step made no layer. */
  readonly emptyLayer: boolean;
}

/** The configuration of an image. */
export interface ConfigDocument {
  readonly platform: Platform;
  readonly created: string;
  readonly config: ImageConfig;
  readonly diffIds: readonly string[];
  readonly history: readonly HistoryEntry[];
}

/** Reads a manifest or an index. */
export function parseManifest(bytes: Uint8Array): ImageIndex | ImageManifest {
  const document = parseObject(bytes, 'manifest');
  const { manifests, layers, config, mediaType, schemaVersion } = document;
  if (schemaVersion === 1)
    throw new ImageStoreError('unsupported', 'image has a manifest of schema 1, which is long out of use');
  // One that reads as both is made to mean one thing to who checks it and another to who runs it.
  if (manifests !== undefined && (layers !== undefined || config !== undefined))
    throw damaged('manifest has both manifests and layers');
  const isIndex = mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerList;
  const isImage = mediaType === mediaTypes.ociManifest || mediaType === mediaTypes.dockerManifest;
  if (!isIndex && !isImage && mediaType !== undefined && mediaType !== '')
    throw new ImageStoreError('unsupported', `manifest has the unknown media type ${quoted(mediaType)}`);
  if ((isIndex && manifests === undefined) || (isImage && manifests !== undefined))
    throw damaged(`manifest is not what its media type ${quoted(mediaType)} says`);
  if (manifests !== undefined) {
    if (!Array.isArray(manifests) || manifests.length > manifestsMax) throw damaged('index has no list of manifests');
    return { kind: 'index', manifests: manifests.map(parseDescriptor) };
  }
  if (!Array.isArray(layers)) throw damaged('manifest has no list of layers');
  if (layers.length > layersMax)
    throw new ImageStoreError('unsupported', `image has ${layers.length} layers, more than ${layersMax}`);
  return { kind: 'image', config: parseDescriptor(config), layers: layers.map(parseDescriptor) };
}

/** Reads the configuration of an image for a container. */
export function parseConfig(bytes: Uint8Array): ConfigDocument {
  const document = parseObject(bytes, 'configuration of the image');
  const { rootfs, history } = document;
  if (!isObject(rootfs))
    throw new ImageStoreError('unsupported', 'manifest is not that of an image: its configuration names no layers');
  const diffIds = stringList(rootfs.diff_ids, 'rootfs.diff_ids');
  const wrong = diffIds.find((digest) => !isDigest(digest));
  if (wrong !== undefined) throw damaged(`configuration names the layer ${quoted(wrong)}, which is no sha256 digest`);
  const variant = text(document.variant);
  return {
    platform: {
      os: text(document.os) || 'linux',
      architecture: text(document.architecture),
      ...(variant === '' ? {} : { variant }),
    },
    created: text(document.created),
    config: containerConfig(isObject(document.config) ? document.config : {}),
    diffIds,
    history: Array.isArray(history) ? history.filter(isObject).map(historyEntry) : [],
  };
}

/** Reads what names contents: the digest and size are there, whatever else is not. */
export function parseDescriptor(value: unknown): Descriptor {
  if (!isObject(value)) throw damaged('a descriptor is not an object');
  const { digest, size, platform, annotations } = value;
  if (typeof digest !== 'string' || !isDigest(digest))
    throw damaged(`descriptor has the digest ${quoted(digest)}, which is no sha256 digest`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw damaged(`descriptor of ${digest} has the size ${quoted(size)}`);
  return {
    mediaType: text(value.mediaType),
    digest,
    size,
    ...(isObject(platform) ? { platform: platformOf(platform) } : {}),
    ...(isObject(annotations) ? { annotations: stringMap(annotations) } : {}),
  };
}

/** Parses JSON text that is to be an object. */
export function parseObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new ImageStoreError('damaged', `${what} is not JSON`, error);
  }
  if (!isObject(value)) throw damaged(`${what} is not a JSON object`);
  return value;
}

function platformOf(value: Record<string, unknown>): Platform {
  const variant = text(value.variant);
  return { os: text(value.os), architecture: text(value.architecture), ...(variant === '' ? {} : { variant }) };
}

function containerConfig(value: Record<string, unknown>): ImageConfig {
  const stopSignal = text(value.StopSignal);
  return {
    entrypoint: stringList(value.Entrypoint, 'Entrypoint'),
    command: stringList(value.Cmd, 'Cmd'),
    environment: stringList(value.Env, 'Env'),
    workingDirectory: text(value.WorkingDir),
    user: text(value.User),
    ...(stopSignal === '' ? {} : { stopSignal }),
    labels: isObject(value.Labels) ? stringMap(value.Labels) : {},
    volumes: isObject(value.Volumes) ? Object.keys(value.Volumes) : [],
    ...(isObject(value.ExposedPorts) ? { exposedPorts: Object.keys(value.ExposedPorts) } : {}),
  };
}

function historyEntry(value: Record<string, unknown>): HistoryEntry {
  return {
    created: text(value.created),
    createdBy: text(value.created_by),
    comment: text(value.comment),
    emptyLayer: value.empty_layer === true,
  };
}

function stringList(value: unknown, what: string): readonly string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
  throw damaged(`configuration has no list of texts in ${what}`);
}

function stringMap(value: Record<string, unknown>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]): readonly [string, string][] =>
      typeof one === 'string' ? [[key, one]] : [],
    ),
  );
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function quoted(value: unknown): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 100);
}

function damaged(message: string): ImageStoreError {
  return new ImageStoreError('damaged', message);
}
