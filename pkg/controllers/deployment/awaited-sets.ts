/**
 * Replica sets that a Deployment's controller made and its informer has not shown yet. Until then a changed template would get a set of its own as if there
 * were no other, and the Deployment all of its pods twice. Upstream has no counterpart: its Deployments have that race.
 */
import type { ReplicaSet } from '#pkg/api/types/apps-v1.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Lister } from '#pkg/client/informer.ts';

/** A set that was deleted before a watch that was cut could show it is waited for no longer than this. */
const awaitedMsMax = 30_000;

interface Awaited {
  readonly key: string;
  readonly uid: string;
  readonly sinceMs: number;
}

/** The newest set of each Deployment that is not seen yet: no more entries than Deployments. */
export class AwaitedSets {
  readonly #clock: Clock;
  readonly #lister: Lister<ReplicaSet>;
  readonly #awaited = new Map<string, Awaited>();

  constructor(clock: Clock, lister: Lister<ReplicaSet>) {
    this.#clock = clock;
    this.#lister = lister;
  }

  made(deploymentKey: string, set: ReplicaSet): void {
    const { uid = '' } = set.metadata ?? {};
    this.#awaited.set(deploymentKey, { key: objectKey(set), uid, sinceMs: this.#clock.monotonicMs() });
  }

  /** To be told of each set that goes. */
  gone(deploymentKey: string, set: ReplicaSet): void {
    if (this.#awaited.get(deploymentKey)?.uid === set.metadata?.uid) this.#awaited.delete(deploymentKey);
  }

  forget(deploymentKey: string): void {
    this.#awaited.delete(deploymentKey);
  }

  /** Milliseconds for which the Deployment's set is still waited for; 0: it may act. */
  waitMs(deploymentKey: string): number {
    const awaited = this.#awaited.get(deploymentKey);
    if (awaited === undefined) return 0;
    const leftMs = awaited.sinceMs + awaitedMsMax - this.#clock.monotonicMs();
    if (leftMs > 0 && this.#lister.get(awaited.key)?.metadata?.uid !== awaited.uid) return leftMs;
    this.#awaited.delete(deploymentKey);
    return 0;
  }
}
