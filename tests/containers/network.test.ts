/** Runs the suite `network` in a network namespace of its own, which is gone with it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';

/** Longest time for the suite, on a slow machine. */
const suiteMs = 600_000;

/** Why there can be no networks of the kernel; undefined when there can. */
const noNetwork: string | undefined = (() => {
  const missing = ['ip', 'nft', 'conntrack', 'unshare', 'nsenter'].find(
    (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).error !== undefined,
  );
  if (missing !== undefined) return `there is no ${missing}`;
  const made = spawnSync('unshare', ['--net', '--', 'nft', 'add', 'table', 'inet', 'coxswain-probe'], {
    stdio: 'ignore',
  });
  return made.status === 0 ? undefined : 'this user cannot make network namespaces with nftables';
})();

if (noNetwork !== undefined) console.log(`skipped: tests of the network: ${noNetwork}`);

describe.skipIf(noNetwork !== undefined)('the network', () => {
  test('the suite passes in a namespace of its own', { timeout: suiteMs }, async () => {
    const result = await run(process.execPath, [join(root, 'tests/run.ts'), 'network'], { timeoutMs: suiteMs });
    expect(result.code, `${result.stdout}${result.stderr}`).toBe(0);
  });
});
