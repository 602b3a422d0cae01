/** How root filesystems are made of an image's layers. Contract, and what its implementations share; `conformance.ts` of the store holds them. */
import type { Clock } from '#pkg/base/clock.ts';
import { digestOf } from '../digest.ts';
import type { FolderUsage, MadeFolders } from '../disk/made-folders.ts';
import type { SystemCalls } from '../host/system-calls.ts';
import { ImageStoreError, type PreparedRoot, type RootOwner } from '../image-store.ts';
import { applyLayer } from '../layers/apply-layer.ts';
import { decompressed } from '../layers/decompress.ts';
import type { LayerPlace } from '../layers/layer-tree.ts';

/** One layer, as it is in the store. */
export interface LayerSource {
  /** Of the layer without its compression. */
  readonly diffId: string;
  /** Its bytes, compressed or not; may wait until they are there. */
  open(): Promise<AsyncIterable<Uint8Array>>;
}

/** Makes roots. A root's folder is its own; all it needs else are unpacked folders, which it never changes. */
export interface Snapshotter {
  readonly kind: string;
  /** Unpacks what is not unpacked yet, lowest layer first, and checks each against its digest. */
  unpack(layers: readonly LayerSource[], signal?: AbortSignal): Promise<void>;
  /** Keys of the unpacked folders that roots of these layers need. */
  folderKeys(diffIds: readonly string[]): readonly string[];
  /** Makes a root in a folder, or finds it there. The layers are unpacked. */
  prepare(folder: string, diffIds: readonly string[], owner?: RootOwner): Promise<PreparedRoot>;
  /** Takes a root away, as far as it is there; the folder itself is the caller's. */
  release(folder: string): Promise<void>;
}

/** What snapshotters are made of. */
export interface SnapshotterOptions {
  readonly folders: MadeFolders;
  readonly calls: SystemCalls;
  readonly clock: Clock;
}

/** Names of layers together with all below them, lowest first. Source: OCI image-spec, "Layer ChainID". */
export function chainIdsOf(diffIds: readonly string[]): readonly string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`));
  }
  return chain;
}

/** Unpacks one layer and checks its digest. */
export async function unpackLayer(
  layer: LayerSource,
  place: LayerPlace,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal | undefined },
): Promise<FolderUsage> {
  const source = decompressed(await layer.open());
  const { diffId, ...usage } = await applyLayer(source, place, {
    pause: () => clock.yield(),
    ...(signal && { signal }),
  });
  if (diffId !== layer.diffId)
    throw new ImageStoreError(
      'damaged',
      `layer is not what the image says: it unpacks to ${diffId}, not ${layer.diffId}`,
    );
  return usage;
}
