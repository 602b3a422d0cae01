/** Takes the roots of a cluster's images away: all before its folder is, as what is mounted there would be in the way; those of killed builds before. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalImages } from '#pkg/images/local/local-image-store.ts';
import { endLeftCommand } from '#pkg/kubelet/runtime/container/build-runner.ts';
import type { World } from '../world.ts';
import { openImagesIn } from './open-images.ts';

/** Releases those that killed builds have left in a folder of a cluster's data, and ends what ran in them. */
export async function releaseLeftRoots(world: World, folder: string): Promise<void> {
  await (await imagesWithRoots(world, folder))?.releaseLeft(endLeftCommand);
}

/** Releases all roots in a folder of a cluster's data that has any; builds at work fail. */
export async function releaseRoots(world: World, folder: string): Promise<void> {
  await (await imagesWithRoots(world, folder))?.releaseAll(endLeftCommand);
}

async function imagesWithRoots(world: World, folder: string): Promise<LocalImages | undefined> {
  const roots = await readdir(join(folder, 'images', 'roots')).catch(() => []);
  return roots.length === 0 ? undefined : openImagesIn(folder, world);
}
