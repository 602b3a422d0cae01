import { expect, test } from 'vitest';
import { limitsOf } from './machine-limits.ts';

test('annotations of a pod are what its machine is kept to', () => {
  expect(limitsOf({})).toEqual({});
  expect(
    limitsOf({
      'kubernetes.io/ingress-bandwidth': '10M',
      'kubernetes.io/egress-bandwidth': '1M',
      'vm.coxswain.dev/disk-bytes-per-second': '2Mi',
      'vm.coxswain.dev/disk-requests-per-second': '50',
    }),
  ).toEqual({
    bandwidth: { toPod: 10e6, fromPod: 1e6 },
    diskLimits: { bytesPerSecond: 2 << 20, requestsPerSecond: 50 },
  });
});

test.each(['0', '-1', 'much', ''])('a disk of %j is refused', (text) => {
  expect(() => limitsOf({ 'vm.coxswain.dev/disk-requests-per-second': text })).toThrow(
    'annotation vm.coxswain.dev/disk-requests-per-second is no amount above 0',
  );
});
