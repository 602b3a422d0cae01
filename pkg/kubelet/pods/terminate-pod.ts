/**
 * Ends a pod: stops its containers within the grace period (sidecars last, in reverse order), then its sandbox, and gives back its
 * address and volumes. Logs stay until the pod is gone from the API. Source: kubelet `SyncTerminatingPod`, `SyncTerminatedPod`.
 */

import { doubleOf } from '#pkg/apimachinery/json.ts';
import { allContainers, type ContainerView, findContainer, isSidecar } from '../model/pod-view.ts';
import { killContainer } from './kill.ts';
import type { PodState } from './pod-state.ts';
import { settleExit } from './sync-pod.ts';

const graceSecondsDefault = 30;

/** Ends everything. Does nothing for what has ended already, so it may be called again. Throws `KubeletStoppingError`. */
export async function terminatePod(state: PodState, publish: () => void): Promise<void> {
  const { context } = state;
  state.probers.stopRestarting();
  publish();
  await endContainers(state);
  state.probers.stopAll();
  state.waits.clear();
  await state.sandbox.stopAll();
  await context.plugins?.unprepare(state.pod, context.stopping);
  await context.hostPorts?.withdraw(state.uid);
  await context.volumes.unmount(state.uid);
  if (state.pod.spec?.hostNetwork !== true) await context.network.detach(state.uid);
  context.plugins?.over(state.uid);
  context.images.forget(state.uid);
  for (const container of allContainers(state.pod)) {
    context.crashBackOff.reset(`${state.uid}/${container.name}/${container.image ?? ''}`);
  }
}

/** The grace period in force: that of the deletion, else the pod's own, at least one second. */
function graceMsOf(state: PodState): number {
  const { metadata, spec } = state.pod;
  const seconds =
    metadata?.deletionTimestamp === undefined
      ? spec?.terminationGracePeriodSeconds
      : (metadata.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds);
  return Math.min(Math.max(1, doubleOf(seconds ?? graceSecondsDefault)) * 1000, state.ending.graceMsMax);
}

async function endContainers(state: PodState): Promise<void> {
  const startMs = state.context.clock.monotonicMs();
  const sidecars = (state.pod.spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name);
  const running = [...state.containers.views.values()].filter((view) => view.state === 'running');
  await endTogether(
    state,
    running.filter(({ name }) => !sidecars.includes(name)),
    graceMsOf(state),
  );
  for (const name of sidecars.reverse()) {
    const view = state.containers.get(name);
    if (view?.state !== 'running') continue;
    const usedMs = state.context.clock.monotonicMs() - startMs;
    await endTogether(state, [view], Math.max(1000, graceMsOf(state) - usedMs));
  }
}

async function endTogether(state: PodState, views: readonly ContainerView[], graceMs: number): Promise<void> {
  if (views.length === 0) return;
  const { context, pod, runtime } = state;
  const hurried = new AbortController();
  const hurry = (shorterMs: number): void => {
    hurried.abort();
    const graceLeftMs = Math.max(1000, shorterMs);
    for (const { id } of views) {
      context.background(() => runtime.containers.stop(id, { graceMs: graceLeftMs }));
    }
  };
  const endOne = async (view: ContainerView): Promise<void> => {
    await killContainer({
      context,
      pod,
      container: findContainer(pod, view.name),
      view,
      runtime,
      podIp: state.sandbox.current?.addresses[0] ?? '',
      message: `Stopping container ${view.name}`,
      graceMs,
      hurry: hurried.signal,
    });
    await settleExit(state, view);
  };
  await state.ending.within(hurry, () => Promise.all(views.map(endOne)));
}
