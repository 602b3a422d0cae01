import { expect, test } from 'vitest';
import { routeOf } from './tap-route.ts';

const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
const row = (link: string, to: string, via: string, mask: string) =>
  `${link}\t${to}\t${via}\t0003\t0\t0\t0\t${mask}\t0\t0\t0\n`;

test.each([
  [
    'a gateway that is the only neighbour',
    row('eth0', '00000000', '0100410A', '00000000') + row('eth0', '0100410A', '00000000', 'FFFFFFFF'),
    { gateway: '10.65.0.1', prefixBits: 29 },
  ],
  [
    'a range of neighbours',
    row('eth0', '00000000', '0100410A', '00000000') + row('eth0', '0000410A', '00000000', '00FFFFFF'),
    { gateway: '10.65.0.1', prefixBits: 24 },
  ],
  ['no way out', row('eth0', '0000410A', '00000000', '00FFFFFF'), { prefixBits: 24 }],
  ['another link', row('lo', '00000000', '0100410A', '00000000'), { prefixBits: 32 }],
])('%s', (_, rows, route) => {
  expect(routeOf(head + rows, '10.65.0.5')).toEqual(route);
});
