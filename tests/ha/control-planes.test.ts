/** Two control planes on one etcd, as processes: either API server can be killed or stopped, and nobody who speaks to both notices. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectionOf } from '#cmd/common/connection.ts';
import type { ConfigMap } from '#pkg/api/types/core-v1.ts';
import { configMaps, endpoints, pods, podTemplates } from '#pkg/api/types/refs.ts';
import { StatusError, unlessGone } from '#pkg/apimachinery/status-error.ts';
import { neverAborted } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import type { NetworkTransport } from '#pkg/client/network-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { findEtcd, startTestEtcd, type TestEtcd } from '#pkg/storage/drivers/etcd/test-etcd.ts';
import { eventually, hookMs, RunningCluster } from '#tests/e2e/running-cluster.ts';

const program = findEtcd(process.env.PATH);
if (program === undefined) console.log("skipped: there is no etcd on the PATH (Debian's package is etcd-server)");

const place = { namespace: 'default' };

/** Reads what nobody else does, one after the other. */
async function readOften(transport: NetworkTransport, times: number): Promise<void> {
  const templates = createClient({ transport, userAgent: 'test' }).resource(podTemplates);
  for (let n = 0; n < times; n++) expect(await unlessGone(templates.get('none', place))).toBeUndefined();
}

/** How often a server was asked for that, as it says itself. */
async function readsAnswered(transport: NetworkTransport): Promise<number> {
  const { body } = await transport.request({
    method: 'GET',
    path: '/metrics',
    query: '',
    headers: {},
    peer: { address: '' },
    signal: neverAborted,
  });
  if (body.kind !== 'bytes') throw new Error('Metrics are no text');
  const lines = Buffer.from(body.bytes).toString().split('\n');
  return lines
    .filter((line) => line.startsWith('apiserver_request_total{'))
    .filter((line) => line.includes('verb="GET"') && line.includes('resource="podtemplates"'))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

describe.skipIf(program === undefined)('up --processes --control-planes 2', () => {
  let etcd: TestEtcd;
  let cluster: RunningCluster;
  let transport: NetworkTransport;
  let client: Client;

  beforeAll(async () => {
    etcd = await startTestEtcd(program!);
    const flags = ['--store', etcd.endpoint, '--processes', '--control-planes', '2', '--runtime', 'fake'];
    cluster = await RunningCluster.start({ flags });
    const servers = await eventually(publishedServers, (found) => found.length === 2);
    transport = await connectionOf(cluster.kubeconfig, { servers });
    client = createClient({ transport, userAgent: 'test' });
  }, hookMs);

  afterAll(async () => {
    await transport?.close();
    await cluster?.remove();
    await etcd?.cleanup();
  }, hookMs);

  /** What the Service `kubernetes` leads to. */
  async function publishedServers(): Promise<readonly string[]> {
    const one = await connectionOf(cluster.kubeconfig);
    try {
      const { subsets } = await createClient({ transport: one, userAgent: 'test' })
        .resource(endpoints)
        .get('kubernetes', place);
      return (subsets ?? []).flatMap(({ addresses, ports }) =>
        (addresses ?? []).map(({ ip }) => `https://${ip}:${ports?.[0]?.port}`),
      );
    } catch (error) {
      // The one server that this asks may be on its way.
      if (error instanceof StatusError) return [];
      throw error;
    } finally {
      await one.close();
    }
  }

  async function pidOf(name: string): Promise<number | undefined> {
    const { stdout } = await cluster.coxswain(['status', '-o', 'json']);
    const { processes } = JSON.parse(stdout) as { processes: readonly { name: string; pid?: number }[] };
    return processes.find((each) => each.name === name)?.pid;
  }

  /** Makes the object, as a client does that is told to come again: what was under way when a server died may have happened. */
  async function create(name: string): Promise<void> {
    for (;;) {
      try {
        await client.resource(configMaps).create({ metadata: { name, ...place } });
        return;
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        if (error.reason === 'AlreadyExists') return;
        if (error.reason !== 'ServiceUnavailable') throw error;
      }
    }
  }

  test.each([
    ['kube-apiserver', 'SIGKILL'],
    ['kube-apiserver-2', 'SIGTERM'],
  ] as const)(
    '%s is sent %s under writers and a watch: every write is there, and the watch has each once',
    {
      timeout: 300_000,
    },
    async (name, signal) => {
      const deps = { client, clock: new SystemClock(), random: new SystemRandom(), log: silentLogger };
      const informers = createInformers(deps);
      const watched = informers.informer(configMaps, place);
      const seen: string[] = [];
      watched.addHandler({ added: ({ metadata }: ConfigMap) => void seen.push(metadata?.name ?? '') });
      const watching = new AbortController();
      const running = informers.run(watching.signal);
      try {
        const pid = (await pidOf(name))!;
        const wanted = Array.from({ length: 200 }, (_, i) => `${name}-${i}`);
        for (const [i, each] of wanted.entries()) {
          if (i === 60) process.kill(pid, signal);
          await create(each);
        }
        const ours = (): readonly string[] =>
          seen.filter((each) => each.startsWith(`${name}-`) && wanted.includes(each));
        await eventually(
          async () => ours().length,
          (count) => count >= wanted.length,
        );
        expect(ours().toSorted()).toEqual(wanted.toSorted());
        // The other one is started again, and published again.
        await eventually(
          async () => ![pid, undefined].includes(await pidOf(name)) && (await publishedServers()).length === 2,
          (isThere) => isThere,
        );
      } finally {
        watching.abort();
        await running;
      }
    },
  );

  test('clients divide among the servers, and do so again once one that was killed is back', {
    timeout: 600_000,
  }, async () => {
    const servers = await eventually(publishedServers, (found) => found.length === 2);
    const connect = (options: Parameters<typeof connectionOf>[1]) => connectionOf(cluster.kubeconfig, options);
    const asking = await Promise.all(Array.from({ length: 10 }, (_, i) => connect({ servers, first: i % 2 })));
    const counting = await Promise.all(servers.map((url) => connect({ servers: [url] })));
    const readAll = () => Promise.all(asking.map((one) => readOften(one, 10)));
    const share = async (): Promise<readonly number[]> => {
      const before = await Promise.all(counting.map(readsAnswered));
      await readAll();
      const after = await Promise.all(counting.map(readsAnswered));
      return after.map((count, i) => count - before[i]!);
    };
    const isEven = (counts: readonly number[]): boolean => counts[0] === 50 && counts[1] === 50;
    try {
      await eventually(share, isEven, 200_000);
      process.kill((await pidOf('kube-apiserver'))!, 'SIGKILL');
      // Whoever had that one has the other now.
      await readAll();
      await eventually(() => share().catch(() => []), isEven, 200_000);
    } finally {
      await Promise.all([...asking, ...counting].map((one) => one.close()));
    }
  });

  test('the rest of the cluster goes on: a pod is bound and runs', async () => {
    const containers = [{ name: 'c', image: 'fake' }];
    await client.resource(pods).create({ metadata: { name: 'after', ...place }, spec: { containers } });
    const phase = await eventually(
      async () => (await client.resource(pods).get('after', place)).status?.phase,
      (found) => found === 'Running',
    );
    expect(phase).toBe('Running');
  });
});
