import { expect, test } from 'vitest';
import { endpointSlices } from '#pkg/api/types/refs.ts';
import { Expectations } from '#pkg/client/expectations.ts';
import { LastWrites } from '../common/last-writes.ts';
import { startHarness } from '../testing/harness.ts';
import { isBehind, writeSlices } from './slice-writes.ts';

test('a slice that was written is behind until it is seen as it is since', async () => {
  const harness = await startHarness({ controllers: [] });
  const { client, clock } = harness;
  const tracker = { expectations: new Expectations(clock), writes: new LastWrites() };
  const metadata = { name: 'web', namespace: 'default' };
  const made = await client
    .resource(endpointSlices)
    .create({ metadata, addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }], ports: [] });
  expect(isBehind(tracker, [made])).toBe(false);
  const update = [{ ...made, endpoints: [{ addresses: ['10.0.0.2'] }] }];
  await writeSlices({ client, ...tracker }, 'default/web', { create: [], update, remove: [] });
  const seen = await client.resource(endpointSlices).get('web', { namespace: 'default' });
  expect([[made], [seen], [seen, made]].map((slices) => isBehind(tracker, slices))).toEqual([true, false, true]);
  await harness.stop();
});
