/** The cluster of `startTestCluster` on virtual time: no sockets, files or threads, and the same run for the same seed. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Lister } from '#pkg/client/informer.ts';
import type { TestCluster, TestClusterOptions } from './cluster.ts';
import { Composition } from './composition.ts';

/** Virtual time that `until` lets pass at most unless it is told otherwise. */
const untilMsDefault = 600_000;

/** Resolves once the nodes are Ready. */
export async function startVirtualCluster(options: TestClusterOptions): Promise<TestCluster> {
  const cluster = new VirtualCluster(options);
  await cluster.start();
  return cluster;
}

class VirtualCluster implements TestCluster {
  readonly clock = new VirtualClock();
  readonly #parts: Composition;

  constructor(cluster: TestClusterOptions) {
    this.#parts = new Composition({ cluster, clock: this.clock, settle: () => this.clock.settle() });
  }

  get random() {
    return this.#parts.random;
  }

  get client() {
    return this.#parts.client;
  }

  get handle() {
    return this.#parts.handle;
  }

  get nodes() {
    return this.#parts.nodes;
  }

  get transcript(): readonly string[] {
    return this.#parts.recording.lines;
  }

  async start(): Promise<void> {
    await this.#parts.start();
    await this.until(() => this.#parts.areNodesReady);
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
