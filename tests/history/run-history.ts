/** Runs `main.ts` for a test and gives its report; as root in a network namespace of its own, so that links can be cut there. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'vitest';
import { run } from '#tests/e2e/running-cluster.ts';

/** What `main.ts` prints, as far as tests look at it. */
interface Report {
  readonly faults: Readonly<Record<string, number>>;
  readonly acknowledgedWrites: number;
  readonly conflicts: number;
  readonly resumed: number;
  readonly problems: readonly string[];
}

/** Why links cannot be cut here; undefined when they can. */
const noNetwork: string | undefined = (() => {
  if (process.getuid?.() !== 0) return 'needs root for a network namespace';
  const script = 'ip link set lo up && nft add table inet probe';
  return spawnSync('unshare', ['--net', 'sh', '-c', script]).status === 0 ? undefined : 'needs unshare, ip and nft';
})();

/** Why small disks cannot be made here; undefined when they can. */
const noMounts: string | undefined = (() => {
  if (process.getuid?.() !== 0) return 'needs root for a mount namespace';
  const script = 'mount -t tmpfs -o size=1m tmpfs /mnt';
  return spawnSync('unshare', ['--mount', 'sh', '-c', script]).status === 0 ? undefined : 'needs unshare and mount';
})();

export interface HistoryOptions {
  readonly store: 'etcd' | 'lmdb';
  /** The run goes through all faults at least once, and for so long. */
  readonly seconds: number;
  readonly seed: number;
  readonly timeoutMs: number;
}

/** Fails when the history has a problem, had no contention, or when a fault never took effect. */
export async function expectGoodHistory({ store, seconds, seed, timeoutMs }: HistoryOptions): Promise<void> {
  const main = join(import.meta.dirname, 'main.ts');
  const args = [main, `--store=${store}`, `--seconds=${seconds}`, `--seed=${seed}`];
  if (store === 'etcd' && noNetwork !== undefined) console.log(`skipped: cutting links of etcd: ${noNetwork}`);
  if (noMounts !== undefined) console.log(`skipped: filling disks: ${noMounts}`);
  const own = [
    { problem: noNetwork, option: '--net', flag: '--own-network', first: 'ip link set lo up && ' },
    { problem: noMounts, option: '--mount', flag: '--own-mounts', first: '' },
  ].filter(({ problem }) => problem === undefined);
  const script = `${own.map(({ first }) => first).join('')}exec "$0" "$@"`;
  const wrapped = [...own.map(({ option }) => option), 'sh', '-c', script, process.execPath, ...args];
  const result =
    own.length === 0
      ? await run(process.execPath, args, { timeoutMs })
      : await run('unshare', [...wrapped, ...own.map(({ flag }) => flag)], { timeoutMs });
  expect(result, 'the run').toMatchObject({ code: 0 });
  console.log(`history on ${store}: ${result.stdout.trim()}`);
  const report = JSON.parse(result.stdout) as Report;
  expect(report.problems).toEqual([]);
  expect(Object.entries(report.faults).filter(([, count]) => count === 0)).toEqual([]);
  expect(Object.keys(report.faults).length).toBeGreaterThanOrEqual(store === 'etcd' ? 9 : 2);
  expect(report.acknowledgedWrites).toBeGreaterThan(0);
  // Clients got into each other's way, and watches went on from where they were.
  expect(report.conflicts).toBeGreaterThan(0);
  expect(report.resumed).toBeGreaterThan(0);
}
