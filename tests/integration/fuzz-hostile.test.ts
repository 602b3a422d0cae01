/** A short run of the fuzzer with bodies that mean harm; `node tests/integration/fuzz-hostile.ts [requests] [seed]` makes long ones. */
import { expect, test } from 'vitest';
import { fuzzHostile } from './fuzz-hostile.ts';

test('whatever is sent to whichever endpoint, it is refused or done, and nobody else is the worse for it', {
  timeout: 300_000,
}, async () => {
  const { faults, statuses } = await fuzzHostile(17_500, 5);
  expect(faults).toEqual([]);
  // The run is of use only if it comes to many ends.
  for (const status of [200, 201, 400, 404, 405, 409, 413, 415, 422]) expect(statuses[status] ?? 0).toBeGreaterThan(0);
});
