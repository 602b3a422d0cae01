import { expect, test } from 'vitest';
import { makePod } from '#pkg/testing/builders.ts';
import { podInfoOf } from '../../model/pod-info.ts';
import { schedulingGates } from './scheduling-gates.ts';

test.each([
  { rule: 'no gates', gates: [], expected: { code: 'Success', reasons: [] } },
  {
    rule: 'gates are named',
    gates: [{ name: 'quota' }, { name: 'license' }],
    expected: { code: 'UnschedulableAndUnresolvable', reasons: ['waiting for scheduling gates: [quota license]'] },
  },
])('$rule', ({ gates, expected }) => {
  expect(schedulingGates.preEnqueue(podInfoOf(makePod('p').spec({ schedulingGates: gates }).object))).toEqual(expected);
});
