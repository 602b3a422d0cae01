/**
 * Brings what a pod has been allotted into force for its containers that run: in place where the runtime can, by a restart where the container asks
 * for one or there is no other way. Upstream counterpart: `kuberuntime` `doPodResizeAction`, KEP-1287.
 */
import type { Container } from '#pkg/api/types/core-v1.ts';
import { quantityValue } from '../model/amounts.ts';
import type { ContainerView } from '../model/pod-view.ts';
import { resizableContainers, resizeSummary, resourceChanges } from '../model/resize.ts';
import { restartsAfterExit } from '../model/restart-policy.ts';
import { RuntimeError } from '../runtime/runtime.ts';
import { isEnforced } from './allocations.ts';
import { containerResources } from './container-resources.ts';
import type { PodState } from './pod-state.ts';

/** Time to the next try of a change that the runtime refused. */
const retryMs = 10_000;

/** What is to be done for the containers whose resources in force are not those that were allotted. */
export interface ResizePlan {
  /** Names of those that have to be started anew. */
  readonly restart: ReadonlySet<string>;
  readonly change: readonly { readonly container: Container; readonly view: ContainerView }[];
}

const nothing: ResizePlan = { restart: new Set(), change: [] };

/** Decides, and tells when a resize begins and when it is done. */
export function planResize(state: PodState): ResizePlan {
  const allotted = state.allotted();
  const differing = resizableContainers(allotted).flatMap((container) => {
    const view = state.containers.get(container.name);
    if (view?.given === undefined || resourceChanges(view.given, container.resources).none) return [];
    // One that is to run again is on its way; another has nothing to wait for.
    const comesBack = view.state === 'running' || restartsAfterExit(allotted, container, view.exitCode ?? 0);
    return comesBack ? [{ container, view }] : [];
  });
  const open = differing.filter(({ view }) => view.state === 'running');
  noteProgress(state, { begins: open.length > 0, isDone: differing.length === 0 });
  if (open.length === 0) return nothing;
  const { capabilities } = state.runtime;
  const restart = new Set(
    open
      .filter(({ container, view }) => {
        const changes = resourceChanges(view.given, container.resources);
        if (changes.cpu && asksForRestart(container, 'cpu')) return true;
        if (changes.memoryLimit && asksForRestart(container, 'memory')) return true;
        return !capabilities.features.has('update') && isEnforced(changes, capabilities);
      })
      .map(({ container }) => container.name),
  );
  return { restart, change: open.filter(({ container }) => !restart.has(container.name)) };
}

/** Changes what can be changed in place; returns when to try again what could not. */
export async function resizeContainers(state: PodState, { change }: ResizePlan): Promise<number | undefined> {
  const { context, runtime, resizing } = state;
  const nowMs = context.clock.nowMs();
  if (resizing?.retryAtMs !== undefined && nowMs < resizing.retryAtMs) return resizing.retryAtMs;
  let error: string | undefined;
  for (const { container, view } of change) {
    try {
      // Without the feature, what changes is what only the node counts.
      if (runtime.capabilities.features.has('update')) {
        const memoryBytes = quantityValue(context.allocatable().memory);
        await runtime.containers.update(view.id, containerResources(state.pod, container, memoryBytes));
      }
      state.given(view.id, container);
    } catch (cause) {
      if (!(cause instanceof RuntimeError)) throw cause;
      error = cause.message;
    }
  }
  if (error !== undefined) return noteError(state, error, nowMs + retryMs);
  if (change.length > 0) planResize(state);
  return undefined;
}

function asksForRestart({ resizePolicy = [] }: Container, resourceName: string): boolean {
  return resizePolicy.some((one) => one.resourceName === resourceName && one.restartPolicy === 'RestartContainer');
}

/** One event when a resize begins, and one when all of it is in force. */
function noteProgress(
  state: PodState,
  { begins, isDone }: { readonly begins: boolean; readonly isDone: boolean },
): void {
  const { context, uid } = state;
  const generation = context.allocations.generation(uid);
  const said = (reason: string, verb: string): void =>
    context.recorder.record(state.pod, {
      type: 'Normal',
      reason,
      message: `Pod resize ${verb}: ${resizeSummary(withGeneration(state))}`,
    });
  if (begins && state.resizing?.generation !== generation) {
    state.resizing = { generation };
    said('ResizeStarted', 'started');
  } else if (isDone && state.resizing !== undefined) {
    state.resizing = undefined;
    said('ResizeCompleted', 'completed');
  }
}

/** Returns when to try again. */
function noteError(state: PodState, error: string, retryAtMs: number): number {
  const { resizing, context } = state;
  state.resizing = { generation: resizing?.generation, error, retryAtMs };
  if (resizing?.error === error) return retryAtMs;
  const message = `Pod resize error: ${resizeSummary(withGeneration(state), error)}`;
  context.recorder.record(state.pod, { type: 'Warning', reason: 'ResizeError', message });
  return retryAtMs;
}

/** The pod as it was allotted: another generation may already ask for more. */
function withGeneration(state: PodState) {
  const allotted = state.allotted();
  const generation = state.context.allocations.generation(state.uid);
  return { ...allotted, metadata: { ...allotted.metadata, ...(generation === undefined ? {} : { generation }) } };
}
