/** Whether images' layers can be mounted one above the other where a cluster is to have its images, or have to be copied. Leaves nothing behind. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemCalls } from '#pkg/images/host/system-calls.ts';
import { overlayProblem } from '#pkg/images/snapshots/overlay.ts';

/** Why they have to be copied into each container in a folder that may not be there yet; undefined where they are mounted. */
export async function copiesProblem(folder: string): Promise<string | undefined> {
  let around = folder;
  while (!existsSync(around) && around !== dirname(around)) around = dirname(around);
  const place = await mkdtemp(join(around, '.coxswain-overlay-'));
  try {
    return await overlayProblem(place, await systemCalls());
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}
