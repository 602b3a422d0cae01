import { afterEach, expect, test } from 'vitest';
import type { Node } from '#pkg/api/types/core-v1.ts';
import { endpointSlices, nodes, pods, services } from '#pkg/api/types/refs.ts';
import { addNode, type Harness, startHarness } from '../testing/harness.ts';
import { shareOut, zoneShares } from './zone-shares.ts';

let harness: Harness | undefined;
afterEach(async () => {
  await harness?.stop();
  harness = undefined;
});

const node = (zone: string | undefined, cpu: string, labels: Record<string, string> = {}, ready = 'True'): Node => ({
  metadata: { labels: { ...labels, ...(zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone }) } },
  status: { allocatable: { cpu }, conditions: [{ type: 'Ready', status: ready }] },
});

test.each<[string, readonly Node[], readonly (readonly [string, number])[] | undefined]>([
  [
    'processors of all nodes',
    [node('a', '3'), node('b', '500m'), node('b', '500m')],
    [
      ['a', 0.75],
      ['b', 0.25],
    ],
  ],
  [
    'not those that are not ready',
    [node('a', '1'), node('b', '1'), node('b', '8', {}, 'False')],
    [
      ['a', 0.5],
      ['b', 0.5],
    ],
  ],
  [
    'not those of the control plane',
    [node('a', '1'), node('b', '1'), node(undefined, '8', { 'node-role.kubernetes.io/control-plane': '' })],
    [
      ['a', 0.5],
      ['b', 0.5],
    ],
  ],
  ['nothing where a node is in no zone', [node('a', '1'), node('b', '1'), node(undefined, '1')], undefined],
  ['nothing where a node has no processors', [node('a', '1'), node('b', '0')], undefined],
  ['nothing where there is one zone', [node('a', '1'), node('a', '1')], undefined],
])('the parts of zones count %s', (_what, all, expected) => {
  expect(zoneShares(all)).toEqual(expected === undefined ? undefined : new Map(expected));
});

const inZones = (zones: string) => [...zones].map((zone) => ({ addresses: [], ...(zone === '-' ? {} : { zone }) }));

// Source: upstream's `topologycache_test.go` and `utils_test.go`: the counts that follow from desired ones, minimums and the threshold of 20 %.
test.each([
  ['aabb', { a: 0.5, b: 0.5 }, 'aabb'],
  ['aaab', { a: 0.5, b: 0.5 }, 'aabb'],
  ['aaaaaabb', { a: 0.25, b: 0.75 }, 'aabbbbbb'],
  ['aaab', { a: 0.7, b: 0.3 }, 'aaab'],
  ['aaaccc', { a: 1 / 3, b: 1 / 3, c: 1 / 3 }, 'aabbcc'],
])('endpoints in %s with the parts %o are for %s', (zones, shares, expected) => {
  const shared = shareOut(inZones(zones), new Map(Object.entries(shares)));
  expect('zones' in shared && shared.zones.toSorted().join('')).toBe(expected);
});

test.each([
  ['a', 'Insufficient number of endpoints (1 endpoints, 2 zones)'],
  ['aab-', 'One or more endpoints do not have a zone specified'],
])('endpoints in %s get none: %s', (zones, problem) => {
  expect(
    shareOut(
      inZones(zones),
      new Map([
        ['a', 0.5],
        ['b', 0.5],
      ]),
    ),
  ).toEqual({ problem });
});

test('small zones that cannot get their least leave all without', () => {
  const shares = new Map([
    ['a', 0.96],
    ['b', 0.02],
    ['c', 0.02],
  ]);
  expect(shareOut(inZones('aac'), shares).problem).toBe(
    'Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (3 endpoints, 3 zones)',
  );
});

test('a Service that asks for zones gets hints, loses them with a zone, and says both', async () => {
  harness = await startHarness({ controllers: ['endpointslice-controller'] });
  const { client, clock } = harness;
  const addWithCpu = async (name: string, zone: string): Promise<void> => {
    await addNode(harness!, name, { 'topology.kubernetes.io/zone': zone });
    await client
      .resource(nodes)
      .patch(name, { status: { allocatable: { cpu: '4' } } }, { type: 'merge', subresource: 'status' });
  };
  await addWithCpu('n1', 'a');
  await addWithCpu('n2', 'b');
  await client.resource(services).create({
    metadata: { name: 'web', namespace: 'default', annotations: { 'service.kubernetes.io/topology-mode': 'Auto' } },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  });
  for (const name of ['p1', 'p2', 'p3', 'p4'])
    await client.resource(pods).create({
      metadata: { name, namespace: 'default', labels: { app: 'web' } },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
  const hints = async (): Promise<readonly (string | undefined)[]> =>
    (await harness!.list(endpointSlices, 'default'))
      .flatMap(({ endpoints }) => endpoints ?? [])
      .map((endpoint) => endpoint.hints?.forZones?.[0]?.name)
      .toSorted();
  await clock.advance(5_000);
  // All four run on n1, so two of them are lent to the other zone.
  expect(await hints()).toEqual(['a', 'a', 'b', 'b']);
  harness.writes.length = 0;
  await clock.advance(60_000);
  expect(harness.writes).toEqual([]);
  await client.resource(nodes).delete('n2');
  await clock.advance(5_000);
  expect(await hints()).toEqual([undefined, undefined, undefined, undefined]);
  const said = await harness.eventsOf('web');
  expect(said).toContain('TopologyAwareHintsEnabled: Topology Aware Hints has been enabled');
  expect(said.at(-1)).toBe(
    'TopologyAwareHintsDisabled: Insufficient Node information: allocatable CPU or zone not specified on one or more nodes, addressType: IPv4',
  );
});
