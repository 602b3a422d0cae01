/** By which interface this machine is reached. */
import { expect, test } from 'vitest';
import { machineAddress, outwardInterface } from './machine-address.ts';

const header = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';
const bridge = 'cx0123456789ab\t0000800A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0';
const outward = 'eth0\t00000000\t010014AC\t0003\t0\t0\t0\t00000000\t0\t0\t0';

test('that of the default route is the one that leads off the machine, wherever bridges of pods are listed', () => {
  expect(outwardInterface([header, bridge, outward, ''].join('\n'))).toBe('eth0');
  expect(outwardInterface([header, bridge, ''].join('\n'))).toBeUndefined();
  expect(outwardInterface('')).toBeUndefined();
});

test('an address that is said is left as it is', () => {
  expect(machineAddress('192.0.2.1')).toBe('192.0.2.1');
});
