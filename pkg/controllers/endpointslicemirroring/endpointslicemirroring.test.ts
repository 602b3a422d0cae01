import { afterEach, expect, test } from 'vitest';
import { endpointSlices, endpoints, services } from '#pkg/api/types/refs.ts';
import { type Harness, startHarness } from '../testing/harness.ts';
import { mirrorChanges } from './mirror.ts';

let harness: Harness;
afterEach(() => harness.stop());

const metadata = { name: 'db', namespace: 'default' };

test('endpoints kept by hand are mirrored, follow changes, and go with their source', async () => {
  harness = await startHarness({ controllers: ['endpointslice-mirroring-controller'] });
  const create = (ip: string) => ({
    metadata,
    subsets: [{ addresses: [{ ip }], ports: [{ name: 'sql', port: 5432, protocol: 'TCP' as const }] }],
  });
  await harness.client.resource(services).create({ metadata, spec: { ports: [{ name: 'sql', port: 5432 }] } });
  const made = await harness.client.resource(endpoints).create(create('10.1.2.3'));
  await harness.clock.advance(1_000);
  const seen = async () => harness.list(endpointSlices, 'default');
  expect(await seen()).toMatchObject([
    {
      metadata: {
        labels: {
          'kubernetes.io/service-name': 'db',
          'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
        },
        ownerReferences: [{ kind: 'Endpoints', name: 'db' }],
      },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.1.2.3'], conditions: { ready: true } }],
      ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }],
    },
  ]);
  await harness.client.resource(endpoints).update({ ...made, ...create('10.1.2.4'), metadata: made.metadata! });
  await harness.clock.advance(1_000);
  expect((await seen()).map((slice) => slice.endpoints?.[0]?.addresses)).toEqual([['10.1.2.4']]);
  harness.writes.length = 0;
  await harness.clock.advance(3_600_000);
  expect(harness.writes).toEqual([]);
  await harness.client.resource(endpoints).delete('db', { namespace: 'default' });
  await harness.clock.advance(1_000);
  expect(await seen()).toEqual([]);
});

test('endpoints of a service with a selector, of none, or marked to be skipped are not mirrored', async () => {
  harness = await startHarness({ controllers: ['endpointslice-mirroring-controller'] });
  const spec = { ports: [{ port: 80 }] };
  const subsets = [{ addresses: [{ ip: '10.1.2.3' }], ports: [{ port: 80 }] }];
  const named = (name: string) => ({ name, namespace: 'default' });
  await harness.client
    .resource(services)
    .create({ metadata: named('selects'), spec: { ...spec, selector: { a: 'b' } } });
  await harness.client.resource(services).create({ metadata: named('skipped'), spec });
  await harness.client.resource(endpoints).create({ metadata: named('selects'), subsets });
  await harness.client.resource(endpoints).create({ metadata: named('lonely'), subsets });
  const labels = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
  await harness.client.resource(endpoints).create({ metadata: { ...named('skipped'), labels }, subsets });
  await harness.clock.advance(1_000);
  expect(await harness.list(endpointSlices, 'default')).toEqual([]);
});

test('of many mirrored addresses one that goes changes one slice', () => {
  const source = (from: number, to: number) => ({
    metadata,
    subsets: [
      { addresses: Array.from({ length: to - from }, (_, index) => ({ ip: `10.0.0.${from + index}` })), ports: [] },
    ],
  });
  const { create } = mirrorChanges(source(0, 250), []);
  expect(create.map((slice) => slice.endpoints?.length)).toEqual([100, 100, 50]);
  const { create: more, update, remove } = mirrorChanges(source(1, 250), create);
  expect([more.length, update.map((slice) => slice.endpoints?.length), remove.length]).toEqual([0, [99], 0]);
});
