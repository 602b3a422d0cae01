/** One step of a pod that should run: volumes, sandbox, containers, as `computePodActions` decides. */
import type { Container } from '#pkg/api/types/core-v1.ts';
import { aborted } from '#pkg/base/async.ts';
import { PodNetworkError } from '#pkg/network/pod-network.ts';
import { type ContainerView, containerFieldPath, findContainer, podDescription } from '../model/pod-view.ts';
import { RuntimeError } from '../runtime/runtime.ts';
import { sandboxConfig } from './container-config.ts';
import { HookError, runHook } from './hooks.ts';
import { killContainer } from './kill.ts';
import { backOffKey, computePodActions, type PodActions, type WaitAction } from './pod-actions.ts';
import type { PodState } from './pod-state.ts';
import { publishHostPorts } from './publish-host-ports.ts';
import { planResize, resizeContainers } from './resize-containers.ts';
import { startContainer } from './start-container.ts';

export interface SyncResult {
  /** The pod has come to its end: nothing is to run any more. */
  readonly over: boolean;
  /** When the next step is due by itself. */
  readonly wakeAtMs: number | undefined;
}

/** Time to the next try when there is no sandbox. */
const sandboxRetryMs = 10_000;
/** Between tries to mount: 0.5 s doubling to 2 min 2 s. Source: `goroutinemap/exponentialbackoff`. */
const mountRetryMsMin = 500;
const mountRetryMsMax = 122_000;

/** Does what is to be done now. `publish` states the status before something that may take time. */
export async function syncPod(state: PodState, publish: () => void): Promise<SyncResult> {
  const deadlineMs = deadlineOf(state);
  if (deadlineMs !== undefined && state.context.clock.nowMs() >= deadlineMs) {
    const message = 'Pod was active on the node longer than the specified deadline';
    state.failure = { reason: 'DeadlineExceeded', message };
    state.context.recorder.record(state.pod, { type: 'Normal', reason: 'DeadlineExceeded', message });
    return { over: true, wakeAtMs: undefined };
  }
  publish();
  if (state.volumesRenewAtMs !== undefined && state.volumesRenewAtMs <= state.context.clock.nowMs()) {
    state.volumesStale = true;
  }
  const remountAtMs = state.volumesStale ? await mountVolumes(state) : undefined;
  let laterMs = earliest(deadlineMs, remountAtMs ?? state.volumesRenewAtMs);
  // What has been mounted once is kept as it is: only a pod that never had its volumes waits for them.
  if (remountAtMs !== undefined && !state.volumesMounted) return { over: false, wakeAtMs: laterMs };
  laterMs = earliest(laterMs, await publishHostPorts(state));
  let wakeAtMs = laterMs;
  for (;;) {
    const { pod, context } = state;
    const nowMs = context.clock.nowMs();
    const resize = planResize(state);
    const input = { pod, view: state.view(), backOff: context.crashBackOff, nowMs, restart: resize.restart };
    const actions = computePodActions(input);
    if (actions.done) return { over: true, wakeAtMs: undefined };
    if (state.terminating) return { over: false, wakeAtMs: undefined };
    if (actions.kill.length > 0) {
      await killAll(state, actions);
      continue;
    }
    if (resize.change.length > 0) {
      publish();
      laterMs = earliest(laterMs, await resizeContainers(state, resize));
      wakeAtMs = laterMs;
    }
    if (actions.createSandbox || state.sandbox?.addresses.length === 0) {
      const retryAtMs = actions.createSandbox ? await createSandbox(state) : await attachSandbox(state);
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

function deadlineOf(state: PodState): number | undefined {
  const seconds = state.pod.spec?.activeDeadlineSeconds;
  return seconds === undefined ? undefined : state.startTimeMs + seconds * 1000;
}

function earliest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b);
}

/** Brings the volumes up to date; returns when to try again if that failed. */
async function mountVolumes(state: PodState): Promise<number | undefined> {
  const { context, pod } = state;
  if (state.mountRetryAtMs > context.clock.nowMs()) return state.mountRetryAtMs;
  state.volumesStale = false;
  const mounting = context.volumes.mount(pod, state.fields());
  // A pod that is to end does not wait for what its volumes name.
  const outcome = await Promise.race([mounting, aborted(state.cancelSync.signal).then(() => undefined)]);
  if (outcome === undefined) {
    mounting.catch((error: unknown) => context.log.warn('Volumes not mounted', { pod: podDescription(pod), error }));
    return context.clock.nowMs();
  }
  if (outcome.ok) {
    state.volumesRenewAtMs = outcome.renewAtMs;
    state.volumePaths = outcome.paths;
    state.volumesMounted = true;
    state.mountFailures = 0;
    return undefined;
  }
  context.recorder.record(pod, {
    type: 'Warning',
    reason: 'FailedMount',
    message: `MountVolume.SetUp failed for volume "${outcome.volume}" : ${outcome.message}`,
  });
  state.volumesStale = true;
  const delayMs = Math.min(mountRetryMsMin * 2 ** state.mountFailures++, mountRetryMsMax);
  state.mountRetryAtMs = context.clock.nowMs() + delayMs;
  return state.mountRetryAtMs;
}

/** Makes a sandbox and connects it; returns when to try again if that failed. */
async function createSandbox(state: PodState): Promise<number | undefined> {
  const { context, pod, runtime } = state;
  let made: string | undefined;
  try {
    const sandbox = await runtime.sandboxes.run(sandboxConfig(context, pod, state.sandboxAttempts));
    const { id, networkNamespace } = sandbox;
    made = id;
    state.sandboxIds.add(id);
    const addresses = await addressesOf(state, { id, ...(networkNamespace === undefined ? {} : { networkNamespace }) });
    state.sandbox = { id, addresses, attempt: state.sandboxAttempts++ };
    noteAddresses(state);
    return undefined;
  } catch (error) {
    // One without an address is of no use to anybody.
    if (made !== undefined) {
      await runtime.sandboxes.remove(made);
      state.sandboxIds.delete(made);
    }
    return sandboxFailure(state, error);
  }
}

/** Gives a sandbox from before the kubelet started its addresses, where nobody knows them any more. */
async function attachSandbox(state: PodState): Promise<number | undefined> {
  const { sandbox } = state;
  if (sandbox === undefined) return undefined;
  try {
    state.sandbox = { ...sandbox, addresses: await addressesOf(state, sandbox) };
    noteAddresses(state);
    state.startProbers();
    return undefined;
  } catch (error) {
    return sandboxFailure(state, error);
  }
}

async function addressesOf(
  { context, pod, uid, cancelSync }: PodState,
  { id, networkNamespace }: { readonly id: string; readonly networkNamespace?: string },
): Promise<readonly string[]> {
  if (pod.spec?.hostNetwork === true) return context.hostIps;
  const namespacePath = networkNamespace === undefined ? {} : { namespacePath: networkNamespace };
  return context.network.attach({ owner: uid, id, ...namespacePath }, cancelSync.signal);
}

/** Fields of the downward API may speak of the addresses. */
function noteAddresses(state: PodState): void {
  state.volumesStale ||= state.context.volumes.dependsOn(state.pod, 'addresses');
}

function sandboxFailure({ context, pod }: PodState, error: unknown): number {
  if (!(error instanceof RuntimeError || error instanceof PodNetworkError)) throw error;
  const message = `Failed to create pod sandbox: ${error.message}`;
  context.recorder.record(pod, { type: 'Warning', reason: 'FailedCreatePodSandBox', message });
  return context.clock.nowMs() + sandboxRetryMs;
}

async function killAll(state: PodState, actions: PodActions): Promise<void> {
  const { context, pod, runtime } = state;
  // A deletion that comes meanwhile, with a shorter grace period, holds for these containers too.
  state.hurry = (graceMs) => {
    for (const { name } of actions.kill) {
      const id = state.containers.get(name)?.id;
      if (id !== undefined) context.background(() => runtime.containers.stop(id, { graceMs: Math.max(1000, graceMs) }));
    }
  };
  await Promise.all(
    actions.kill.map(async ({ name, message, cause }) => {
      const view = state.containers.get(name);
      if (view === undefined) return;
      const container = findContainer(pod, name);
      const probe = cause === 'livenessProbe' ? container?.livenessProbe : container?.startupProbe;
      const own =
        cause === 'livenessProbe' || cause === 'startupProbe' ? probe?.terminationGracePeriodSeconds : undefined;
      const graceMs = (own ?? pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
      state.probers.stop(name);
      await killAndSettle(state, view, { container, message, graceMs });
    }),
  );
  state.hurry = undefined;
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
  const podIp = state.sandbox?.addresses[0] ?? '';
  await killContainer({ context, pod, view, runtime, podIp, ...options, hurry: state.cancelSync.signal });
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
  const before = state.waiting.get(wait.name);
  state.waiting.set(wait.name, wait);
  if (before?.reason === wait.reason && before.untilMs === wait.untilMs) return;
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
    if (container === undefined || state.terminating) continue;
    const waiting = state.waiting.get(name);
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
  const { context, pod, runtime, sandbox } = state;
  if (sandbox === undefined) return context.clock.nowMs() + sandboxRetryMs;
  const before = state.containers.get(container.name);
  const outcome = await startContainer({
    context,
    pod,
    container,
    attempt: before === undefined ? 0 : before.attempt + 1,
    runtime,
    sandbox,
    fields: state.fields(),
    volumePaths: state.volumePaths,
    signal: state.cancelSync.signal,
  });
  if (!outcome.ok) {
    state.waiting.set(container.name, { ...outcome, untilMs: outcome.retryAtMs });
    return outcome.retryAtMs;
  }
  if (before?.state === 'exited') context.crashBackOff.next(backOffKey(pod, container), before.finishedAtMs ?? 0);
  if (before?.previous !== undefined) await runtime.containers.remove(before.previous.id);
  state.waiting.delete(container.name);
  const now = await runtime.containers.status(outcome.id);
  if (now === undefined) return context.clock.nowMs() + sandboxRetryMs;
  const view = state.setContainer(now);
  // What it was made with, whatever has been allotted meanwhile.
  state.given(view.id, container);
  if (view.state === 'running' && (await postStart(state, container, view))) {
    const current = state.containers.get(container.name);
    if (current?.id === view.id && current.state === 'running') {
      state.probers.start({ pod, container, view: current, podIp: sandbox.addresses[0] ?? '' });
    }
  }
  return undefined;
}

/** Runs the postStart hook; false when it failed and the container was killed for it. */
async function postStart(state: PodState, container: Container, view: ContainerView): Promise<boolean> {
  const hook = container.lifecycle?.postStart;
  if (hook === undefined) return true;
  const { context, pod, runtime } = state;
  const podIp = state.sandbox?.addresses[0] ?? '';
  try {
    await runHook({ context, container, view, runtime, podIp, hook, signal: state.cancelSync.signal });
    return true;
  } catch (error) {
    if (!(error instanceof HookError)) throw error;
    context.log.warn('PostStart hook failed', { pod: podDescription(pod), container: container.name, error });
    context.recorder.record(pod, {
      type: 'Warning',
      reason: 'FailedPostStartHook',
      message: 'PostStartHook failed',
      fieldPath: containerFieldPath(pod, container.name),
    });
    const graceMs = (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
    await killAndSettle(state, view, { container, message: 'FailedPostStartHook', graceMs });
    return false;
  }
}
