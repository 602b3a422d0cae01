/**
 * The worker of one pod: looks, decides (`pod-actions.ts`), acts, and states the status, one step at a time, whenever something
 * about the pod has changed. It costs nothing while nothing happens: what has to happen later is one timer.
 *
 * A pod goes `syncing -> terminating -> finished`, never back. Invariant: at most one step runs at a time, and everything
 * that was announced before a step began is seen by it. Upstream counterpart: kubelet `pod_workers.go`.
 */
import { isPodTerminal } from '#pkg/api/core/pod.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { Deferred } from '#pkg/base/async.ts';
import type { Timer } from '#pkg/base/clock.ts';
import type { PodView } from '../model/pod-view.ts';
import { PodProbers } from '../probes/pod-probers.ts';
import { KubeletStoppingError } from '../runtime/leaving-runtime.ts';
import type { Runtime, RuntimeContainer } from '../runtime/runtime.ts';
import { podStatus, rejectedStatus } from '../status/pod-status.ts';
import type { PodFailure } from '../status/pod-status-input.ts';
import type { PodContext } from './pod-context.ts';
import type { FoundPod } from './pod-facts.ts';
import { PodState } from './pod-state.ts';
import { syncPod } from './sync-pod.ts';
import { terminatePod } from './terminate-pod.ts';

/** Time to the next step after one that failed for an unexpected reason, or a deletion the server did not take. */
const retryMs = 10_000;

/** Which pod, and what is there of it. */
export interface PodWorkerOptions {
  readonly context: PodContext;
  readonly pod: Pod;
  /** What the runtime still has of the pod from before the kubelet started. */
  readonly found?: FoundPod;
  /** The pod cannot run on this node: it is failed without being run. */
  readonly rejected?: PodFailure;
}

/** The worker of one pod, from when it is first seen until nothing of it is left. */
export class PodWorker {
  readonly #context: PodContext;
  readonly #state: PodState;
  #stage: 'finished' | 'syncing' | 'terminating' = 'syncing';
  #dirty = false;
  #stepping = false;
  #stopped = false;
  #gone = false;
  /** The status in the API is final and from before the kubelet started. */
  #isWritten = false;
  #rejected: PodFailure | undefined;
  #timer: Timer | undefined;
  readonly #over = new Deferred();

  constructor(options: PodWorkerOptions) {
    const { context, pod } = options;
    this.#context = context;
    const probers = new PodProbers({
      context,
      runtime: () => this.#state.runtime,
      onVerdict: (name, kind, ok) => {
        this.#state.containers.probeVerdict(name, kind, ok);
        // Readiness is told at once, also while a step takes its time, such as the end of the pod.
        if (kind === 'readiness') this.#publish();
        this.wake();
      },
    });
    this.#state = new PodState({ context, probers, pod });
    this.#state.recover(options.found);
    this.#rejected = options.rejected;
    if (options.rejected !== undefined) this.#stage = 'finished';
    else if (isPodTerminal(pod)) {
      // What it left in the runtime is ended; its status is final and stays as it was written.
      this.#stage = options.found === undefined ? 'finished' : 'terminating';
      this.#isWritten = true;
    }
  }

  /** The pod as last seen. */
  get pod(): Pod {
    return this.#state.pod;
  }

  /** Nothing of it runs any more, nor will. */
  get finished(): boolean {
    return this.#stage === 'finished';
  }

  /** It is gone from the API, and ends. */
  get leaving(): boolean {
    return this.#gone && !this.finished;
  }

  get runtime(): Runtime {
    return this.#state.runtime;
  }

  /** The pod's sandbox while it is there. */
  get sandbox(): PodView['sandbox'] {
    return this.#state.sandbox.current;
  }

  /** The newest container of a name, or the one before it. */
  container(name: string, options: { readonly previous: boolean }): RuntimeContainer | undefined {
    const view = this.#state.containers.get(name);
    return options.previous ? view?.previous : view;
  }

  /** The pod has changed in the API. */
  update(pod: Pod): void {
    const before = this.#state.pod;
    this.#state.update(pod);
    this.#context.statuses.told(pod);
    if (pod.metadata?.deletionTimestamp !== undefined) this.#beginTermination();
    else if (this.#isOwnWrite(before, pod)) return;
    this.wake();
  }

  /** The update brings nothing but the status this kubelet wrote itself. */
  #isOwnWrite(before: Pod, pod: Pod): boolean {
    return (
      this.#context.statuses.hasSeen(pod) &&
      before.metadata?.generation === pod.metadata?.generation &&
      !this.#state.mounts.hasNews &&
      pod.spec?.readinessGates === undefined
    );
  }

  /** The pod is no longer in the API. */
  removed(): void {
    this.#gone = true;
    this.#beginTermination();
    this.wake();
  }

  /** A container of this pod has exited. */
  exited(container: RuntimeContainer): void {
    if (this.#state.exited(container)) this.wake();
  }

  /** Something that the pod uses has changed: volumes, the node's range of addresses. */
  changed(): void {
    this.#state.mounts.objectsChanged();
    this.wake();
  }

  /** Ends all timers; a step under way ends by itself. Containers are left as they are. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#state.probers.stopAll();
    this.#state.ending.stop();
  }

  /** Asks for a step. */
  wake(): void {
    this.#dirty = true;
    if (this.#stepping || this.#stopped) return;
    this.#stepping = true;
    this.#context.background(() => this.#steps());
  }

  async #steps(): Promise<void> {
    try {
      while (this.#dirty && !this.#stopped) {
        this.#dirty = false;
        this.#timer?.cancel();
        const wakeAtMs = await this.#step();
        if (wakeAtMs !== undefined && !this.#stopped) this.#wakeAt(wakeAtMs);
      }
    } catch (error) {
      if (!this.#stopped && !(error instanceof KubeletStoppingError)) {
        this.#context.log.error('Pod step failed, will try again', { pod: this.#name(), error });
        this.#wakeAt(this.#context.clock.nowMs() + retryMs);
      }
    } finally {
      this.#stepping = false;
    }
    if (this.#dirty) this.wake();
  }

  /** One step; returns when the next one is due by itself. */
  async #step(): Promise<number | undefined> {
    await this.#state.containers.addLogMessages();
    if (this.#stage === 'syncing') {
      const result = await syncPod(this.#state, () => this.#publish());
      if (this.#stage === 'syncing') {
        if (result.rejected !== undefined) this.#reject(result.rejected);
        else if (result.over) this.#beginTermination();
        else {
          this.#publish();
          return result.wakeAtMs;
        }
      }
    }
    if (this.#stage === 'terminating') {
      await terminatePod(this.#state, () => this.#publish());
      if (this.#stopped) return undefined;
      this.#stage = 'finished';
      // What it had is free.
      this.#context.allocations.retry();
    }
    return this.#finish();
  }

  /** The node does not take it after all. */
  #reject(failure: PodFailure): void {
    this.#rejected = failure;
    this.#stage = 'finished';
    this.#context.allocations.retry();
  }

  /** States the last status; then, for a pod that is to be deleted, has the API remove it. */
  async #finish(): Promise<number | undefined> {
    const { metadata } = this.pod;
    this.#publish();
    this.#over.resolve();
    if (this.#gone) {
      await this.#state.sandbox.removeAll();
      this.#context.statuses.forget(metadata?.uid ?? '');
      this.#context.forget(this.pod);
      return undefined;
    }
    if (metadata?.deletionTimestamp === undefined) return undefined;
    if ((metadata.finalizers ?? []).length > 0 && metadata.deletionGracePeriodSeconds === 0) return undefined;
    await this.#context.statuses.flush(metadata.uid ?? '');
    if (this.#stopped || this.#gone) return undefined;
    try {
      await this.#context.client.resource(pods).delete(metadata.name ?? '', {
        ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
        gracePeriodSeconds: 0,
        preconditions: { ...(metadata.uid === undefined ? {} : { uid: metadata.uid }) },
      });
    } catch (error) {
      if (this.#stopped || isNotFound(error) || isConflict(error)) return undefined;
      this.#context.log.warn('Pod not deleted, will try again', { pod: this.#name(), error });
      return this.#context.clock.nowMs() + retryMs;
    }
    return undefined;
  }

  /** Ends the pod for the sake of the node, with at most so much time; false where it is ending anyway. */
  evict(message: string, graceMsMax: number): boolean {
    if (!this.end({ reason: 'Evicted', message, isEviction: true }, graceMsMax)) return false;
    this.#context.recorder.record(this.pod, { type: 'Warning', reason: 'Evicted', message });
    return true;
  }

  /** Ends the pod as failed, with at most so much time; false where it is ending anyway. */
  end(failure: PodFailure, graceMsMax: number): boolean {
    if (this.#stage !== 'syncing') return false;
    this.#state.fail(failure);
    this.#beginTermination(graceMsMax);
    this.wake();
    return true;
  }

  /** Resolves once nothing of it runs any more, which its status says then. */
  whenFinished(): Promise<void> {
    return this.finished ? Promise.resolve() : this.#over.promise;
  }

  #beginTermination(graceMsMax?: number): void {
    if (this.#stage !== 'syncing') return;
    this.#stage = 'terminating';
    this.#state.ending.begin(graceMsMax);
  }

  #publish(): void {
    const { context } = this.#state;
    if (this.#gone || this.#stopped || this.#isWritten) return;
    const pod = context.statuses.newest(this.pod);
    if (this.#rejected !== undefined) {
      context.statuses.set(pod, rejectedStatus(pod, this.#rejected, context.clock.nowMs()));
      return;
    }
    const terminal = this.#stage !== 'syncing';
    const status = podStatus({
      pod,
      allotted: context.allocations.allotted(pod),
      resize: this.#state.resize.state,
      view: this.#state.view(),
      waiting: this.#state.waits.reasons,
      runtimeName: this.#state.runtime.capabilities.name,
      hostIps: context.hostIps,
      startTimeMs: this.#state.startTimeMs,
      nowMs: context.clock.nowMs(),
      terminal,
      finished: this.#stage === 'finished',
      ...(this.#state.failure === undefined ? {} : { failure: this.#state.failure }),
      devicesOf: (name) => context.plugins?.statusOf(this.#state.uid, name) ?? [],
    });
    context.statuses.set(pod, status);
  }

  #wakeAt(atMs: number): void {
    const { clock } = this.#context;
    this.#timer?.cancel();
    this.#timer = clock.setTimeout(() => this.wake(), atMs - clock.nowMs());
  }

  #name(): string {
    return `${this.pod.metadata?.namespace}/${this.pod.metadata?.name}`;
  }
}
