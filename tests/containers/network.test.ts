/** Runs the suite `network` in a network namespace of its own, which is gone with it. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';
import { noNetwork } from './kernel-network.ts';

/** Longest time for the suite, on a slow machine. */
const suiteMs = 600_000;

if (noNetwork !== undefined) console.log(`skipped: tests of the network: ${noNetwork}`);

describe.skipIf(noNetwork !== undefined)('the network', () => {
  test('the suite passes in a namespace of its own', { timeout: suiteMs }, async () => {
    const result = await run(process.execPath, [join(root, 'tests/run.ts'), 'network'], { timeoutMs: suiteMs });
    expect(result.code, `${result.stdout}${result.stderr}`).toBe(0);
  });
});
