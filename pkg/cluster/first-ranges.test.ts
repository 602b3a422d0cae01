import { expect, test } from 'vitest';
import { firstRanges } from './first-ranges.ts';
import { type ClusterSettings, defaultSettings } from './settings.ts';
import { clusterTables } from './tables.ts';

function rangesOf(count: number, changed: Partial<ClusterSettings> = {}, isNew = true): readonly string[] {
  const nodeNames = Array.from({ length: count }, (_, index) => `node-${index + 1}`);
  return firstRanges({ isNew, nodeNames, settings: { ...defaultSettings, ...changed }, tables: clusterTables });
}

const ofManager = (flags: Readonly<Record<string, string>>): Partial<ClusterSettings> => ({
  componentFlags: { 'kube-controller-manager': flags },
});

test('nodes of a new cluster have the blocks that the controller would give them in their order', () => {
  expect(rangesOf(3)).toEqual(['127.128.0.0/24', '127.128.1.0/24', '127.128.2.0/24']);
  expect(rangesOf(1, { podCidr: '127.130.0.0/15' })).toEqual(['127.130.0.0/24']);
  expect(rangesOf(1, ofManager({ 'node-monitor-period': '5s' }))).toEqual(['127.128.0.0/24']);
});

test.each<[string, readonly string[]]>([
  ['nodes may have had some before', rangesOf(1, {}, false)],
  ['the kernel carries the network, which follows from what the controller says', rangesOf(1, { network: 'bridge' })],
  ['the last of many nodes is registered late', rangesOf(9)],
  ['blocks are of another size', rangesOf(1, ofManager({ 'node-cidr-mask-size': '26' }))],
  ['the controller may not run', rangesOf(1, ofManager({ controllers: '*,-node-ipam-controller' }))],
  ['there are fewer blocks than nodes', rangesOf(2, { podCidr: '127.130.0.0/24' })],
])('the controller gives all nodes theirs where %s', (_, ranges) => {
  expect(ranges).toEqual([]);
});
