/** Measures one server alone: each row once, one after the other, beside the figures of the design. */
import { sleep } from '#pkg/base/async.ts';
import { type Bench, ours, print, restMs, serverOf, startRows, wants } from './bench.ts';
import { startCluster } from './cluster.ts';
import { clock } from './load.ts';
import { memoryLine, onceHeader, onceLines, startAlone } from './report.ts';
import { cpuMsOf, memoryOf, type Server } from './server.ts';

/** True when every request succeeded. */
export async function measureOnce(bench: Bench): Promise<boolean> {
  const { options, signal } = bench;
  const starts = await startRows(bench, [ours]);
  const server = options.kubeconfig === undefined ? await ownCluster(bench) : serverOf(options.kubeconfig);
  const pids = await server.pids();
  const failures = await measureRows(bench, server, pids);
  for (const row of starts) print(startAlone(row));
  if (pids.length > 0) {
    print(memoryLine('right after this load', memoryOf(pids)));
    await sleep(clock, restMs, signal);
    signal.throwIfAborted();
    print(memoryLine(`after ${restMs / 1_000} s of rest`, memoryOf(pids)));
  }
  return failures === 0;
}

async function ownCluster(bench: Bench): Promise<Server> {
  const { store, profile, audit } = bench.options;
  const cluster = await startCluster({ checkout: ours.checkout, store, profile, audit, signal: bench.signal });
  bench.ending.defer(cluster.stop);
  print(`up --detach took ${(cluster.startMs / 1000).toFixed(2)} s\n`);
  return cluster;
}

/** Returns how many requests failed. */
async function measureRows(bench: Bench, { kubeconfig }: Server, pids: readonly number[]): Promise<number> {
  const { clients } = bench;
  const { sizes } = bench.options;
  const side = ours.name;
  const { rows } = await clients.call('open', { side, kubeconfig, sizes, poolPods: 0 });
  print(onceHeader());
  const rates = new Map<string, number>();
  let failures = 0;
  for (const [index, facts] of rows.entries()) {
    const isWanted = wants(bench, facts.name);
    if (!isWanted && !facts.always) continue;
    const task = { side, row: index, limit: { durationMs: sizes.rowMs } };
    await clients.call('prepare', task);
    const beforeMs = cpuMsOf(pids);
    const measured = await clients.call('measure', task);
    const row = pids.length === 0 ? measured : { ...measured, serverCpuMs: cpuMsOf(pids) - beforeMs };
    if (facts.isLong) await clients.call('restore', task);
    if (!isWanted) continue;
    failures += row.failures;
    rates.set(facts.name, (row.operations * 1000) / row.tookMs);
    const { share } = facts;
    const whole = share === undefined ? undefined : rates.get(share.of);
    print(
      onceLines(share === undefined || whole === undefined ? facts : { ...facts, target: whole * share.least }, row),
    );
  }
  await clients.call('close', { side });
  return failures;
}
