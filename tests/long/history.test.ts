/** Ten minutes of what `tests/ha/history.test.ts` does once; `HISTORY_SECONDS` and `HISTORY_SEED` say otherwise. */
import { describe, test } from 'vitest';
import { expectGoodHistory } from '#tests/history/run-history.ts';

const seconds = Number(process.env.HISTORY_SECONDS ?? 600);
const seed = Number(process.env.HISTORY_SEED ?? 1);
/** The last round of faults may begin at the end. */
const timeoutMs = seconds * 1_000 + 900_000;

describe('a long history under faults is linearizable, complete and in order', () => {
  test.each(['etcd', 'lmdb'] as const)('on %s', { timeout: timeoutMs }, (store) =>
    expectGoodHistory({ store, seconds, seed, timeoutMs }),
  );
});
