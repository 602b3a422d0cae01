import { afterEach, expect, test } from 'vitest';
import { nodes } from '#pkg/api/types/refs.ts';
import { type Harness, startHarness } from '../testing/harness.ts';
import { BlockPool } from './block-pool.ts';
import { cidrBlocks } from './cidr.ts';
import { nodeRanges } from './node-ranges.ts';

let harness: Harness | undefined;
afterEach(async () => {
  await harness?.stop();
  harness = undefined;
});

test('each node gets the lowest free block, and one that was deleted gives its block back', async () => {
  harness = await startHarness({ controllers: ['node-ipam-controller'] });
  const create = async (name: string, podCIDR?: string) => {
    const spec = podCIDR === undefined ? {} : { spec: { podCIDR, podCIDRs: [podCIDR] } };
    await harness!.client.resource(nodes).create({ metadata: { name }, ...spec });
    await harness!.clock.advance(100);
  };
  await create('taken', '127.128.1.0/24');
  for (const name of ['a', 'b', 'c']) await create(name);
  await harness.client.resource(nodes).delete('b');
  await harness.clock.advance(100);
  await create('d');
  const found = await harness.list(nodes);
  expect(Object.fromEntries(found.map((node) => [node.metadata?.name, node.spec?.podCIDRs]))).toEqual({
    taken: ['127.128.1.0/24'],
    a: ['127.128.0.0/24'],
    c: ['127.128.3.0/24'],
    d: ['127.128.2.0/24'],
  });
});

test('nodes that come at the same moment get a block each', async () => {
  harness = await startHarness({ controllers: ['node-ipam-controller'] });
  const { client, clock } = harness;
  const names = Array.from({ length: 60 }, (_, index) => `n${index}`);
  await Promise.all(names.map((name) => client.resource(nodes).create({ metadata: { name } })));
  await clock.advance(100);
  const blocks = (await harness.list(nodes)).map((node) => node.spec?.podCIDR);
  expect(new Set(blocks)).toEqual(new Set(names.map((_, index) => `127.128.${index}.0/24`)));
});

test('a node for which no block is left gets the first that becomes free', async () => {
  harness = await startHarness({
    controllers: ['node-ipam-controller'],
    options: { clusterCidr: '10.0.0.0/23' },
    flags: { 'node-cidr-mask-size': 24 },
  });
  const { client, clock } = harness;
  for (const name of ['a', 'b', 'late']) await client.resource(nodes).create({ metadata: { name } });
  await clock.advance(100);
  const cidrOf = async (name: string) => (await client.resource(nodes).get(name)).spec?.podCIDR;
  expect([await cidrOf('a'), await cidrOf('b'), await cidrOf('late')]).toEqual([
    '10.0.0.0/24',
    '10.0.1.0/24',
    undefined,
  ]);
  await client.resource(nodes).delete('a');
  await clock.advance(100);
  expect(await cidrOf('late')).toBe('10.0.0.0/24');
});

test('in a cluster of both families a node gets a block of each, in the order of the ranges, or none', async () => {
  harness = await startHarness({
    controllers: ['node-ipam-controller'],
    options: { clusterCidr: 'fd00:10::/48,10.0.0.0/16' },
    flags: { 'node-cidr-mask-size-ipv6': 64, 'node-cidr-mask-size-ipv4': 17 },
  });
  const { client, clock } = harness;
  const taken = { podCIDR: '10.0.0.0/17', podCIDRs: ['10.0.0.0/17', 'fd00:10:0:1::/64'] };
  await client.resource(nodes).create({ metadata: { name: 'taken' }, spec: taken });
  await clock.advance(100);
  for (const name of ['a', 'late']) {
    await client.resource(nodes).create({ metadata: { name } });
    await clock.advance(100);
  }
  const spec = async (name: string) => (await client.resource(nodes).get(name)).spec;
  expect(await spec('a')).toMatchObject({ podCIDR: 'fd00:10::/64', podCIDRs: ['fd00:10::/64', '10.0.128.0/17'] });
  expect((await spec('late'))?.podCIDRs).toBeUndefined();
  expect(await harness.eventsOf('late')).toContain('CIDRNotAvailable: Node late status is now: CIDRNotAvailable');
  await client.resource(nodes).delete('taken');
  await clock.advance(100);
  // What the first look took of IPv6 was given back.
  expect((await spec('late'))?.podCIDRs).toEqual(['fd00:10:0:1::/64', '10.0.0.0/17']);
});

test.each([
  ['10.0.0.0/16,10.1.0.0/16', {}, 'it is neither one range nor one of each family'],
  ['10.0.0.0/16,fd00::/48', { 'node-cidr-mask-size': 24 }, 'Cannot use --node-cidr-mask-size with ranges of both'],
  ['fd00::/48', { 'node-cidr-mask-size-ipv4': 24 }, 'Cannot use --node-cidr-mask-size-ipv4 as'],
  ['10.0.0.0/16', { 'node-cidr-mask-size': 24, 'node-cidr-mask-size-ipv4': 25 }, 'beside --node-cidr-mask-size-ipv4'],
  ['fd00::/40', {}, 'Cannot cut fd00::/40 into blocks of /64'],
  ['pods', {}, 'Cannot cut pods into blocks of /24'],
])('ranges that cannot be cut are refused: %s %j', (clusterCidr, given, message) => {
  const none = { 'node-cidr-mask-size': 0, 'node-cidr-mask-size-ipv4': 0, 'node-cidr-mask-size-ipv6': 0 };
  expect(() => nodeRanges(clusterCidr, { ...none, ...given })).toThrow(message);
});

test('a block that two nodes have is free when both have gone', () => {
  const pool = new BlockPool(cidrBlocks('10.0.0.0/23', 24));
  pool.mark('a', ['10.0.0.0/24']);
  pool.mark('b', ['10.0.0.0/24']);
  pool.mark('elsewhere', ['192.168.0.0/24']);
  pool.giveBack('a');
  expect([pool.take('c'), pool.take('d')]).toEqual(['10.0.1.0/24', undefined]);
  pool.giveBack('b');
  expect(pool.take('d')).toBe('10.0.0.0/24');
});

test('blocks are counted, named and found again', () => {
  const blocks = cidrBlocks('10.244.0.0/16', 24);
  expect([blocks.count, blocks.block(0), blocks.block(255)]).toEqual([256, '10.244.0.0/24', '10.244.255.0/24']);
  expect(['10.244.7.0/24', '10.245.0.0/24', '10.244.0.0/25', 'x'].map((block) => blocks.indexOf(block))).toEqual([
    7,
    undefined,
    undefined,
    undefined,
  ]);
  const wide = cidrBlocks('fd00:10:20::/48', 64);
  expect([wide.count, wide.block(0), wide.block(65_535)]).toEqual([65_536, 'fd00:10:20::/64', 'fd00:10:20:ffff::/64']);
  expect(['fd00:10:20:7::/64', 'fd00:10:21::/64', '10.244.7.0/24'].map((block) => wide.indexOf(block))).toEqual([
    7,
    undefined,
    undefined,
  ]);
  expect(() => cidrBlocks('10.0.0.0/25', 24)).toThrow('Cannot cut 10.0.0.0/25');
});
