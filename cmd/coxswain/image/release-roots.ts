/** Takes the roots of a cluster's images away before its folder is: what is mounted there would be in the way. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { World } from '../world.ts';
import { openImagesIn } from './open-images.ts';

/** Releases all roots in a folder of a cluster's data that has any. */
export async function releaseRoots(world: World, folder: string): Promise<void> {
  const roots = await stat(join(folder, 'images', 'roots')).catch(() => undefined);
  if (roots === undefined) return;
  await (await openImagesIn(folder, world)).releaseAll();
}
