/** What the README says that somebody who has never moved a machine types, in the order in which it stands there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hookMs, RunningCluster, run } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';

const place = (cluster: RunningCluster): Readonly<Record<string, readonly string[]>> => {
  const ours = ['--data-dir', cluster.dataDir];
  const own = ['--kubeconfig', cluster.kubeconfig, '--api-port', String(cluster.apiPort)];
  return { up: [...ours, ...own], vm: ours };
};

test('a newcomer sees a migration in three commands', { timeout: 2 * hookMs }, async () => {
  const [, block = ''] =
    /### A machine that moves\n[\s\S]*?```\n([^`]*)```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  const commands = block.trim().split('\n');
  expect(commands).toHaveLength(3);
  const cluster = await RunningCluster.prepare();
  try {
    const places = place(cluster);
    let said = '';
    for (const command of commands) {
      const [npx, name, ...args] = command.split(' ');
      expect([npx, name]).toEqual(['npx', 'coxswain']);
      // In a folder of the test's own.
      const all = [join(root, 'cmd/coxswain/main.ts'), ...args, ...(places[args[0] ?? ''] ?? [])];
      const { code, stdout, stderr } = await run(process.execPath, all, { env: cluster.env() });
      expect(code, `${command}: ${stdout}${stderr}`).toBe(0);
      said = stdout;
    }
    expect(said).toMatch(
      /^board moved from \S+ to \S+: .* stood still for [\d.]+ ms\nConnections to where it was go on through its pod board-\S+ on \S+, which ends after the last\.\n$/,
    );
  } finally {
    await cluster.remove();
  }
});
