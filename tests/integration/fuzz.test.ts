/** A short run of the fuzzer; `node tests/integration/fuzz.ts [requests] [seed]` makes long ones. */
import { expect, test } from 'vitest';
import { fuzz } from './fuzz.ts';

test('whatever comes, the laws of the API hold', { timeout: 300_000 }, async () => {
  const { faults, statuses, requests } = await fuzz(2_000, 7);
  expect(faults).toEqual([]);
  expect(requests).toBe(2_000);
  // The run is of use only if much of what it sends is accepted.
  expect(statuses[201]).toBeGreaterThan(200);
  expect(statuses[200]).toBeGreaterThan(200);
});
