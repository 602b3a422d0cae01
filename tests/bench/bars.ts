/**
 * Figures that take a cluster of their own: what many objects cost the API server, what one client feels of hundreds of others, how soon definitions are served, and
 * what webhooks and policies add to a create. `node tests/bench/bars.ts [part…]` with parts of `pods`, `definitions`, `webhook`, `policies`; without any, all.
 *
 * The API server is a process of its own there, whose memory is looked at. Each figure stands beside its bar; nothing fails by it, as machines differ.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { stopSignals } from '#pkg/component/signals.ts';
import { RunningCluster } from '#tests/e2e/running-cluster.ts';
import { definitionBars } from './bars-definitions.ts';
import { podBars } from './bars-pods.ts';
import { policyBars, webhookBars } from './bars-rules.ts';
import type { Stage } from './bars-stage.ts';
import { readTarget } from './kubeconfig.ts';
import { openAll } from './load.ts';

const parts: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  definitions: definitionBars,
  webhook: webhookBars,
  policies: policyBars,
  pods: podBars,
};

async function measure(names: readonly string[], signal: AbortSignal): Promise<void> {
  const cluster = await RunningCluster.start({ flags: ['--processes', '--runtime', 'fake'] });
  try {
    for (const name of names) {
      signal.throwIfAborted();
      const target = readTarget(cluster.kubeconfig);
      const clients = await openAll(target, 32);
      await parts[name]?.({ cluster, target, clients, serverPid: () => serverPid(cluster), say });
      for (const client of clients) client.close();
    }
  } finally {
    await cluster.remove();
  }
}

/** The process of the API server. */
function serverPid(cluster: RunningCluster): number {
  const file = readFileSync(join(cluster.dataDir, 'run', 'kube-apiserver.json'), 'utf8');
  return Number(/"pid":\s*(\d+)/.exec(file)?.[1] ?? 0);
}

function say(figure: string, value: string, bar: string): void {
  process.stdout.write(`${figure.padEnd(64)} ${value.padStart(12)}   bar ${bar}\n`);
}

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !Object.hasOwn(parts, name));
if (unknown !== undefined) {
  process.stderr.write(`bars: there is no part ${unknown}; there are ${Object.keys(parts).join(', ')}\n`);
  process.exitCode = 1;
} else {
  const stop = new AbortController();
  for (const name of stopSignals) process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
  await measure(wanted.length === 0 ? Object.keys(parts) : wanted, stop.signal);
}
