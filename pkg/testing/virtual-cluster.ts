/** The cluster of `startTestCluster` on virtual time: no sockets, files or threads, and the same run for the same seed. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { type Random, SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Lister } from '#pkg/client/informer.ts';
import { newServiceAccountKey } from '#pkg/cluster/authentication.ts';
import { localApi } from '#pkg/cluster/local-api.ts';
import { untilStoreEnds } from '#pkg/cluster/store-end.ts';
import { closing } from '#pkg/component/closing.ts';
import { runTogether } from '#pkg/component/signals.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import type { TestCluster, TestClusterOptions } from './cluster.ts';
import { Composition, faultsOf, testSettings } from './composition.ts';
import { serverOptions } from './server-options.ts';

/** Virtual time that `until` lets pass at most unless it is told otherwise. */
const untilMsDefault = 600_000;

/** Resolves once the nodes are Ready. */
export async function startVirtualCluster(cluster: TestClusterOptions): Promise<TestCluster> {
  const clock = new VirtualClock();
  const seed = cluster.seed ?? 1;
  const random = new SeededRandom(seed);
  const faults = cluster.faults === undefined ? undefined : await faultsOf(clock, seed, cluster.faults);
  const ownClock = faults?.clock ?? clock;
  const memory = createMemoryStore({ clock });
  const store =
    faults === undefined
      ? memory
      : (await import('#pkg/cluster/store-faults.ts')).storeWithFaults(memory, faults.rules);
  const serviceAccountKey = newServiceAccountKey();
  const server = localApi({
    authentication: { serviceAccountKey },
    store,
    clock: ownClock,
    faults: faults?.requests,
    random,
    log: cluster.log ?? silentLogger,
    serviceCidr: testSettings.serviceCidr,
    ...(await serverOptions(cluster)),
    ...(cluster.callWebhook === undefined ? {} : { callWebhook: cluster.callWebhook }),
    ...(cluster.connectRemote === undefined ? {} : { connectRemote: cluster.connectRemote }),
  });
  const ending = { run: (signal: AbortSignal) => runTogether([server, untilStoreEnds(store)], signal) };
  const api = { ...server, run: closing(faults === undefined ? server : ending, store).run };
  const parts = new Composition({
    cluster,
    clock: ownClock,
    faults,
    random,
    api,
    settle: () => clock.settle(),
    startsTogether: true,
    serviceAccountKey,
  });
  const started = new VirtualCluster({ clock, random, handle: server.handle, parts });
  try {
    await server.ready();
    await clock.settle();
    await parts.start();
    await started.until(() => parts.areNodesReady);
    return started;
  } catch (error) {
    await parts.stop();
    throw error;
  }
}

class VirtualCluster implements TestCluster {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly handle: ApiHandler;
  readonly #parts: Composition;

  constructor(made: Pick<TestCluster, 'clock' | 'handle' | 'random'> & { readonly parts: Composition }) {
    this.clock = made.clock;
    this.random = made.random;
    this.handle = made.handle;
    this.#parts = made.parts;
  }

  get client() {
    return this.#parts.client;
  }

  get faults() {
    return this.#parts.faults;
  }

  get nodes() {
    return this.#parts.nodes;
  }

  get metrics() {
    return this.#parts.metrics;
  }

  get transcript(): readonly string[] {
    return this.#parts.recording.lines;
  }

  apply(...objects: readonly KubeObject[]): Promise<void> {
    return this.#parts.apply(...objects);
  }

  pods(namespace?: string): readonly Pod[] {
    return this.#parts.pods(namespace);
  }

  async lister<T extends KubeObject>(ref: ResourceRef<T>): Promise<Lister<T>> {
    const informer = this.#parts.informer(ref);
    await this.until(() => informer.hasSynced());
    return informer.lister;
  }

  async advance(durationMs: number): Promise<void> {
    await this.clock.advance(durationMs);
    this.#parts.check();
  }

  async until(condition: () => boolean | Promise<boolean>, limitMs: number = untilMsDefault): Promise<void> {
    const endMs = this.clock.monotonicMs() + limitMs;
    await this.clock.settle();
    for (;;) {
      this.#parts.check();
      if (await condition()) return;
      const leftMs = endMs - this.clock.monotonicMs();
      if (leftMs <= 0 || !(await this.clock.step(leftMs))) {
        const last = this.transcript.slice(-20).join('\n');
        throw new Error(
          `Cannot reach the awaited state as ${limitMs} ms of virtual time have passed without it. Last:\n${last}`,
        );
      }
    }
  }

  stop(): Promise<void> {
    return this.#parts.stop();
  }
}
