import { expect, test } from 'vitest';
import { defaultSettings } from '#pkg/cluster/settings.ts';
import type { ClusterRanges } from './cluster-file.ts';
import { withRanges } from './ranges.ts';

const settings = (network: string) => ({ ...defaultSettings, nodes: 2, network });

test.each<[ClusterRanges, string, string | undefined]>([
  [{}, 'loopback', undefined],
  [{ podCidr: '127.200.0.0/23', serviceCidr: '127.210.0.0/24' }, 'loopback', undefined],
  [{ podCidr: '10.200.0.0/16' }, 'bridge', undefined],
  [{ podCidr: '127.200.0.0' }, 'loopback', 'networking.podSubnet: must be a range such as 127.200.0.0/16'],
  [{ podCidr: '127.200.0.1/16' }, 'loopback', 'networking.podSubnet: must be a range such as 127.200.0.0/16'],
  [{ podCidr: '127.200.0.0/25' }, 'loopback', 'networking.podSubnet: must be a /12 to a /24'],
  [{ serviceCidr: '127.0.0.0/8' }, 'loopback', 'networking.serviceSubnet: must be a /12 to a /24'],
  [
    { serviceCidr: '127.200.0.0/16' },
    'bridge',
    'networking.serviceSubnet: must be of 10.0.0.0/8 on the network bridge',
  ],
  [
    { serviceCidr: '10.65.1.0/24' },
    'bridge',
    'networking.serviceSubnet: must not have addresses of 10.64.0.0/15, where nodes are',
  ],
  [
    { podCidr: '127.200.0.0/24' },
    'loopback',
    'networking.podSubnet: the pods of a cluster have addresses on 1 nodes of the range 127.200.0.0/24: only --runtime fake, whose pods need none, has more',
  ],
])('ranges %j on the network %s: %s', (ranges, network, problem) => {
  const make = () => withRanges(settings(network), { path: 'f', ranges }, undefined);
  if (problem === undefined) expect(make()).toEqual({ ...settings(network), ...ranges });
  else expect(make).toThrow(`Cannot use the configuration file f as it is wrong: ${problem}`);
});

test('a cluster keeps the ranges that its objects have addresses of', () => {
  const before = settings('loopback');
  const make = (podCidr: string) => withRanges(before, { path: 'f', ranges: { podCidr } }, before);
  expect(() => make('127.200.0.0/15')).toThrow(
    'Cannot use networking.podSubnet 127.200.0.0/15 as the addresses of this cluster are of 127.128.0.0/15: leave the field out',
  );
  expect(make(before.podCidr)).toEqual(before);
});
