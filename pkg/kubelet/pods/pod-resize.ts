/**
 * Brings what a pod has been allotted into force for its containers that run: in place where the runtime can, by a restart where the container asks
 * for one or there is no other way. Upstream counterpart: `kuberuntime` `doPodResizeAction`, KEP-1287.
 */
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import type { ContainerView } from '../model/pod-view.ts';
import { type ResizeState, resizableContainers, resizeSummary, resourceChanges } from '../model/resize.ts';
import { restartsAfterExit } from '../model/restart-policy.ts';
import { RuntimeError } from '../runtime/runtime.ts';
import { isEnforced } from './allocations.ts';
import { areSameResources, widerResources } from './container-resources.ts';
import { fittingContainerResources, fittingResources } from './fitting-resources.ts';
import type { PodContainers } from './pod-containers.ts';
import type { PodFacts } from './pod-facts.ts';
import type { PodSandbox } from './pod-sandbox.ts';

/** Time to the next try of a change that the runtime refused. */
const retryMs = 10_000;

/** What is to be done for the containers whose resources in force are not those that were allotted. */
export interface ResizePlan {
  /** Names of those that have to be started anew. */
  readonly restart: ReadonlySet<string>;
  readonly change: readonly Open[];
}

interface Open {
  /** As it was allotted. */
  readonly container: Container;
  readonly view: ContainerView;
}

const nothing: ResizePlan = { restart: new Set(), change: [] };

/** The resize of one pod. */
export class PodResize {
  readonly #facts: PodFacts;
  readonly #containers: PodContainers;
  readonly #sandbox: PodSandbox;
  #inProgress: ResizeState['inProgress'];
  /** All containers have what they were allotted, as far as the last plan saw. */
  #isSettled = false;

  constructor(facts: PodFacts, { containers, sandbox }: { containers: PodContainers; sandbox: PodSandbox }) {
    this.#facts = facts;
    this.#containers = containers;
    this.#sandbox = sandbox;
  }

  /** How far it has come. */
  get state(): ResizeState {
    const pending = this.#facts.context.allocations.pending(this.#facts.uid);
    const inProgress = this.#inProgress;
    return { ...(pending === undefined ? {} : { pending }), ...(inProgress === undefined ? {} : { inProgress }) };
  }

  /** Decides, and tells when a resize begins and when it is done. */
  plan(): ResizePlan {
    const allotted = this.#facts.allotted();
    const differing = resizableContainers(allotted).flatMap((container) => {
      const view = this.#containers.get(container.name);
      if (view?.given === undefined || resourceChanges(view.given, container.resources).none) return [];
      // One that is to run again is on its way; another has nothing to wait for.
      const comesBack = view.state === 'running' || restartsAfterExit(allotted, container, view.exitCode ?? 0);
      return comesBack ? [{ container, view }] : [];
    });
    const open = differing.filter(({ view }) => view.state === 'running');
    this.#isSettled = differing.length === 0;
    this.#noteProgress({ begins: open.length > 0, isDone: this.#isSettled });
    if (open.length === 0) return nothing;
    const restart = new Set(open.filter((one) => this.#needsRestart(one)).map(({ container }) => container.name));
    return { restart, change: open.filter(({ container }) => !restart.has(container.name)) };
  }

  /** Changes what can be changed in place; returns when to try again what could not. */
  async change({ change }: ResizePlan): Promise<number | undefined> {
    const { context, runtime, pod } = this.#facts;
    const nowMs = context.clock.nowMs();
    const retryAtMs = this.#inProgress?.retryAtMs;
    if (retryAtMs !== undefined && nowMs < retryAtMs) return retryAtMs;
    let error: string | undefined;
    for (const { container, view } of change) {
      try {
        // Without the feature, what changes is what only the node counts.
        if (runtime.capabilities.features.has('update')) {
          await runtime.containers.update(view.id, fittingContainerResources(context, pod, container));
        }
        this.#containers.given(view.id, container);
      } catch (cause) {
        if (!(cause instanceof RuntimeError)) throw cause;
        error = cause.message;
      }
    }
    if (error !== undefined) return this.#noteError(error, nowMs + retryMs);
    if (change.length === 0) return undefined;
    this.plan();
    return this.fitPod();
  }

  /**
   * Gives the pod as a whole what its containers have together: more before they get more, less once they have less. Returns when to try again what the
   * runtime refused.
   */
  async fitPod(): Promise<number | undefined> {
    const { context, runtime } = this.#facts;
    if (runtime.sandboxes.update === undefined || this.#sandbox.current === undefined) return undefined;
    const before = this.#sandbox.resources;
    const { resources } = fittingResources(context, this.#facts.allotted());
    const wanted = this.#isSettled ? resources : widerResources(before, resources);
    if (areSameResources(before, wanted)) return undefined;
    try {
      await this.#sandbox.limit(wanted);
      return undefined;
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      // Its containers say so where that is in the way of theirs.
      context.log.warn('Limits of the pod not changed, will try again', { pod: this.#facts.uid, error });
      return context.clock.nowMs() + retryMs;
    }
  }

  #needsRestart({ container, view }: Open): boolean {
    const { capabilities } = this.#facts.runtime;
    const changes = resourceChanges(view.given, container.resources);
    if (changes.cpu && asksForRestart(container, 'cpu')) return true;
    if (changes.memoryLimit && asksForRestart(container, 'memory')) return true;
    return !capabilities.features.has('update') && isEnforced(changes, capabilities);
  }

  /** One event when a resize begins, and one when all of it is in force. */
  #noteProgress({ begins, isDone }: { readonly begins: boolean; readonly isDone: boolean }): void {
    const generation = this.#facts.context.allocations.generation(this.#facts.uid);
    if (begins && this.#inProgress?.generation !== generation) {
      this.#inProgress = { generation };
      this.#record('Normal', 'ResizeStarted', `Pod resize started: ${resizeSummary(this.#allotted())}`);
    } else if (isDone && this.#inProgress !== undefined) {
      this.#inProgress = undefined;
      this.#record('Normal', 'ResizeCompleted', `Pod resize completed: ${resizeSummary(this.#allotted())}`);
    }
  }

  /** Returns when to try again. */
  #noteError(error: string, retryAtMs: number): number {
    const before = this.#inProgress;
    this.#inProgress = { generation: before?.generation, error, retryAtMs };
    if (before?.error !== error)
      this.#record('Warning', 'ResizeError', `Pod resize error: ${resizeSummary(this.#allotted(), error)}`);
    return retryAtMs;
  }

  #record(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#facts.context.recorder.record(this.#facts.pod, { type, reason, message });
  }

  /** With the generation that was allotted: another may already ask for more. */
  #allotted(): Pod {
    const allotted = this.#facts.allotted();
    const generation = this.#facts.context.allocations.generation(this.#facts.uid);
    return { ...allotted, metadata: { ...allotted.metadata, ...(generation === undefined ? {} : { generation }) } };
  }
}

function asksForRestart({ resizePolicy = [] }: Container, resourceName: string): boolean {
  return resizePolicy.some((one) => one.resourceName === resourceName && one.restartPolicy === 'RestartContainer');
}
