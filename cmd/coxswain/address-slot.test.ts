import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseIpv4Range } from '#pkg/apimachinery/ipv4-range.ts';
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
import {
  checkRanges,
  chooseApiPort,
  clusterWithAddresses,
  type Neighbourhood,
  type Reservation,
  reserveAddresses,
  reserveFreeAddresses,
} from './address-slot.ts';
import { ClusterRegistry } from './cluster-registry.ts';
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

/** As a command sees it that runs with this folder for clusters. */
function near(folder: ClusterFolder, homeFolder = home): Neighbourhood {
  return { folder, registry: new ClusterRegistry(join(home, 'registry')), homeFolder };
}

/** Addresses that a cluster in `folder` would get, and that others may get after it. */
async function freeAddresses(folder: ClusterFolder, homeFolder = home): Promise<ClusterAddresses> {
  using reservation = await reserveFreeAddresses(near(folder, homeFolder));
  return reservation.addresses;
}

/** Makes a cluster with the addresses that it gets. */
async function found(folder: ClusterFolder, homeFolder: string): Promise<ClusterAddresses> {
  const addresses = await freeAddresses(folder, homeFolder);
  const apiPort = await chooseApiPort(near(folder, homeFolder), addresses);
  const settings = { ...defaultSettings, ...addresses, apiPort };
  await folder.write({ settings });
  await near(folder, homeFolder).registry.add(folder.path, settings);
  return addresses;
}

async function keep(name: string, addresses: ClusterAddresses): Promise<void> {
  await cluster(name).write({ settings: { ...defaultSettings, name, ...addresses } });
}

test('a new cluster gets addresses that no other one keeps, in a folder beside it or where clusters are', async () => {
  const first = await freeAddresses(cluster('one'));
  await keep('one', first);
  const second = await freeAddresses(cluster('two'));
  expect(second.serviceCidr).not.toBe(first.serviceCidr);
  expect(second.podCidr).not.toBe(first.podCidr);
  expect(second.nodeAddress).not.toBe(first.nodeAddress);
  const elsewhere = new ClusterFolder(join(home, 'deep', 'three'));
  expect(await freeAddresses(elsewhere)).toEqual(second);
});

test('ranges of another size that meet those of a slot keep it; when no slot is left that is said', async () => {
  const first = await freeAddresses(cluster('one'));
  await keep('one', { ...first, podCidr: '127.128.0.0/9' });
  await expect(freeAddresses(cluster('two'))).rejects.toThrow(
    /^Cannot find addresses for a new cluster as there are for 64 on this machine, and others have them \("coxswain list"\): remove one /,
  );
});

test('addresses and port belong to a cluster while its folder is there, whatever HOME is (faults 42 and 43)', async () => {
  const folders = ['a/one', 'b/two', 'elsewhere/three'].map((path) => new ClusterFolder(join(home, path)));
  const homes = [join(home, 'a'), join(home, 'b'), join(home, 'c')];
  for (const [i, folder] of folders.entries()) await found(folder, homes[i]!);
  const records = await Promise.all(folders.map(async (folder) => (await folder.read())!.settings));
  for (const field of ['serviceCidr', 'podCidr', 'nodeAddress', 'apiPort'] as const)
    expect(new Set(records.map((settings) => settings[field])).size, field).toBe(3);
  // None is locked out by another, and none of them is free for a fourth.
  for (const [i, folder] of folders.entries())
    expect(await clusterWithAddresses(near(folder, homes[(i + 1) % 3]), records[i]!)).toBeUndefined();
  const fourth = await freeAddresses(cluster('four'));
  expect(records.map(({ serviceCidr }) => serviceCidr)).not.toContain(fourth.serviceCidr);
  await folders[0]!.remove();
  const left = (await near(cluster('four')).registry.clusters()).map(({ folder }) => folder);
  expect(left).toEqual([folders[1]!.path, folders[2]!.path]);
});

test('a copy of a cluster takes nothing from it, and is told whose the addresses are (fault 43)', async () => {
  await found(cluster('one'), home);
  const { settings } = (await cluster('one').read())!;
  await cluster('copy').write({ settings });
  expect(await clusterWithAddresses(near(cluster('one')), settings)).toBeUndefined();
  expect(await clusterWithAddresses(near(cluster('copy')), settings)).toEqual({
    folder: cluster('one').path,
    settings,
  });
});

test('a cluster whose record is damaged keeps its addresses', async () => {
  const addresses = await found(cluster('one'), home);
  await writeFile(join(cluster('one').path, 'cluster.json'), '{');
  expect((await freeAddresses(cluster('two'))).serviceCidr).not.toBe(addresses.serviceCidr);
  expect(await near(cluster('two')).registry.clusters()).toHaveLength(1);
});

test('a port that something listens on is not chosen', async () => {
  const addresses = loopbackAddresses(7);
  const port = await chooseApiPort(near(cluster('one')), addresses);
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  expect(await chooseApiPort(near(cluster('one')), addresses)).not.toBe(port);
});

test('addresses on which something listens are not given', async () => {
  const first = await freeAddresses(cluster('one'));
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, kubernetesServiceIp(first.serviceCidr), resolve));
  expect(await freeAddresses(cluster('one'))).not.toEqual(first);
});

test('of many that choose at the same moment each gets addresses of its own, as long as it holds them', async () => {
  const names = ['one', 'two', 'three', 'four'];
  reservations.push(...(await Promise.all(names.map((name) => reserveFreeAddresses(near(cluster(name)))))));
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

test('ranges that people name meet neither each other nor those of another cluster, whatever those are for', async () => {
  const other = loopbackAddresses(3);
  await keep('other', other);
  const named = { podCidr: '127.40.0.0/16', serviceCidr: '127.41.0.0/24' };
  const check = (ranges: Partial<ClusterAddresses>) =>
    checkRanges(near(cluster('own')), { ...loopbackAddresses(5), ...ranges }, ranges);
  await check(named);
  await check({ podCidr: '127.40.0.0/16' });
  await expect(check({ ...named, serviceCidr: '127.40.9.0/24' })).rejects.toThrow('as they have addresses in common');
  for (const ranges of [
    { ...named, podCidr: other.podCidr },
    { ...named, serviceCidr: other.podCidr },
  ])
    await expect(check(ranges)).rejects.toThrow('as the cluster "other" in ');
  await keep('another', { ...loopbackAddresses(6), ...named });
  await expect(check({ serviceCidr: '127.40.1.0/24' })).rejects.toThrow('as the cluster "another" in ');
});
