import { expect, test } from 'vitest';
import type { Taint, Toleration } from '#pkg/api/types/core-v1.ts';
import { toleratedMs, tolerates } from './tolerations.ts';

const taint: Taint = { key: 'k', value: 'v', effect: 'NoExecute' };

test.each<[Toleration, boolean]>([
  [{ key: 'k', value: 'v' }, true],
  [{ key: 'k', operator: 'Equal', value: 'x' }, false],
  [{ key: 'k', operator: 'Exists' }, true],
  [{ operator: 'Exists' }, true],
  [{ operator: 'Exists', effect: 'NoSchedule' }, false],
  [{ key: 'k', operator: 'Exists', effect: 'NoExecute' }, true],
  [{ key: 'other', operator: 'Exists' }, false],
])('%o tolerates k=v:NoExecute: %s', (toleration, expected) => {
  expect(tolerates(toleration, taint)).toBe(expected);
});

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
