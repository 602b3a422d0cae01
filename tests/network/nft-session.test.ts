/** Transactions of nftables by a process of `nft` that stays. */
import { spawnSync } from 'node:child_process';
import { afterEach, expect, test, vi } from 'vitest';
import { NftSession } from '#pkg/network/nft/nft-session.ts';

afterEach(() => void vi.unstubAllEnvs());

test('what nft says of a terminal that nobody knows is no complaint, and what it says of a transaction is', async () => {
  vi.stubEnv('TERM', 'no-such-terminal');
  const session = new NftSession();
  await session.commit(['add table inet session-test']);
  await expect(session.commit(['add chain inet no-such-table first'])).rejects.toThrow(
    /^Cannot change nftables as Error: .*No such file or directory/,
  );
  await session.commit(['add chain inet session-test first']);
  await session.close();
  const { stdout } = spawnSync('nft', ['list', 'table', 'inet', 'session-test'], { encoding: 'utf8' });
  expect(stdout).toBe('table inet session-test {\n\tchain first {\n\t}\n}\n');
});
