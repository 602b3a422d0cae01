/** What a build asks of a store of images, and of whoever runs commands. Contract alone. */
import type { Descriptor, Platform } from '../content/documents.ts';
import type { PreparedRoot, StoredImage } from '../image-store.ts';
import type { ImageReference } from '../reference.ts';

/** A layer of the store. */
export interface BuiltLayer {
  readonly descriptor: Pick<Descriptor, 'digest' | 'mediaType' | 'size'>;
  readonly diffId: string;
}

/** An image that is built upon. */
export interface BaseImage {
  readonly id: string;
  readonly platform: Platform;
  /** What a container of it gets, as the image says it, what is not known here included. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly history: readonly unknown[];
  readonly layers: readonly BuiltLayer[];
}

/** A store, for one build: what it takes in stays until the build is over, and for later ones as long as a name or the cache leads there. */
export interface BuildStore extends AsyncDisposable {
  /** Undefined where it is not there. */
  base(reference: string): Promise<BaseImage | undefined>;
  /** Takes in a layer, as an archive without compression. */
  addLayer(archive: AsyncIterable<Uint8Array>): Promise<BuiltLayer>;
  /** Makes a root of layers, for this build alone. */
  prepare(layers: readonly BuiltLayer[]): Promise<BuildRoot & AsyncDisposable>;
  /** What the changes in such a root are, as an archive with all times at one. */
  changes(root: PreparedRoot, modified: number): AsyncIterable<Uint8Array>;
  addImage(config: object, layers: readonly BuiltLayer[], references: readonly ImageReference[]): Promise<StoredImage>;
  /** The layer that was made of the same before, where all of it is still there. */
  cached(key: string): Promise<BuiltLayer | undefined>;
  remember(key: string, layer: BuiltLayer): Promise<void>;
}

/** A root of a build. */
export interface BuildRoot extends PreparedRoot {
  /** Folder beside it for what runs in it meanwhile, gone with it. By this it is ended where the build was killed. */
  readonly workPath: string;
}

/** A command that runs in a root. */
export interface BuildCommand {
  readonly arguments: readonly string[];
  /** `NAME=value`. */
  readonly environment: readonly string[];
  readonly workingDirectory: string;
  /** As the image says it; empty for root. */
  readonly user: string;
}

/** Runs a command to its end; resolves with its exit code. What it prints is told as it comes. */
export type RunBuildCommand = (
  root: Pick<BuildRoot, 'path' | 'workPath'>,
  command: BuildCommand,
  options: { readonly output: (text: string) => void; readonly signal: AbortSignal | undefined },
) => Promise<number>;
