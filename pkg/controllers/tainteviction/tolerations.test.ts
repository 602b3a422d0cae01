import { expect, test } from 'vitest';
import type { Taint, Toleration } from '#pkg/api/types/core-v1.ts';
import { toleratedMs } from './tolerations.ts';

const taint: Taint = { key: 'k', value: 'v', effect: 'NoExecute' };

test('the shortest time of the tolerations used counts, none of a taint means at once', () => {
  const forTaint = (tolerationSeconds?: number): Toleration => ({
    key: 'k',
    operator: 'Exists',
    ...(tolerationSeconds === undefined ? {} : { tolerationSeconds }),
  });
  expect(toleratedMs([], [taint])).toBe(0);
  expect(toleratedMs([forTaint()], [taint])).toBe(Number.POSITIVE_INFINITY);
  expect(toleratedMs([forTaint(300), forTaint(60)], [taint])).toBe(60_000);
  expect(toleratedMs([forTaint(300)], [taint, { key: 'x', effect: 'NoExecute' }])).toBe(0);
  expect(toleratedMs([forTaint(-5)], [taint])).toBe(0);
});
