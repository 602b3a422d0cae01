/**
 * One process of many nodes whose pods run nothing: `node tests/bench/simulated-nodes.ts <kubeconfig> <count>`. Each has its kubelet and its Lease; what they look at is
 * watched once for all. Says `ready` once all are Ready, and ends when it is told to. It minds its memory as the processes of a cluster do, with their flags of Node.
 */
import process from 'node:process';
import { connectionOf } from '#cmd/common/connection.ts';
import { heapLimit } from '#cmd/common/heap-limit.ts';
import { returningMemory } from '#cmd/common/memory.ts';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { limitedTransport, RequestPlaces } from '#pkg/client/limited-transport.ts';
import { defaultKubeletPort, nodePart, nodeWatches } from '#pkg/cluster/node-part.ts';
import { NodesReady } from '#pkg/cluster/nodes-ready.ts';
import { clusterTables } from '#pkg/cluster/tables.ts';
import { stopSignals } from '#pkg/component/signals.ts';

/** Requests of all nodes that are under way at once, as in a process that holds a cluster. */
const requestsMax = 100;
/** Between the starts of two nodes: a thousand a second at most, so that each is heard of before the next thousand ask. */
const startsPerMs = 1;
const readyMs = 1_800_000;

const [kubeconfig = '', count = '1'] = process.argv.slice(2);
const stop = new AbortController();
for (const name of stopSignals) process.once(name, () => stop.abort());

const clock = new SystemClock();
const transport = await connectionOf(kubeconfig);
const context = {
  transport: limitedTransport(transport, new RequestPlaces(requestsMax)),
  clock,
  random: new SystemRandom(),
  log: silentLogger,
  metrics: new Metrics(),
};
const names = Array.from({ length: Number(count) }, (_, index) => `simulated-${index}`);
// Watches are held open, so they take none of the places.
const shared = await nodeWatches({ ...context, transport }, names);
const ready = new NodesReady(shared.nodes, names);

/** Runs all of them. */
async function runNodes(): Promise<void> {
  const running: Promise<void>[] = [shared.run(stop.signal)];
  for (const [index, nodeName] of names.entries()) {
    if (index % 100 === 99) await sleep(clock, 100 / startsPerMs, stop.signal);
    const part = await nodePart(context, {
      nodeName,
      runtime: 'fake',
      network: 'loopback',
      tables: clusterTables,
      folder: '',
      kubeletPort: defaultKubeletPort,
      nodesOnMachine: names.length,
      shared,
    });
    running.push(part.run(stop.signal));
  }
  await ready.wait(clock, { timeoutMs: readyMs, signal: stop.signal });
  process.stdout.write('ready\n');
  await Promise.all(running);
}

heapLimit.set();
await returningMemory({ clock, signal: stop.signal }, runNodes);
await transport.close();
