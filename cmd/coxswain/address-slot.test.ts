import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  addressSlots,
  type ClusterAddresses,
  defaultSettings,
  kubernetesServiceIp,
  loopbackAddresses,
  nodesMax,
  podRange,
} from '#pkg/cluster/settings.ts';
import { cidrBlocks } from '#pkg/controllers/nodeipam/cidr.ts';
import { parseIpv4Range } from '#pkg/network/ipv4.ts';
import { type Reservation, reserveAddresses, reserveFreeAddresses } from './address-slot.ts';
import { ClusterFolder } from './folder.ts';

let home: string;
const servers: Server[] = [];
const reservations: Reservation[] = [];
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'coxswain-slots-'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  for (const reservation of reservations.splice(0)) reservation[Symbol.dispose]();
  await rm(home, { recursive: true, force: true });
});

const cluster = (name: string): ClusterFolder => new ClusterFolder(join(home, name));

/** Addresses that a cluster in `folder` would get, and that others may get after it. */
async function freeAddresses(folder: ClusterFolder, homeFolder: string): Promise<ClusterAddresses> {
  using reservation = await reserveFreeAddresses(folder, homeFolder);
  return reservation.addresses;
}

async function keep(name: string, addresses: ClusterAddresses): Promise<void> {
  await cluster(name).write({ settings: { ...defaultSettings, name, ...addresses } });
}

test('a new cluster gets addresses that no other one keeps, in a folder beside it or where clusters are', async () => {
  const first = await freeAddresses(cluster('one'), home);
  await keep('one', first);
  const second = await freeAddresses(cluster('two'), home);
  expect(second.serviceCidr).not.toBe(first.serviceCidr);
  expect(second.podCidr).not.toBe(first.podCidr);
  expect(second.nodeAddress).not.toBe(first.nodeAddress);
  const elsewhere = new ClusterFolder(join(home, 'deep', 'three'));
  expect(await freeAddresses(elsewhere, home)).toEqual(second);
});

test('ranges of another size that meet those of a slot keep it', async () => {
  const first = await freeAddresses(cluster('one'), home);
  await keep('one', { ...first, podCidr: '127.128.0.0/9' });
  // Every slot meets that range, so one that nobody uses at the moment is given.
  expect(await freeAddresses(cluster('two'), home)).toEqual(first);
});

test('addresses on which something listens are not given', async () => {
  const first = await freeAddresses(cluster('one'), home);
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, kubernetesServiceIp(first.serviceCidr), resolve));
  expect(await freeAddresses(cluster('one'), home)).not.toEqual(first);
});

test('of many that choose at the same moment each gets addresses of its own, as long as it holds them', async () => {
  const names = ['one', 'two', 'three', 'four'];
  reservations.push(...(await Promise.all(names.map((name) => reserveFreeAddresses(cluster(name), home)))));
  const all = reservations.map(({ addresses }) => addresses);
  expect(new Set(all.map(({ serviceCidr }) => serviceCidr)).size).toBe(names.length);
  expect(await reserveAddresses(all[0]!)).toBeUndefined();
  for (const reservation of reservations.splice(0)) reservation[Symbol.dispose]();
  reservations.push((await reserveAddresses(all[0]!))!);
  expect(reservations[0]?.addresses).toEqual(all[0]);
});

test('slots do not meet', () => {
  const all = Array.from({ length: 64 }, (_, slot) => loopbackAddresses(slot));
  for (const field of ['podCidr', 'serviceCidr', 'nodeAddress'] as const) {
    expect(new Set(all.map((one) => one[field])).size).toBe(64);
  }
  expect(all[63]).toEqual({ podCidr: '127.254.0.0/15', serviceCidr: '127.111.192.0/18', nodeAddress: '127.0.0.64' });
  expect(all[0]).toEqual({
    podCidr: defaultSettings.podCidr,
    serviceCidr: defaultSettings.serviceCidr,
    nodeAddress: '127.0.0.1',
  });
});

test('more fake nodes than a slot has room for get blocks where nobody listens, and that no slot has (fault 60)', () => {
  const settings = { ...defaultSettings, runtime: 'fake' } as const;
  expect(podRange({ ...settings, nodes: 512 })).toBe(defaultSettings.podCidr);
  expect(cidrBlocks(podRange({ ...settings, nodes: 512 }), 24).count).toBe(512);
  const range = podRange({ ...settings, nodes: 513 });
  expect(cidrBlocks(range, 24).count).toBeGreaterThanOrEqual(nodesMax);
  const { base, size } = parseIpv4Range(range)!;
  for (let slot = 0; slot < addressSlots; slot++) {
    const { podCidr, serviceCidr, nodeAddress } = loopbackAddresses(slot);
    for (const other of [podCidr, serviceCidr, `${nodeAddress}/32`].map((cidr) => parseIpv4Range(cidr)!))
      expect(base + size <= other.base || other.base + other.size <= base).toBe(true);
  }
});
