/**
 * Which loopback addresses, and which port for its API server, a new cluster takes: those of the first slot that no other cluster of this person
 * has, running or not, and in which nothing on this machine listens. Who starts a cluster reserves its addresses by listening on one of them, so of
 * many that start at once each gets its own; the system ends a reservation with the process that made it. A running cluster holds them by
 * another port (`addressPort`).
 */

import { once } from 'node:events';
import { type Dirent, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { parseIpv4Range } from '#pkg/apimachinery/ipv4-range.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import {
  addressPort,
  addressSlots,
  type ClusterAddresses,
  defaultSettings,
  heldAddresses,
  kubernetesServiceIp,
  loopbackAddresses,
  slotAddresses,
} from '#pkg/cluster/settings.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { ClusterRegistry, RegisteredCluster } from './cluster-registry.ts';
import { ClusterFolder } from './folder.ts';

/** Port at which addresses are reserved while a cluster starts. */
const reservationPort = addressPort - 1;

/** Addresses that nobody else can reserve until they are released. */
export interface Reservation extends Disposable {
  readonly addresses: ClusterAddresses;
}

/** Where a cluster and those beside it are. */
export interface Neighbourhood {
  readonly folder: ClusterFolder;
  readonly registry: ClusterRegistry;
  /** Where clusters are kept unless they are told otherwise. */
  readonly homeFolder: string;
}

/**
 * Reserves the addresses of a slot that is free. What belongs to a cluster that does not run is not free; throws when there is no other.
 */
export async function reserveFreeAddresses(
  near: Neighbourhood,
  network = defaultSettings.network,
): Promise<Reservation> {
  const others = await otherClusters(near);
  const slots = Array.from({ length: addressSlots }, (_, slot) => slotAddresses(network, slot));
  // On a machine with thousands of connections a look takes the system ten milliseconds: most starts need one.
  let listening: readonly ListeningSocket[] = [];
  for (const addresses of slots) {
    if (others.some(({ settings }) => meet(addresses, settings)) || isUsed(addresses, listening)) continue;
    const reservation = await reserveAddresses(addresses);
    if (reservation === undefined) continue;
    // Who has come up before had a reservation and ended it: what this look does not find is nobody's.
    listening = listeningSockets();
    if (!isUsed(addresses, listening)) return reservation;
    reservation[Symbol.dispose]();
  }
  throw new UserError(
    `Cannot find addresses for a new cluster as there are for ${addressSlots} on this machine, and others have them ("coxswain list"): remove one with "coxswain down --delete-data"`,
  );
}

/**
 * The registered cluster that has the addresses of this one, when this one is not registered itself: it is a copy, or from before there was a
 * registry. A copy that nobody ever started takes nothing from the original.
 */
export async function clusterWithAddresses(
  { folder, registry }: Neighbourhood,
  addresses: ClusterAddresses,
): Promise<RegisteredCluster | undefined> {
  const own = realPath(folder.path);
  const clusters = await registry.clusters();
  const paths = clusters.map((cluster) => realPath(cluster.folder));
  return paths.includes(own) ? undefined : clusters.find(({ settings }) => meet(addresses, settings));
}

/** Refuses ranges that meet each other, or those of another cluster: only those that somebody has `named` can. */
export async function checkRanges(
  near: Neighbourhood,
  settings: ClusterAddresses,
  named: Partial<ClusterAddresses> = {},
): Promise<void> {
  if (Object.keys(named).length === 0) return;
  const { podCidr, serviceCidr } = settings;
  const cannot = `Cannot use the ranges ${podCidr} for pods and ${serviceCidr} for Services as`;
  if (overlap(podCidr, serviceCidr)) throw new UserError(`${cannot} they have addresses in common`);
  const other = (await otherClusters(near)).find((one) => meet(settings, one.settings));
  if (other === undefined) return;
  const has = `${other.settings.podCidr} and ${other.settings.serviceCidr}`;
  throw new UserError(`${cannot} the cluster "${other.settings.name}" in ${other.folder} has ${has}: name others`);
}

/** Ports that are tried for an API server beyond the one of its slot. */
const apiPortsTried = 1_000;

/**
 * A port of 127.0.0.1 that nothing listens on and no other cluster has: the first from 6443 up, with those that start at the same moment kept
 * apart by the slots of their addresses.
 */
export async function chooseApiPort(near: Neighbourhood, addresses: ClusterAddresses): Promise<number> {
  const kept = new Set((await otherClusters(near)).map(({ settings }) => settings.apiPort));
  const slot = Math.max(
    0,
    Array.from({ length: addressSlots }, (_, index) => loopbackAddresses(index)).findIndex(
      ({ nodeAddress }) => nodeAddress === heldAddresses(addresses).nodeAddress,
    ),
  );
  const first = defaultSettings.apiPort;
  const candidates = [first + slot, ...Array.from({ length: apiPortsTried }, (_, i) => first + addressSlots + i)];
  for (const port of candidates) if (!kept.has(port) && (await canListen(port))) return port;
  throw new UserError(
    `Cannot find a port for the API server from ${first} to ${candidates.at(-1)}: name one with --api-port`,
  );
}

function canListen(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const server = createServer();
    server.once('error', () => answer(false));
    server.listen(port, '127.0.0.1', () => server.close(() => answer(true)));
  });
}

/** Reserves addresses, by a port of its own or by that of a running cluster; undefined when another process has them so. */
export async function reserveAddresses(
  addresses: ClusterAddresses,
  port = reservationPort,
): Promise<Reservation | undefined> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(port, kubernetesServiceIp(heldAddresses(addresses).serviceCidr));
    await once(server, 'listening');
  } catch (error) {
    if (errorCode(error) === 'EADDRINUSE') return undefined;
    throw error;
  }
  server.unref();
  return { addresses, [Symbol.dispose]: () => server.close() };
}

/** Whether anything listens in the ranges of a slot, but for its reservation. */
function isUsed(addresses: ClusterAddresses, listening: readonly ListeningSocket[]): boolean {
  const { podCidr, serviceCidr } = heldAddresses(addresses);
  return listening.some(
    ({ address, port }) => port !== reservationPort && (contains(podCidr, address) || contains(serviceCidr, address)),
  );
}

function meet(first: ClusterAddresses, second: ClusterAddresses): boolean {
  const [one, other] = [heldAddresses(first), heldAddresses(second)];
  return (
    one.nodeAddress === other.nodeAddress ||
    overlap(one.podCidr, other.podCidr) ||
    overlap(one.serviceCidr, other.serviceCidr) ||
    // Those that people have named are of no slot.
    [first.podCidr, first.serviceCidr].some((own) => overlap(own, second.podCidr) || overlap(own, second.serviceCidr))
  );
}

function overlap(one: string, other: string): boolean {
  const [a, b] = [parseIpv4Range(one), parseIpv4Range(other)];
  return a !== undefined && b !== undefined && a.base < b.base + b.size && b.base < a.base + a.size;
}

/** An IPv4 address, as a number, and a port on which a program of this machine listens. */
interface ListeningSocket {
  readonly address: number;
  readonly port: number;
}

/** None where the system does not tell. Read at once, as the kernel makes this text faster than another thread would be found for it. */
function listeningSockets(): readonly ListeningSocket[] {
  let table: string;
  try {
    table = readFileSync('/proc/net/tcp', 'latin1');
  } catch {
    return [];
  }
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

/** The clusters that are registered, and those beside the cluster's own folder and where clusters are, but itself. */
async function otherClusters({ folder, registry, homeFolder }: Neighbourhood): Promise<readonly RegisteredCluster[]> {
  const found = new Map<string, RegisteredCluster>();
  for (const cluster of await registry.clusters()) found.set(realPath(cluster.folder), cluster);
  for (const parent of new Set([dirname(folder.path), homeFolder])) {
    for (const entry of entriesOf(parent)) {
      const path = realPath(join(parent, entry.name));
      if (!entry.isDirectory() || found.has(path)) continue;
      const record = await new ClusterFolder(path).read().catch(() => undefined);
      if (record !== undefined) found.set(path, { folder: path, settings: record.settings });
    }
  }
  found.delete(realPath(folder.path));
  return [...found.values()];
}

function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return resolve(path);
  }
}
