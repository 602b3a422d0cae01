/** One step of a pod that should run: volumes, sandbox, containers, as `computePodActions` decides. */

import type { Container } from '#pkg/api/types/core-v1.ts';
import { doubleOf } from '#pkg/apimachinery/json.ts';
import { type ContainerView, containerFieldPath, findContainer, podDescription } from '../model/pod-view.ts';
import { KubeletStoppingError } from '../runtime/leaving-runtime.ts';
import type { PodFailure } from '../status/pod-status-input.ts';
import { HookError, runHook } from './hooks.ts';
import { killContainer } from './kill.ts';
import { backOffKey, computePodActions, type KillAction, type PodActions, type WaitAction } from './pod-actions.ts';
import { allocateDevices, prepareClaims } from './pod-plugins.ts';
import type { ResizePlan } from './pod-resize.ts';
import type { PodState } from './pod-state.ts';
import { startContainer } from './start-container.ts';

/** What one step has come to. */
export interface SyncResult {
  /** The pod has come to its end: nothing is to run any more. */
  readonly over: boolean;
  /** When the next step is due by itself. */
  readonly wakeAtMs: number | undefined;
  /** The node does not take it after all, and nothing of it has been made. */
  readonly rejected?: PodFailure;
}

/** Time to the next try where what a container needs has gone meanwhile. */
const retryMs = 10_000;

/** Does what is to be done now. `publish` states the status before something that may take time. */
export async function syncPod(state: PodState, publish: () => void): Promise<SyncResult> {
  const { context, ending } = state;
  const deadlineMs = deadlineOf(state);
  if (deadlineMs !== undefined && context.clock.nowMs() >= deadlineMs) {
    const message = 'Pod was active on the node longer than the specified deadline';
    state.fail({ reason: 'DeadlineExceeded', message });
    context.recorder.record(state.pod, { type: 'Normal', reason: 'DeadlineExceeded', message });
    return { over: true, wakeAtMs: undefined };
  }
  const devices = await allocateDevices(state);
  if (devices !== undefined) {
    if ('rejected' in devices) return { over: true, wakeAtMs: undefined, rejected: devices.rejected };
    return { over: false, wakeAtMs: earliest(deadlineMs, devices.retryAtMs) };
  }
  publish();
  const runtimeDueMs = awaitRuntime(state);
  if (runtimeDueMs !== undefined) return { over: false, wakeAtMs: earliest(deadlineMs, runtimeDueMs) };
  const volumes = await state.mounts.bringUpToDate(ending.signal);
  let laterMs = earliest(deadlineMs, volumes.dueAtMs);
  if (!volumes.isReady) return { over: false, wakeAtMs: laterMs };
  laterMs = earliest(laterMs, await publishHostPorts(state));
  let wakeAtMs = laterMs;
  for (;;) {
    const resize = state.resize.plan();
    const actions = decide(state, resize);
    if (actions.done) return { over: true, wakeAtMs: undefined };
    if (ending.begun) return { over: false, wakeAtMs: undefined };
    if (actions.kill.length > 0) {
      await killAll(state, actions);
      continue;
    }
    laterMs = earliest(laterMs, await state.resize.fitPod());
    wakeAtMs = earliest(laterMs, wakeAtMs);
    if (resize.change.length > 0) {
      publish();
      laterMs = earliest(laterMs, await state.resize.change(resize));
      wakeAtMs = laterMs;
    }
    if (actions.createSandbox || state.sandbox.current?.addresses.length === 0) {
      const claimsDueMs = actions.createSandbox ? await prepareClaims(state) : undefined;
      const retryAtMs = claimsDueMs ?? (await connectSandbox(state, actions.createSandbox));
      if (retryAtMs !== undefined) return { over: false, wakeAtMs: earliest(retryAtMs, deadlineMs) };
      laterMs = earliest(laterMs, await publishHostPorts(state));
      publish();
      continue;
    }
    for (const wait of actions.wait) {
      noteBackOff(state, wait);
      wakeAtMs = earliest(wait.untilMs, wakeAtMs);
    }
    const started = await startAll(state, actions.start);
    wakeAtMs = earliest(started.retryAtMs, wakeAtMs);
    if (!started.any) return { over: false, wakeAtMs };
    publish();
    wakeAtMs = laterMs;
  }
}

/** Says that the pod has no runtime yet; returns when to look again, undefined where it has one. Source: kubelet `createPodSandbox`. */
function awaitRuntime({ context, pod }: PodState): number | undefined {
  if (context.runtimes.of(pod) !== undefined) return undefined;
  const message = `Failed to create pod sandbox: ${context.runtimes.problem(pod)}`;
  context.recorder.record(pod, { type: 'Warning', reason: 'FailedCreatePodSandBox', message });
  return context.clock.nowMs() + retryMs;
}

function decide(state: PodState, { restart }: ResizePlan): PodActions {
  const { crashBackOff: backOff, clock } = state.context;
  return computePodActions({ pod: state.pod, view: state.view(), backOff, nowMs: clock.nowMs(), restart });
}

/** Makes a sandbox, or gives the one that is there its addresses; returns when to try again if that failed. */
async function connectSandbox(state: PodState, isNew: boolean): Promise<number | undefined> {
  const { sandbox, ending } = state;
  const retryAtMs = isNew ? await sandbox.create(ending.signal) : await sandbox.attach(ending.signal);
  if (retryAtMs !== undefined) return retryAtMs;
  state.mounts.addressesChanged();
  if (!isNew) state.startProbers();
  return undefined;
}

async function publishHostPorts({ hostPorts, sandbox }: PodState): Promise<number | undefined> {
  return sandbox.current === undefined ? undefined : hostPorts.publish(sandbox.current.addresses);
}

function deadlineOf(state: PodState): number | undefined {
  const seconds = state.pod.spec?.activeDeadlineSeconds;
  return seconds === undefined ? undefined : state.startTimeMs + doubleOf(seconds) * 1000;
}

function earliest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b);
}

async function killAll(state: PodState, actions: PodActions): Promise<void> {
  const { context, pod, runtime } = state;
  // A deletion that comes meanwhile, with a shorter grace period, holds for these containers too.
  const hurry = (graceMs: number): void => {
    for (const { name } of actions.kill) {
      const id = state.containers.get(name)?.id;
      if (id !== undefined) context.background(() => runtime.containers.stop(id, { graceMs: Math.max(1000, graceMs) }));
    }
  };
  const killOne = async ({ name, message, cause }: KillAction): Promise<void> => {
    const view = state.containers.get(name);
    if (view === undefined) return;
    const container = findContainer(pod, name);
    const probe = cause === 'livenessProbe' ? container?.livenessProbe : container?.startupProbe;
    const own =
      cause === 'livenessProbe' || cause === 'startupProbe' ? probe?.terminationGracePeriodSeconds : undefined;
    const graceMs = doubleOf(own ?? pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
    state.probers.stop(name);
    await killAndSettle(state, view, { container, message, graceMs });
  };
  await state.ending.within(hurry, () => Promise.all(actions.kill.map(killOne)));
}

interface KillOptions {
  /** As the pod has it; undefined for a container that the pod no longer has. */
  readonly container: Container | undefined;
  readonly message: string;
  readonly graceMs: number;
}

/** Stops a container, as fast as a deletion that comes meanwhile asks for, and waits until it is known to have exited. */
async function killAndSettle(state: PodState, view: ContainerView, options: KillOptions): Promise<void> {
  const { context, pod, runtime } = state;
  const podIp = state.sandbox.current?.addresses[0] ?? '';
  await killContainer({ context, pod, view, runtime, podIp, ...options, hurry: state.ending.signal });
  await settleExit(state, view);
}

/** Sees to it that a container that was stopped is known to have exited, whichever is told first. */
export async function settleExit(state: PodState, view: ContainerView): Promise<void> {
  const now = await state.runtime.containers.status(view.id);
  if (now?.state === 'exited') {
    state.exited(now);
    return;
  }
  const finishedAtMs = state.context.clock.nowMs();
  state.exited({ ...view, state: 'exited', finishedAtMs, exitCode: 137, reason: 'ContainerStatusUnknown' });
}

function noteBackOff(state: PodState, wait: WaitAction): void {
  if (!state.waits.note(wait.name, wait)) return;
  state.context.recorder.record(state.pod, {
    type: 'Warning',
    reason: 'BackOff',
    message: `Back-off restarting failed container ${wait.name} in pod ${podDescription(state.pod)}`,
    fieldPath: containerFieldPath(state.pod, wait.name),
  });
}

/** Starts containers one after the other; those whose last failure asks for patience are left for later. */
async function startAll(
  state: PodState,
  names: readonly string[],
): Promise<{ readonly any: boolean; readonly retryAtMs: number | undefined }> {
  let any = false;
  let retryAtMs: number | undefined;
  for (const name of names) {
    const container = findContainer(state.allotted(), name);
    if (container === undefined || state.ending.begun) continue;
    const waiting = state.waits.get(name);
    const patient = waiting !== undefined && waiting.reason !== 'CrashLoopBackOff';
    if (patient && waiting.untilMs > state.context.clock.nowMs()) {
      retryAtMs = earliest(waiting.untilMs, retryAtMs);
      continue;
    }
    const untilMs = await startOne(state, container);
    if (untilMs === undefined) any = true;
    else retryAtMs = earliest(untilMs, retryAtMs);
  }
  return { any, retryAtMs };
}

/** Starts one container; returns when to try again if that failed. */
async function startOne(state: PodState, container: Container): Promise<number | undefined> {
  const { context, pod, runtime } = state;
  const sandbox = state.sandbox.current;
  if (sandbox === undefined) return context.clock.nowMs() + retryMs;
  const before = state.containers.get(container.name);
  const outcome = await startContainer({
    context,
    pod,
    container,
    attempt: before === undefined ? 0 : before.attempt + 1,
    runtime,
    sandbox,
    fields: state.fields(),
    volumes: state.mounts.volumes,
    idOf: (name) => state.containers.get(name)?.id,
    signal: state.ending.signal,
  });
  if (!outcome.ok) {
    state.waits.note(container.name, { ...outcome, untilMs: outcome.retryAtMs });
    return outcome.retryAtMs;
  }
  if (before?.state === 'exited') context.crashBackOff.next(backOffKey(pod, container), before.finishedAtMs ?? 0);
  // One that was never known to start, as the kubelet stopped meanwhile.
  if (before?.state === 'created') await runtime.containers.remove(before.id);
  if (before?.previous !== undefined) await runtime.containers.remove(before.previous.id);
  state.waits.over(container.name);
  const now = await runtime.containers.status(outcome.id);
  if (now === undefined) return context.clock.nowMs() + retryMs;
  const view = state.containers.set(now);
  // What it was made with, whatever has been allotted meanwhile.
  state.containers.given(view.id, container);
  if (view.state === 'running' && (await postStart(state, container, view))) {
    const current = state.containers.get(container.name);
    if (current?.id === view.id && current.state === 'running') {
      state.probers.start({ pod, container, view: current, podIp: sandbox.addresses[0] ?? '' });
    }
  }
  // Nobody tells of the end of one that never ran.
  return view.state === 'exited' ? context.clock.nowMs() : undefined;
}

/** Runs the postStart hook; false when it failed and the container was killed for it. */
async function postStart(state: PodState, container: Container, view: ContainerView): Promise<boolean> {
  const hook = container.lifecycle?.postStart;
  if (hook === undefined) return true;
  const { context, pod, runtime } = state;
  const podIp = state.sandbox.current?.addresses[0] ?? '';
  try {
    await runHook({ context, container, view, runtime, podIp, hook, signal: state.ending.signal });
    return true;
  } catch (error) {
    if (!(error instanceof HookError)) throw error;
    // Its hook was ended, not the container: that goes on.
    if (context.stopping.aborted) throw new KubeletStoppingError();
    context.log.warn('PostStart hook failed', { pod: podDescription(pod), container: container.name, error });
    context.recorder.record(pod, {
      type: 'Warning',
      reason: 'FailedPostStartHook',
      message: 'PostStartHook failed',
      fieldPath: containerFieldPath(pod, container.name),
    });
    const graceMs = doubleOf(pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
    await killAndSettle(state, view, { container, message: 'FailedPostStartHook', graceMs });
    return false;
  }
}
