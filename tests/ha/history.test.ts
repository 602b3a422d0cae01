/**
 * No acknowledged write is lost and nobody sees what never was, whatever fails: sixteen clients, two API servers on three members of etcd, and a nemesis
 * that goes through all of its faults once. `npm run test:long` does it for ten minutes.
 */
import { describe, test } from 'vitest';
import { findEtcd } from '#pkg/storage/drivers/etcd/test-etcd.ts';
import { expectGoodHistory } from '#tests/history/run-history.ts';

const program = findEtcd(process.env.PATH);
if (program === undefined) console.log("skipped: there is no etcd on the PATH (Debian's package is etcd-server)");

const timeoutMs = 900_000;

describe('a history under faults is linearizable, complete and in order', () => {
  test.skipIf(program === undefined)('on etcd', { timeout: timeoutMs }, () =>
    expectGoodHistory({ store: 'etcd', seconds: 0, seed: 1, timeoutMs }),
  );

  test('on lmdb', { timeout: timeoutMs }, () => expectGoodHistory({ store: 'lmdb', seconds: 15, seed: 2, timeoutMs }));
});
