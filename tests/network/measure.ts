/**
 * What Services cost in the kernel, in a network namespace of its own:
 * `unshare --net --mount -- sh -c 'mount -t tmpfs tmpfs /run/netns && exec node tests/network/measure.ts'`.
 * Prints, with 10 and with 10,000 Services in turn: the time of a connection straight to an endpoint and through a cluster IP, and that from a change of
 * one endpoint to the kernel's answer; then throughput through a cluster IP as a part of that straight to the endpoint, if iperf3 is there.
 * On a machine that does much else, `chrt --rr 5` before `node` keeps that out of the times.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Service } from '#pkg/api/types/core-v1.ts';
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { createBridgeNetwork } from '#pkg/network/bridge/bridge-network.ts';
import { ensureClusterLinks, removeClusterLinks } from '#pkg/network/bridge/cluster-links.ts';
import { namespaceLinks } from '#pkg/network/bridge/node-links.ts';
import { machineServicesTable, namespacePath, nodeNamespace } from '#pkg/network/bridge/places.ts';
import { createNftablesBackend } from '#pkg/proxy/backends/nftables/nftables-backend.ts';
import { RuleTracker } from '#pkg/proxy/model/rule-tracker.ts';
import { endpointAt, makeRule, setOf } from '#pkg/proxy/testing/rules.ts';
import { Peer } from './peer.ts';
import { testNetwork } from './test-network.ts';

/** Rounds in turns, and connections of each with so many Services: 2,000 in all. */
const roundsMax = 8;
const connectionsOfRound = 250;

const network = testNetwork(`measure-${process.pid}`);
const nodeName = `${network.cluster}-n1`;
execFileSync('ip', ['link', 'set', 'lo', 'up']);
await ensureClusterLinks(network);
const pods = createBridgeNetwork({ links: namespaceLinks({ network, nodeName, nodeAddress: '10.94.0.2' }) });
pods.configure(['10.95.1.0/24']);
const podName = `${network.cluster}-pod`;
execFileSync('ip', ['netns', 'add', podName]);
const [podIp = ''] = await pods.attach({ owner: 'pod', id: 'pod', namespacePath: namespacePath(podName) });
const peer = new Peer(namespacePath(podName));
await peer.serve('0.0.0.0', 8080, 'pod');
const backend = createNftablesBackend({
  log: silentLogger,
  tableName: machineServicesTable(network.cluster),
  podRanges: network.podRanges,
  serviceRanges: network.serviceRanges,
  nodePortAddresses: ['127.0.0.1'],
  keepsRules: false,
});

const clusterIp = (index: number): string => `10.93.${(index >> 8) + 1}.${index & 255}`;
const metadataAt = (index: number) => ({ name: `s${index}`, namespace: 'shop', uid: `u${index}` });
const serviceAt = (index: number): Service => ({
  metadata: metadataAt(index),
  spec: { clusterIP: clusterIp(index), clusterIPs: [clusterIp(index)], ports: [{ port: 80, protocol: 'TCP' }] },
});
/** With one endpoint, and perhaps another. */
const sliceAt = (index: number, ...addresses: readonly string[]): EndpointSlice => ({
  metadata: { ...metadataAt(index), labels: { 'kubernetes.io/service-name': `s${index}` } },
  addressType: 'IPv4',
  ports: [{ name: '', port: 8080, protocol: 'TCP' }],
  endpoints: [podIp, ...addresses].map((address) => ({ addresses: [address], conditions: { ready: true } })),
});

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
/** What a machine with much else to do makes of it but now and then. */
const tenth = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 10)] ?? 0;

async function connectUs(host: string, port: number): Promise<number> {
  const start = process.hrtime.bigint();
  const socket = connect({ host, port });
  await once(socket, 'connect');
  const took = Number(process.hrtime.bigint() - start) / 1000;
  socket.destroy();
  return took;
}

const tracker = new RuleTracker({ nodeName: undefined });
let tracked = 0;

/** Has so many Services. */
async function setServices(count: number): Promise<void> {
  for (; tracked < count; tracked++) {
    tracker.setService(serviceAt(tracked));
    tracker.setSlice(sliceAt(tracked));
  }
  while (tracked > count) {
    tracker.removeSlice(sliceAt(--tracked));
    tracker.removeService(serviceAt(tracked));
  }
  await backend.sync(tracker.rules());
}

async function measure(count: number) {
  const loadStart = performance.now();
  await setServices(count);
  const loadMs = performance.now() - loadStart;
  const through: number[] = [];
  const straight: number[] = [];
  for (let index = 0; index < connectionsOfRound; index++) {
    through.push(await connectUs(clusterIp(index % 10), 80));
    straight.push(await connectUs(podIp, 8080));
  }
  const updates: number[] = [];
  for (let index = 0; index < 40; index++) {
    const slice = sliceAt(count >> 1, `10.95.1.${100 + index}`);
    const start = performance.now();
    tracker.setSlice(slice);
    const failures = await backend.sync(tracker.rules());
    updates.push(performance.now() - start);
    if (failures.length > 0) throw new Error(failures[0]?.message);
  }
  tracker.setSlice(sliceAt(count >> 1));
  return { loadMs, through, straight, updateMs: median(updates), updateMsLeast: tenth(updates) };
}

const rounds: Record<'few' | 'hundred' | 'many', Awaited<ReturnType<typeof measure>>>[] = [];
for (let round = 0; round < roundsMax; round++)
  rounds.push({ few: await measure(10), many: await measure(10_000), hundred: await measure(100) });
const of = (pick: (round: (typeof rounds)[number]) => number): string => median(rounds.map(pick)).toFixed(1);
const all = (pick: (round: (typeof rounds)[number]) => readonly number[]): readonly number[] => rounds.flatMap(pick);
const p50 = (pick: (round: (typeof rounds)[number]) => readonly number[]): string => median(all(pick)).toFixed(1);
console.log(
  `connect, p50 of ${all(({ few }) => few.through).length} in µs: 10 Services ${p50(({ few }) => few.through)}, 10,000 Services ${p50(({ many }) => many.through)}, straight ${p50(({ few }) => few.straight)}`,
);
console.log(
  `connect, 10,000 over 10: ${(Number(p50(({ many }) => many.through)) / Number(p50(({ few }) => few.through))).toFixed(3)}`,
);
console.log(
  `from the event of one endpoint to the kernel's answer, median ms: among 100 ${of(({ hundred }) => hundred.updateMs)}, among 10,000 ${of(({ many }) => many.updateMs)}; of ten the quickest: ${of(({ hundred }) => hundred.updateMsLeast)}, ${of(({ many }) => many.updateMsLeast)}`,
);
console.log(`10,000 Services for 10, ms: ${of(({ many }) => many.loadMs)}`);

if (spawnSync('iperf3', ['--version']).error === undefined) {
  const server = spawn('nsenter', [`--net=${namespacePath(podName)}`, '--', 'iperf3', '-s', '-p', '5201'], {
    stdio: 'ignore',
  });
  const rule = makeRule({ key: 'iperf', clusterIPs: ['10.93.0.5'], port: 5201 }, [endpointAt(5201, podIp)]);
  await backend.sync(setOf(rule));
  await until(() =>
    connectUs(podIp, 5201).then(
      () => true,
      () => false,
    ),
  );
  const bits = (host: string): number => {
    const text = execFileSync('iperf3', ['-c', host, '-p', '5201', '-t', '2', '-J'], { encoding: 'utf8' });
    const { end }: { end: { sum_received: { bits_per_second: number } } } = JSON.parse(text);
    return end.sum_received.bits_per_second;
  };
  const ratios = [0, 1, 2, 3].map(() => {
    const [through, straight] = [bits('10.93.0.5'), bits(podIp)];
    return through / straight;
  });
  console.log(
    `throughput through a cluster IP over straight: ${median(ratios).toFixed(3)} (${ratios.map((one) => one.toFixed(2)).join(', ')})`,
  );
  server.kill();
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await once(createServer().listen(0).close(), 'close');
}

await backend.close();
await peer.end();
execFileSync('ip', ['netns', 'delete', podName]);
await removeClusterLinks(network.cluster, [nodeNamespace(nodeName)]);
process.exit();
