/**
 * Which loopback addresses a new cluster takes: those of the first slot that no other cluster of this person has, and in which nothing on
 * this machine listens. Who starts a cluster reserves its addresses by listening on one of them, so of many that start at once each gets its
 * own; the system ends a reservation with the process that made it. A running cluster holds them by another port (`addressPort`).
 */
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { UserError } from '#cmd/common/errors.ts';
import {
  addressPort,
  addressSlots,
  type ClusterAddresses,
  kubernetesServiceIp,
  loopbackAddresses,
} from '#pkg/cluster/settings.ts';
import { parseIpv4Range } from '#pkg/network/ipv4.ts';
import { ClusterFolder } from './folder.ts';

/** Port at which addresses are reserved while a cluster starts. */
const reservationPort = addressPort - 1;

/** Addresses that nobody else can reserve until they are released. */
export interface Reservation extends Disposable {
  readonly addresses: ClusterAddresses;
}

/** Reserves the addresses of a slot that is free; of one that only belongs to a cluster that does not run when there is no other. */
export async function reserveFreeAddresses(folder: ClusterFolder, homeFolder: string): Promise<Reservation> {
  const kept: ClusterAddresses[] = [];
  for (const path of await clusterFolders(folder, homeFolder)) {
    const record = await new ClusterFolder(path).read().catch(() => undefined);
    if (record !== undefined) kept.push(record.settings);
  }
  const slots = Array.from({ length: addressSlots }, (_, slot) => loopbackAddresses(slot));
  const isKept = (addresses: ClusterAddresses): boolean => kept.some((other) => meet(addresses, other));
  for (const addresses of [...slots.filter((one) => !isKept(one)), ...slots.filter(isKept)]) {
    if (await isUsed(addresses)) continue;
    const reservation = await reserveAddresses(addresses);
    if (reservation === undefined) continue;
    // Another cluster may have come up, and ended its reservation, between the look and the reservation.
    if (!(await isUsed(addresses))) return reservation;
    reservation[Symbol.dispose]();
  }
  throw new UserError(
    `Cannot find addresses for a new cluster as ${addressSlots} run on this machine: stop one with "coxswain down"`,
  );
}

/** Reserves addresses; undefined when another process has them reserved. */
export async function reserveAddresses(addresses: ClusterAddresses): Promise<Reservation | undefined> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(reservationPort, kubernetesServiceIp(addresses.serviceCidr));
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
  server.unref();
  return { addresses, [Symbol.dispose]: () => server.close() };
}

/** Whether anything listens in the ranges of a slot, but for its reservation. */
async function isUsed({ podCidr, serviceCidr }: ClusterAddresses): Promise<boolean> {
  const listening = await listeningSockets();
  return listening.some(
    ({ address, port }) => port !== reservationPort && (contains(podCidr, address) || contains(serviceCidr, address)),
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

/** IPv4 addresses, as numbers, and ports on which programs of this machine listen; none where the system does not tell. */
async function listeningSockets(): Promise<readonly { readonly address: number; readonly port: number }[]> {
  const table = await readFile('/proc/net/tcp', 'latin1').catch(() => '');
  return table.split('\n').flatMap((line) => {
    // The kernel writes the address as a number of the machine's own byte order: the last byte comes first.
    const [, address, port] = /^\s*\d+: ([0-9A-F]{8}):([0-9A-F]{4}) \S+ 0A /.exec(line) ?? [];
    if (address === undefined || port === undefined) return [];
    return [{ address: Buffer.from(address, 'hex').readUInt32LE(0), port: Number.parseInt(port, 16) }];
  });
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
