/**
 * Figures of the API server that are no rows of the benchmark: what many objects cost it, what one client feels of hundreds of others, how soon definitions
 * are served, what rules, webhooks and policies cost, how soon a command begins and how much a forwarded port carries.
 * `node tests/bench/bars.ts [part…]`; without any part, all of them.
 *
 * Each figure stands beside its bar and is said to be held or missed; nothing fails by it, as machines differ. Where memory is looked at the API server is
 * a process of its own.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { stopSignals } from '#pkg/component/signals.ts';
import { RunningCluster } from '#tests/e2e/running-cluster.ts';
import { definitionBars } from './bars-definitions.ts';
import { expressionBars } from './bars-expressions.ts';
import { podBars } from './bars-pods.ts';
import { policyBars, webhookBars } from './bars-rules.ts';
import { type Stage, sayFigure } from './bars-stage.ts';
import { streamBars } from './bars-streams.ts';
import { readTarget } from './kubeconfig.ts';
import { openAll } from './load.ts';

interface Part {
  measure(stage: Stage): Promise<void>;
  /** Flags of the cluster; parts that name the same ones share one. */
  readonly flags: readonly string[];
}

const apart = ['--processes', '--runtime', 'fake'];
const together: readonly string[] = [];

const parts: Readonly<Record<string, Part>> = {
  streams: { measure: streamBars, flags: together },
  expressions: { measure: expressionBars, flags: together },
  definitions: { measure: definitionBars, flags: apart },
  webhook: { measure: webhookBars, flags: apart },
  policies: { measure: policyBars, flags: apart },
  pods: { measure: podBars, flags: apart },
};

async function measureAll(names: readonly string[], signal: AbortSignal): Promise<void> {
  for (const flags of [together, apart]) {
    const wanted = names.flatMap((name) => parts[name] ?? []).filter((part) => part.flags === flags);
    if (wanted.length > 0) await measure(wanted, flags, signal);
  }
}

async function measure(wanted: readonly Part[], flags: readonly string[], signal: AbortSignal): Promise<void> {
  const cluster = await RunningCluster.start({ flags });
  try {
    for (const part of wanted) {
      signal.throwIfAborted();
      const target = readTarget(cluster.kubeconfig);
      const clients = await openAll(target, 32);
      await part.measure({ cluster, target, clients, serverPid: () => serverPid(cluster), say: sayFigure });
      for (const client of clients) client.close();
    }
  } finally {
    await cluster.remove();
  }
}

/** The process of the API server, where it is one of its own. */
function serverPid(cluster: RunningCluster): number {
  const file = readFileSync(join(cluster.dataDir, 'run', 'kube-apiserver.json'), 'utf8');
  return Number(/"pid":\s*(\d+)/.exec(file)?.[1] ?? 0);
}

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !Object.hasOwn(parts, name));
if (unknown !== undefined) {
  process.stderr.write(`bars: there is no part ${unknown}; there are ${Object.keys(parts).join(', ')}\n`);
  process.exitCode = 1;
} else {
  const stop = new AbortController();
  for (const name of stopSignals) process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
  await measureAll(wanted.length === 0 ? Object.keys(parts) : wanted, stop.signal);
}
