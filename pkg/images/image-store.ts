/**
 * The images of a node: what was pulled or imported, and root filesystems made of it. Contract only; `conformance.ts` holds the laws.
 *
 * Laws:
 * 1. An image's id is the digest of its configuration. Nothing is found under a name before all of it is there and its digests were checked;
 *    what fails or is cut off leaves nothing that is found, and the next pull goes on with the blobs that are whole.
 * 2. `prepare` gives a root that is the key's alone, made of the image's layers, writes in it never reaching the image; again for the same key it
 *    gives the same root. `release` takes it away, and does nothing for a key that has none. Roots outlive this process.
 * 3. An image that a root was prepared of can be removed only in name: its contents stay until the last root is released.
 * 4. Whatever a layer says, nothing outside of the store's folder and the root is read or written.
 * 5. What cannot be done rejects with `ImageStoreError`, in one sentence fit for an event.
 */

/** What an image says of how it is run; empty lists and absent fields are what it does not say. */
export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** `NAME=value`. */
  readonly environment: readonly string[];
  readonly workingDirectory: string;
  /** `user`, `user:group`, in names or numbers; empty for root. */
  readonly user: string;
  readonly stopSignal?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Paths that want a volume. */
  readonly volumes: readonly string[];
  /** Ports that its program listens at, such as `80/tcp`; absent where it says none. */
  readonly exposedPorts?: readonly string[];
}

/** An image that is whole. */
export interface StoredImage {
  /** `sha256:…` of its configuration. */
  readonly id: string;
  /** Such as `docker.io/library/busybox:1.36`. */
  readonly tags: readonly string[];
  /** Such as `docker.io/library/busybox@sha256:…`, by the digest of the manifest. */
  readonly digests: readonly string[];
  /** Of its blobs, compressed. */
  readonly sizeBytes: number;
  readonly architecture: string;
  readonly config: ImageConfig;
  /** Digests of the unpacked layers, lowest first. */
  readonly diffIds: readonly string[];
}

/** Whom a registry is asked as. */
export interface RegistryLogin {
  readonly username: string;
  readonly password: string;
}

/** What a pull may use. */
export interface ImagePullOptions {
  /** Tried in turn, before nobody. */
  readonly logins?: readonly RegistryLogin[];
  /** Of each blob, as it comes. */
  readonly progress?: (progress: {
    readonly digest: string;
    readonly doneBytes: number;
    readonly totalBytes: number;
  }) => void;
  readonly signal?: AbortSignal;
}

/** A root filesystem that can be written to. */
export interface PreparedRoot {
  /** Where it is mounted or lies. */
  readonly path: string;
  /** Where the changes are kept, whose size is what the container wrote. */
  readonly changesPath: string;
}

/** By whose ids a root is made: those of a user namespace, in which all of the image's ids are so many higher outside of it. */
export interface RootOwner {
  /** Path of the namespace. */
  readonly namespacePath: string;
  /** What its root is outside. */
  readonly baseId: number;
}

/** The store; see the laws above. */
export interface ImageStore {
  /** Under a name, a digest or an id; undefined when it is not there. Rejects for what cannot be a name. */
  find(reference: string): Promise<StoredImage | undefined>;
  list(): Promise<readonly StoredImage[]>;
  pull(reference: string, options?: ImagePullOptions): Promise<StoredImage>;
  /** Takes in an OCI layout or an archive of `docker save`, plain or gzip, and resolves with what was in it. `name` for those without one. */
  load(
    archivePath: string,
    options?: { readonly name?: string; readonly signal?: AbortSignal },
  ): Promise<readonly StoredImage[]>;
  tag(reference: string, name: string): Promise<void>;
  /** Takes a name away, by an id all of an image's, and what nobody uses any more with it; resolves with the bytes of that. */
  remove(reference: string): Promise<number>;
  /** By the image's own ids, or by an owner's. Rejects with `unsupported` where roots cannot be an owner's. */
  prepare(key: string, imageId: string, owner?: RootOwner): Promise<PreparedRoot>;
  release(key: string): Promise<void>;
  /** Ids of the images that roots are made of, whichever process prepared them. */
  inUse(): Promise<ReadonlySet<string>>;
  /** Takes away what neither names nor roots hold; resolves with the bytes. */
  collect(): Promise<number>;
  /** What it takes on the disk. */
  usage(): Promise<{ readonly bytes: number; readonly inodes: number }>;
}

/** Why an image is not there, as far as callers act on it. */
export type ImageStoreErrorReason =
  | 'invalidName'
  | 'notFound'
  | 'unauthorized'
  | 'unreachable'
  | 'damaged'
  | 'unsupported'
  | 'failed';

/** The store could not do what it was asked. */
export class ImageStoreError extends Error {
  readonly reason: ImageStoreErrorReason;

  constructor(reason: ImageStoreErrorReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ImageStoreError';
    this.reason = reason;
  }
}
