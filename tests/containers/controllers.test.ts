/**
 * The scenarios of the controllers once more, as they are on virtual time in `tests/conformance/`, now in real time through an API server on an etcd of
 * its own container: each on a cluster of its own, in its own part of that etcd.
 */
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import { afterAll, beforeAll, describe } from 'vitest';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { openStore } from '#pkg/cluster/store.ts';
import { startTestCluster, type TestClusterOptions } from '#pkg/testing/cluster.ts';
import { performOn, type StageCluster } from '#tests/conformance/behaviour.ts';
import { baseImage, imagesMs, noEngine } from './engine.ts';

/** Longest wait for one thing to happen, on a slow machine. */
const patienceMs = 150_000;

/** What is expected not to happen is not awaited for as long as on virtual time. */
const idleMsMax = 1_000;

const clientPort = 2379;
const clock = new SystemClock();

describe.skipIf(noEngine !== undefined)('controllers on an etcd in a container', async () => {
  let etcd: StartedTestContainer | undefined;
  let endpoint = '';
  let clusters = 0;

  beforeAll(async () => {
    // The engine is all that is needed: no helper container that would have to be downloaded.
    process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
    etcd = await new GenericContainer(process.env.ETCD_IMAGE ?? (await baseImage()))
      .withCommand([
        'etcd',
        `--listen-client-urls=http://0.0.0.0:${clientPort}`,
        `--advertise-client-urls=http://0.0.0.0:${clientPort}`,
      ])
      .withExposedPorts(clientPort)
      .withTmpFs({ '/default.etcd': 'rw' })
      .withWaitStrategy(Wait.forLogMessage(/ready to serve client requests/))
      .withStartupTimeout(patienceMs)
      .start();
    endpoint = `http://${etcd.getHost()}:${etcd.getMappedPort(clientPort)}`;
  }, imagesMs);

  afterAll(async () => {
    await etcd?.stop();
  }, imagesMs);

  async function start(options: TestClusterOptions): Promise<StageCluster> {
    const place = { folder: '', clock, random: new SystemRandom(), log: silentLogger };
    const store = await openStore({ ...place, store: `${endpoint}/scenario-${++clusters}` });
    const cluster = await startTestCluster({ ...options, listen: true, store });
    return {
      client: cluster.client,
      handle: cluster.handle,
      nodes: cluster.nodes,
      metrics: cluster.metrics,
      get transcript() {
        return cluster.transcript;
      },
      apply: (...objects) => cluster.apply(...objects),
      pods: (namespace) => cluster.pods(namespace),
      lister: (ref) => cluster.lister(ref),
      until: (condition) => cluster.until(condition, patienceMs),
      stop: () => cluster.stop(),
      clock,
      advance: async (durationMs) => {
        await sleep(clock, Math.min(durationMs, idleMsMax));
      },
    };
  }

  performOn({ start, retry: 2 });
  await import('#tests/conformance/workloads.test.ts');
  await import('#tests/conformance/deployments.test.ts');
  await import('#tests/conformance/stateful-sets.test.ts');
  await import('#tests/conformance/daemon-sets.test.ts');
  await import('#tests/conformance/jobs.test.ts');
  await import('#tests/conformance/disruption-budgets.test.ts');
  await import('#tests/conformance/resource-quotas.test.ts');
  await import('#tests/conformance/garbage-collector.test.ts');
});
