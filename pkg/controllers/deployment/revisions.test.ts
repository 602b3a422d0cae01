import { expect, test } from 'vitest';
import { compareRevisions, maxRevision, newSetAnnotations, revisionAnnotation, revisionOf } from './revisions.ts';

const set = (revision: string) => ({ metadata: { annotations: { [revisionAnnotation]: revision } } });

test('revisions are whole numbers of 64 bits, without loss of digits', () => {
  const sets = ['3546343826724305832', '7', '3546343826724305831'].map(set);
  expect(maxRevision(sets)).toBe(3_546_343_826_724_305_832n);
  expect(sets.toSorted(compareRevisions).map(revisionOf)).toEqual([
    7n,
    3_546_343_826_724_305_831n,
    3_546_343_826_724_305_832n,
  ]);
  expect(maxRevision([])).toBe(0n);
});

test.each(['', 'x', '1.5', '1e3', '9223372036854775808', '99999999999999999999'])('%j is no revision', (text) => {
  expect(revisionOf(set(text))).toBe(0n);
});

test('a higher revision is written and the one before is remembered; a lower one is not', () => {
  const before = { [revisionAnnotation]: '3546343826724305832' };
  expect(newSetAnnotations({}, before, 3_546_343_826_724_305_833n)).toEqual({
    [revisionAnnotation]: '3546343826724305833',
    'deployment.kubernetes.io/revision-history': '3546343826724305832',
  });
  expect(newSetAnnotations({}, before, 3_546_343_826_724_305_831n)).toEqual(before);
});
