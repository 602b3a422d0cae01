/**
 * Which loopback addresses a new cluster takes: those of the first slot that no other cluster of this person has, and in which nothing on
 * this machine listens. A running cluster holds one known port among its addresses, so of two that start at once only one gets them.
 */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '#cmd/common/errors.ts';
import { addressSlots, type ClusterAddresses, loopbackAddresses } from '#pkg/cluster/settings.ts';
import { parseIpv4Range } from '#pkg/network/ipv4.ts';
import { ClusterFolder } from './folder.ts';

/** The addresses of a slot that is free; one that only belongs to a cluster that does not run when there is no other. */
export async function freeAddresses(folder: ClusterFolder, homeFolder: string): Promise<ClusterAddresses> {
  const kept: ClusterAddresses[] = [];
  for (const path of await clusterFolders(folder, homeFolder)) {
    const record = await new ClusterFolder(path).read().catch(() => undefined);
    if (record !== undefined) kept.push(record.settings);
  }
  const listening = await listeningAddresses();
  let spare: ClusterAddresses | undefined;
  for (let slot = 0; slot < addressSlots; slot++) {
    const addresses = loopbackAddresses(slot);
    const isUsed = listening.some(
      (address) => contains(addresses.podCidr, address) || contains(addresses.serviceCidr, address),
    );
    if (isUsed) continue;
    if (!kept.some((other) => meet(addresses, other))) return addresses;
    spare ??= addresses;
  }
  if (spare !== undefined) return spare;
  throw new UserError(
    `Cannot find addresses for a new cluster as ${addressSlots} run on this machine: stop one with "coxswain down"`,
  );
}

function meet(one: ClusterAddresses, other: ClusterAddresses): boolean {
  return (
    one.nodeAddress === other.nodeAddress ||
    overlap(one.podCidr, other.podCidr) ||
    overlap(one.serviceCidr, other.serviceCidr)
  );
}

function overlap(one: string, other: string): boolean {
  const [a, b] = [parseIpv4Range(one), parseIpv4Range(other)];
  return a !== undefined && b !== undefined && a.base < b.base + b.size && b.base < a.base + a.size;
}

/** IPv4 addresses, as numbers, on which any program of this machine listens; none where the system does not tell. */
async function listeningAddresses(): Promise<readonly number[]> {
  const table = await readFile('/proc/net/tcp', 'latin1').catch(() => '');
  const found: number[] = [];
  for (const line of table.split('\n')) {
    // The kernel writes the address as a number of the machine's own byte order: the last byte comes first.
    const [, hex] = /^\s*\d+: ([0-9A-F]{8}):[0-9A-F]{4} \S+ 0A /.exec(line) ?? [];
    if (hex !== undefined) found.push(Buffer.from(hex, 'hex').readUInt32LE(0));
  }
  return found;
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
