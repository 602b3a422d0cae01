/** What a pod asks of plugins of its node: devices before anything of it is made, claims before its sandbox is, and their end after its own. */
import { errorText } from '#pkg/base/error-text.ts';
import { KubeletStoppingError } from '../runtime/leaving-runtime.ts';
import type { PodFailure } from '../status/pod-status-input.ts';
import type { PodState } from './pod-state.ts';

/** Time to the next try where a plugin could not do what it was asked. Source: kubelet `backOffPeriod`. */
const retryMs = 10_000;

/** Why a pod does not begin: it is refused, or tried again at a time. Undefined where it does. */
export type PluginOutcome = undefined | { readonly rejected: PodFailure } | { readonly retryAtMs: number };

/** Gives the pod's containers the devices that they ask for. */
export async function allocateDevices(state: PodState): Promise<PluginOutcome> {
  const { containers, context, ending, isNew, pod } = state;
  const need = await context.plugins?.allocate(pod, {
    isNew,
    isRunning: (name) => containers.get(name)?.state === 'running',
    signal: ending.signal,
  });
  if (need === undefined) return undefined;
  if (context.stopping.aborted) throw new KubeletStoppingError();
  if (ending.begun) return { retryAtMs: context.clock.nowMs() };
  if (need.kind === 'never') {
    context.recorder.record(pod, { type: 'Warning', ...need.failure });
    return { rejected: { ...need.failure, message: `Pod was rejected: ${need.failure.message}` } };
  }
  context.recorder.record(pod, { type: 'Warning', reason: 'FailedAllocateDevices', message: need.message });
  return { retryAtMs: context.clock.nowMs() + retryMs };
}

/** Has the pod's claims made ready; returns when to try again if that failed. */
export async function prepareClaims({ context, ending, pod }: PodState): Promise<number | undefined> {
  try {
    await context.plugins?.prepare(pod, ending.signal);
    return undefined;
  } catch (error) {
    if (context.stopping.aborted) throw new KubeletStoppingError();
    context.recorder.record(pod, {
      type: 'Warning',
      reason: 'FailedPrepareDynamicResources',
      message: `Failed to prepare dynamic resources: ${errorText(error)}`,
    });
    return context.clock.nowMs() + retryMs;
  }
}
