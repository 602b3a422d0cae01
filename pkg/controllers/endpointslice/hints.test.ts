import { expect, test } from 'vitest';
import { withHints } from './hints.ts';

const ready = { addresses: ['10.0.0.1'], conditions: { ready: true }, nodeName: 'n1', zone: 'z1' };
const forZones = [{ name: 'z1' }];
const forNodes = [{ name: 'n1' }];

test.each([
  [undefined, undefined],
  ['PreferClose', { forZones }],
  ['PreferSameZone', { forZones }],
  ['PreferSameNode', { forZones, forNodes }],
])('a ready endpoint of a Service with trafficDistribution %s has the hints %o', (trafficDistribution, hints) => {
  const spec = trafficDistribution === undefined ? {} : { trafficDistribution };
  expect(withHints(ready, { spec })).toEqual(hints === undefined ? ready : { ...ready, hints });
});

test('an endpoint that is not ready, or whose node is in no zone, has no hint of a zone', () => {
  const spec = { trafficDistribution: 'PreferSameZone' };
  const waiting = { ...ready, conditions: { ready: false } };
  const { zone: _, ...nowhere } = ready;
  expect(withHints(waiting, { spec })).toEqual(waiting);
  expect(withHints(nowhere, { spec })).toEqual(nowhere);
  expect(withHints(nowhere, { spec: { trafficDistribution: 'PreferSameNode' } })).toEqual({
    ...nowhere,
    hints: { forNodes },
  });
});

test('the annotation that asks for zones by their processors goes before trafficDistribution', () => {
  const spec = { trafficDistribution: 'PreferClose' };
  const annotations = { 'service.kubernetes.io/topology-mode': 'Auto' };
  expect(withHints(ready, { metadata: { annotations }, spec })).toEqual(ready);
});
