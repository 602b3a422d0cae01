/** Ends the containers that a cluster's nodes have left: those of kubelets that were processes of their own, or that did not end by themselves. */

import { silentLogger } from '#pkg/base/logger.ts';
import { endContainers } from '#pkg/cluster/containers.ts';
import { withoutWarnings } from './image/open-images.ts';
import type { World } from './world.ts';

/** Ends them, in a folder of a cluster's data. */
export async function endLeftContainers({ clock, random }: World, folder: string): Promise<void> {
  await withoutWarnings(() => endContainers(folder, { clock, random, log: silentLogger }));
}
