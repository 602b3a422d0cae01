/** Images that a container shows as volumes: each has a root of its own in the store, which goes with the container. */
import type { ImageStore, RootOwner } from '#pkg/images/image-store.ts';
import type { Mount } from '../container-config.ts';
import { RuntimeError } from '../runtime.ts';
import { readWhole, writeWhole } from '../whole-files.ts';
import { fromStore } from './images.ts';
import { resolveInside } from './inside-root.ts';

/** Whose, and where it is written how many there are. */
export interface ImageVolumesPlace {
  readonly images: ImageStore;
  readonly containerId: string;
  readonly file: string;
  /** By whose ids they are shown. */
  readonly owner?: RootOwner | undefined;
}

interface Count {
  readonly count: number;
}

/** The mounts with paths in place of images. Rejects with `failed` where an image has no such part. */
export async function prepareImageVolumes(
  mounts: readonly Mount[],
  { images, containerId, file, owner }: ImageVolumesPlace,
): Promise<readonly Mount[]> {
  const count = mounts.filter(({ image }) => image !== undefined).length;
  if (count === 0) return mounts;
  // Before anything is made, so that whoever comes after a crash takes it away.
  await writeWhole(file, { count } satisfies Count);
  let made = 0;
  const prepared: Mount[] = [];
  for (const mount of mounts) {
    if (mount.image === undefined) {
      prepared.push(mount);
      continue;
    }
    const { id, subPath } = mount.image;
    const { path } = await fromStore(images.prepare(keyOf(containerId, made++), id, owner));
    const hostPath = await resolveInside(path, subPath);
    if (hostPath === undefined)
      throw new RuntimeError('failed', `the image of the volume has no ${JSON.stringify(subPath)}`);
    prepared.push({ ...mount, hostPath });
  }
  return prepared;
}

/** Gives them back; nothing where there are none. */
export async function releaseImageVolumes({ images, containerId, file }: ImageVolumesPlace): Promise<void> {
  const { count = 0 } = (await readWhole<Count>(file)) ?? {};
  for (let index = 0; index < count; index++) await fromStore(images.release(keyOf(containerId, index)));
}

function keyOf(containerId: string, index: number): string {
  return `${containerId}-volume-${index}`;
}
