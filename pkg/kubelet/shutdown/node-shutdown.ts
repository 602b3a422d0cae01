/**
 * A node that shuts down: it takes no pods any more, says that it is not ready, and ends those that it has, group by group, each within its time. Pods that are ended so have
 * failed, as nobody runs them any more. It begins when the kubelet is told to stop; upstream's begins when the machine's login manager says that the machine is about to.
 * Invariant: it takes no longer than all of its periods together. Upstream counterpart: kubelet `nodeshutdown`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { PodFailure } from '../status/pod-status-input.ts';
import { type ShutdownPeriod, shutdownGroups } from './shutdown-groups.ts';

/** A pod that may have to end. */
export interface EndingPod {
  readonly pod: Pod;
  /** Ends it as failed, with at most so much time; false where it is ending anyway. */
  end(failure: PodFailure, graceMsMax: number): boolean;
  /** Resolves once nothing of it runs any more. */
  whenFinished(): Promise<void>;
}

/** What it works with. */
export interface NodeShutdownDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly periods: readonly ShutdownPeriod[];
  /** Those that are not over. */
  pods(): readonly EndingPod[];
  /** The node says from now on that it shuts down. */
  onBegin(): void;
  /** Resolves once all that was said of pods has been written, or cannot be. */
  written(): Promise<void>;
}

const failure: PodFailure = {
  reason: 'Terminated',
  message: 'Pod was terminated in response to imminent node shutdown.',
  isEviction: true,
};

/** The end of one node. */
export class NodeShutdown {
  readonly #deps: NodeShutdownDeps;
  #begun = false;

  constructor(deps: NodeShutdownDeps) {
    this.#deps = deps;
  }

  /** Why the node is not ready; undefined while it does not shut down. */
  get notReady(): string | undefined {
    return this.#begun ? 'node is shutting down' : undefined;
  }

  /** Why no pod is taken any more; undefined while the node does not shut down. */
  refusal(): PodFailure | undefined {
    return this.#begun
      ? { reason: 'NodeShutdown', message: 'Pod was rejected as the node is shutting down.' }
      : undefined;
  }

  /** Ends all pods; resolves once they are over or their time is. */
  async run(): Promise<void> {
    const { clock, log, onBegin, periods, pods, written } = this.#deps;
    this.#begun = true;
    onBegin();
    for (const { seconds, pods: together } of shutdownGroups(periods, pods())) {
      log.info('Pods are ended as the node shuts down', { pods: together.length, seconds });
      const late = new AbortController();
      for (const one of together) one.end(failure, seconds * 1_000);
      await Promise.race([
        Promise.all(together.map((one) => one.whenFinished())),
        sleep(clock, seconds * 1_000, late.signal),
      ]);
      late.abort();
    }
    await Promise.race([written(), sleep(clock, writtenMsMax)]);
  }
}

/** How long is waited for the API to know how pods have ended. */
const writtenMsMax = 5_000;
