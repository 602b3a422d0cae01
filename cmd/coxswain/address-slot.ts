/** Which ranges of loopback addresses a new cluster takes: those of the first slot that no other cluster of this person has. */
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { addressSlots, type ClusterSettings, loopbackRanges } from '#pkg/cluster/settings.ts';
import { ClusterFolder } from './folder.ts';

/** Ranges that the clusters beside this one leave free; those of the first slot when all are taken. */
export async function freeRanges(
  folder: ClusterFolder,
  homeFolder: string,
): Promise<Pick<ClusterSettings, 'podCidr' | 'serviceCidr'>> {
  const taken = new Set<string>();
  for (const path of await clusterFolders(folder, homeFolder)) {
    const record = await new ClusterFolder(path).read().catch(() => undefined);
    if (record !== undefined) taken.add(record.settings.serviceCidr);
  }
  for (let slot = 0; slot < addressSlots; slot++) {
    const ranges = loopbackRanges(slot);
    if (!taken.has(ranges.serviceCidr)) return ranges;
  }
  return loopbackRanges(0);
}

/** Folders beside the cluster's own, and those in the place where clusters are kept. */
async function clusterFolders(folder: ClusterFolder, homeFolder: string): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const parent of new Set([dirname(folder.path), homeFolder])) {
    const entries = await readdir(parent, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) if (entry.isDirectory()) found.add(join(parent, entry.name));
  }
  found.delete(folder.path);
  return [...found];
}
