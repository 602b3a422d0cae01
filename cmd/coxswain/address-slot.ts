/**
 * Which ranges of loopback addresses a new cluster takes: those of the first slot that no other cluster of this person has, and in which
 * nothing on this machine listens.
 */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { addressSlots, type ClusterSettings, loopbackRanges } from '#pkg/cluster/settings.ts';
import { parseIpv4Range } from '#pkg/network/ipv4.ts';
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
  const listening = await listeningAddresses();
  for (let slot = 0; slot < addressSlots; slot++) {
    const ranges = loopbackRanges(slot);
    if (taken.has(ranges.serviceCidr)) continue;
    const inUse = listening.some((address) => Object.values(ranges).some((range) => contains(range, address)));
    if (!inUse) return ranges;
  }
  return loopbackRanges(0);
}

/** IPv4 addresses, as numbers, on which any program of this machine listens; none where the system does not tell. */
async function listeningAddresses(): Promise<readonly number[]> {
  const table = await readFile('/proc/net/tcp', 'latin1').catch(() => '');
  return table
    .split('\n')
    .map((line) => /^\s*\d+: ([0-9A-F]{8}):[0-9A-F]{4} \S+ 0A /.exec(line)?.[1])
    .filter((hex) => hex !== undefined)
    .map((hex) => Buffer.from(hex, 'hex').readUInt32LE(0));
}

function contains(cidr: string, address: number): boolean {
  const range = parseIpv4Range(cidr);
  return range !== undefined && address >= range.base && address < range.base + range.size;
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
