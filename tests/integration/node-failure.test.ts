/** A node goes silent in a day of twenty nodes' heartbeats, on virtual time; `node-failure.ts` repeats it a hundred times. */
import { expect, test } from 'vitest';
import { runNodeFailure } from './node-failure.ts';

// The first of them loads its modules: how long that takes must not be seen.
test('the same seed gives the same transcript, another seed another', { timeout: 300_000 }, async () => {
  const run = async (seed: number) => (await runNodeFailure(seed, { nodes: 6, hours: 4 })).transcript;
  const [first, again, other] = [await run(7), await run(7), await run(8)];
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
});

test('pods of a silent node are evicted and run elsewhere, in a day of virtual time', {
  timeout: 300_000,
}, async () => {
  const { transcript, lost, podsOnLostNodeBefore, podsElsewhereAfter, virtualMs } = await runNodeFailure(1);
  expect(virtualMs).toBe(24 * 3_600_000);
  expect(podsOnLostNodeBefore).toBeGreaterThan(0);
  expect(podsElsewhereAfter).toBe(30);
  const about = (text: string): readonly string[] => transcript.filter((line) => line.includes(text));
  const timeOf = (line: string | undefined): string => line?.split(' ')[0] ?? '';
  // 50 s without a heartbeat, looked at every 5 s; then five minutes of the pods' default toleration.
  const notReady = about(`node ${lost}: Ready=Unknown taints=`)[0];
  expect(timeOf(notReady)).toMatch(/^0d01:00:5|^0d01:01:0/);
  const evicted = about('TaintManagerEviction');
  expect(evicted).toHaveLength(podsOnLostNodeBefore);
  expect(timeOf(evicted[0])).toMatch(/^0d01:06:/);
  expect(timeOf(about(`node ${lost}: Ready=True`).at(-1))).toMatch(/^0d12:00:/);
});
