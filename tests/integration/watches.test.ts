/** A short run of the watch checker; `node tests/integration/watches.ts [writes] [seed]` makes long ones. */
import { expect, test } from 'vitest';
import { runWatches } from './watches.ts';

test('twenty watches see exactly what was committed, while the watch cache is restarted under them', async () => {
  const { problems, commits, delivered, expired, restarts } = await runWatches({
    writes: 5_000,
    objects: 300,
    clients: 20,
    seed: 3,
  });
  expect(problems).toEqual([]);
  // The run is of use only if all of it has happened.
  expect(commits).toBeGreaterThan(4_000);
  expect(delivered).toBeGreaterThan(20_000);
  expect(expired).toBeGreaterThan(0);
  expect(restarts).toBeGreaterThan(1);
});
