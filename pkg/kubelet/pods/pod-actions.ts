/**
 * What to do next for a pod that should run: a pure decision from its spec, what there is, the back-offs and the time. The pod
 * worker carries it out and asks again. Upstream counterpart: `kuberuntime` `computePodActions`.
 *
 * Order: containers that must go are killed; without a sandbox nothing starts; ephemeral containers start once, whatever the others do;
 * init containers run one after the other, each waiting for the one before (a sidecar: for it to have started); then all
 * others start together. A container that ended starts again if its policy says so, once its back-off is over.
 */
import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { type BackOff, formatWait } from '../model/back-off.ts';
import { type ContainerView, isSidecar, type PodView, podDescription, specHashOf } from '../model/pod-view.ts';
import { initFailedForGood, restartsAfterExit } from '../model/restart-policy.ts';

/** A container that is to be ended. */
export interface KillAction {
  readonly name: string;
  /** For the event; also why. */
  readonly message: string;
  readonly cause: 'livenessProbe' | 'resized' | 'specChanged' | 'startupProbe';
}

/** A container that is to start later. */
export interface WaitAction {
  readonly name: string;
  /** Of the waiting state. */
  readonly reason: 'CrashLoopBackOff';
  readonly message: string;
  readonly untilMs: number;
}

/** What is to be done now; nothing where all is as it should be. */
export interface PodActions {
  /** Nothing is left to run: the pod is over, and what still runs (sidecars) is to be ended. */
  readonly done: boolean;
  readonly createSandbox: boolean;
  readonly kill: readonly KillAction[];
  /** Names of containers to start now, in order. */
  readonly start: readonly string[];
  readonly wait: readonly WaitAction[];
}

interface Draft {
  createSandbox: boolean;
  readonly kill: KillAction[];
  readonly start: string[];
  readonly wait: WaitAction[];
}

/** What the decision looks at. */
export interface PodActionsInput {
  readonly pod: Pod;
  readonly view: PodView;
  readonly backOff: BackOff;
  readonly nowMs: number;
  /** Names of running containers whose resources change by a restart. Default: none. */
  readonly restart?: ReadonlySet<string>;
}

/** Decides. Changes nothing. */
export function computePodActions(input: PodActionsInput): PodActions {
  const { pod, view } = input;
  const draft: Draft = { createSandbox: false, kill: [], start: [], wait: [] };
  if (isPodDone(pod, view)) return { ...draft, done: true };
  if (view.sandbox === undefined) draft.createSandbox = true;
  for (const { name } of pod.spec?.ephemeralContainers ?? []) if (!view.containers.has(name)) draft.start.push(name);
  if (runInitContainers(input, draft)) {
    for (const container of pod.spec?.containers ?? []) considerRegular(input, container, draft);
  }
  return { ...draft, done: false };
}

/** The key of a container's crash back-off. */
export function backOffKey(pod: Pod, container: Container): string {
  return `${pod.metadata?.uid}/${container.name}/${container.image ?? ''}`;
}

/** Every regular container has ended for good, or an init container has failed for good. */
function isPodDone(pod: Pod, view: PodView): boolean {
  const spec = pod.spec;
  if (spec === undefined) return false;
  if (initFailedForGood(pod, view)) return true;
  return spec.containers.every((container) => {
    const current = view.containers.get(container.name);
    return current?.state === 'exited' && !restartsAfterExit(pod, container, current.exitCode ?? 0);
  });
}

/** Looks after init containers; true when the regular ones may run. */
function runInitContainers(input: PodActionsInput, draft: Draft): boolean {
  const { pod, view } = input;
  const initContainers = pod.spec?.initContainers ?? [];
  const initialized = (pod.spec?.containers ?? []).some((container) => inSandbox(view, container) !== undefined);
  let proceed = true;
  for (const container of initContainers) {
    if (isSidecar(container)) proceed = considerSidecar(input, container, draft) || initialized;
    else if (!initialized) proceed = considerInit(input, container, draft);
    if (!proceed) return false;
  }
  return true;
}

/** True when this init container is over and has succeeded. */
function considerInit(input: PodActionsInput, container: Container, draft: Draft): boolean {
  const current = inSandbox(input.view, container);
  if (current === undefined || current.state === 'created') {
    draft.start.push(container.name);
    return false;
  }
  if (current.state === 'running') return false;
  if (current.exitCode === 0) return true;
  startOrWait(input, container, current, draft);
  return false;
}

/** True when this sidecar runs and has started. */
function considerSidecar(input: PodActionsInput, container: Container, draft: Draft): boolean {
  const current = inSandbox(input.view, container);
  if (current === undefined || current.state === 'created') {
    draft.start.push(container.name);
    return false;
  }
  if (current.state === 'exited') {
    startOrWait(input, container, current, draft);
    return false;
  }
  const kill = killOf(input, container, current);
  if (kill !== undefined) draft.kill.push(kill);
  return kill === undefined && current.started;
}

function considerRegular(input: PodActionsInput, container: Container, draft: Draft): void {
  const { pod, view } = input;
  const current = view.containers.get(container.name);
  if (current === undefined || current.state === 'created') {
    draft.start.push(container.name);
    return;
  }
  if (current.state === 'exited') {
    if (restartsAfterExit(pod, container, current.exitCode ?? 0)) startOrWait(input, container, current, draft);
    return;
  }
  const kill = killOf(input, container, current);
  if (kill !== undefined) draft.kill.push(kill);
}

function killOf({ restart }: PodActionsInput, container: Container, current: ContainerView): KillAction | undefined {
  const { name } = container;
  if (current.specHash !== specHashOf(container)) {
    return { name, message: `Container ${name} definition changed, will be restarted`, cause: 'specChanged' };
  }
  if (restart?.has(name) === true) {
    return { name, message: `Container ${name} resize requires restart`, cause: 'resized' };
  }
  if (current.failedProbe === undefined) return undefined;
  return {
    name,
    message: `Container ${name} failed ${current.failedProbe} probe, will be restarted`,
    cause: current.failedProbe === 'liveness' ? 'livenessProbe' : 'startupProbe',
  };
}

function startOrWait(input: PodActionsInput, container: Container, current: ContainerView, draft: Draft): void {
  const failedMs = current.finishedAtMs ?? input.nowMs;
  const { waitMs, leftMs } = input.backOff.remaining(backOffKey(input.pod, container), failedMs, input.nowMs);
  if (leftMs === 0) {
    draft.start.push(container.name);
    return;
  }
  draft.wait.push({
    name: container.name,
    reason: 'CrashLoopBackOff',
    message: `back-off ${formatWait(waitMs)} restarting failed container=${container.name} pod=${podDescription(input.pod)}`,
    untilMs: input.nowMs + leftMs,
  });
}

/** The newest container of this name if it belongs to the sandbox that is there now. */
function inSandbox(view: PodView, container: Container): ContainerView | undefined {
  const current = view.containers.get(container.name);
  return current !== undefined && current.sandboxId === view.sandbox?.id ? current : undefined;
}
