/**
 * The day in the life of a cluster that the virtual-time test runs, and the command that repeats it:
 * `node tests/integration/node-failure.ts [runs] [seed]` says how long each run took and whether all transcripts were equal. As any start of a cluster it runs
 * what an install has bundled, unless a source has changed since.
 */
import { createHash } from 'node:crypto';
import { keepCompiledCode, loadCode } from '#cmd/common/load-code.js';
import { isPodReady } from '#pkg/api/core/pod.ts';
import { makeDeployment } from '#pkg/testing/builders.ts';
import { startTestCluster, type TestCluster, type TestClusterOptions } from '#pkg/testing/cluster.ts';

const hourMs = 3_600_000;

export interface NodeFailureRun {
  readonly transcript: readonly string[];
  /** The node that went silent. */
  readonly lost: string;
  readonly podsOnLostNodeBefore: number;
  /** Ready pods on other nodes, after. */
  readonly podsElsewhereAfter: number;
  readonly virtualMs: number;
}

/** Starts a cluster for tests. */
type StartTestCluster = (options: TestClusterOptions) => Promise<TestCluster>;

/** Twenty nodes for a day: after an hour one goes silent, its pods are evicted and run elsewhere; at half time it comes back. */
export async function runNodeFailure(
  seed: number,
  options: { readonly nodes?: number; readonly hours?: number; readonly start?: StartTestCluster } = {},
): Promise<NodeFailureRun> {
  const { start = startTestCluster } = options;
  const cluster = await start({ nodes: options.nodes ?? 20, seed });
  await cluster.apply(makeDeployment('web', { replicas: 30, requests: { cpu: '500m' } }));
  await cluster.until(() => cluster.pods().filter(isPodReady).length === 30);
  await cluster.advance(hourMs);
  const lost = busiestNode(cluster);
  const podsOnLostNodeBefore = on(cluster, lost);
  await cluster.nodes.find(({ name }) => name === lost)!.silence();
  await cluster.until(() => on(cluster, lost) === 0 || readyElsewhere(cluster, lost) === 30, hourMs);
  await cluster.until(() => readyElsewhere(cluster, lost) === 30, hourMs);
  const hours = options.hours ?? 24;
  await cluster.advance((hours / 2) * hourMs - cluster.clock.monotonicMs());
  await cluster.nodes.find(({ name }) => name === lost)!.resume();
  await cluster.advance(hours * hourMs - cluster.clock.monotonicMs());
  const result = {
    transcript: [...cluster.transcript],
    lost,
    podsOnLostNodeBefore,
    podsElsewhereAfter: readyElsewhere(cluster, lost),
    virtualMs: cluster.clock.monotonicMs(),
  };
  await cluster.stop();
  return result;
}

function on(cluster: TestCluster, node: string): number {
  return cluster.pods().filter((pod) => pod.spec?.nodeName === node && isPodReady(pod)).length;
}

function readyElsewhere(cluster: TestCluster, node: string): number {
  return cluster.pods().filter((pod) => pod.spec?.nodeName !== node && isPodReady(pod)).length;
}

function busiestNode(cluster: TestCluster): string {
  return cluster.nodes.map(({ name }) => name).toSorted((a, b) => on(cluster, b) - on(cluster, a))[0]!;
}

async function main(): Promise<void> {
  keepCompiledCode();
  const { startTestCluster } = await loadCode('testing', () => import('#pkg/entry/testing.ts'));
  const [runs = 100, seed = 1] = process.argv.slice(2).map(Number);
  const hashes = new Set<string>();
  for (let run = 1; run <= runs; run++) {
    const beganMs = performance.now();
    const { transcript, virtualMs } = await runNodeFailure(seed, { start: startTestCluster });
    const hash = createHash('sha256').update(transcript.join('\n')).digest('hex').slice(0, 16);
    hashes.add(hash);
    const seconds = ((performance.now() - beganMs) / 1000).toFixed(2);
    console.log(`run ${run}: ${virtualMs / hourMs} h in ${seconds} s, ${transcript.length} lines, ${hash}`);
  }
  console.log(`${runs} runs, ${hashes.size} different transcript${hashes.size === 1 ? '' : 's'}`);
  if (hashes.size !== 1) process.exitCode = 1;
}

if (import.meta.main) await main();
