/**
 * A pod's status as upstream's kubelet writes it, from what there is. Pure: the status manager compares it with what the API
 * has and sends the difference. Source: kubelet `kubelet_pods.go` `generateAPIPodStatus`, `status/generate.go`.
 */
import type { Container, ContainerState, ContainerStatus, Pod, PodStatus } from '#pkg/api/types/core-v1.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { type ContainerView, isSidecar, type PodView } from '../pods/pod-view.ts';
import type { RuntimeContainer } from '../runtime/runtime.ts';
import { podConditions } from './conditions.ts';
import { initialized, podPhase } from './phase.ts';
import { qosClass } from './qos.ts';

/** Why a container that should run does not, by name: what was tried last and how it went. */
export type WaitingReasons = ReadonlyMap<string, { readonly reason: string; readonly message: string }>;

export interface PodStatusInput {
  readonly pod: Pod;
  readonly view: PodView;
  readonly waiting: WaitingReasons;
  readonly runtimeName: string;
  readonly hostIp: string;
  /** When the kubelet first saw the pod. */
  readonly startTimeMs: number;
  readonly nowMs: number;
  /** Nothing will be started any more. */
  readonly terminal: boolean;
  /** Everything has stopped and will not run again: containers of unknown fate count as ended. */
  readonly finished: boolean;
  /** Overrides what the containers say: the pod was evicted, has run too long, … */
  readonly failure?: { readonly reason: string; readonly message: string };
}

/** The whole status the kubelet would write now. */
export function podStatus(input: PodStatusInput): PodStatus {
  const { pod, view, hostIp } = input;
  const api = pod.status ?? {};
  const phase = settledPhase(input);
  const containers = (pod.spec?.containers ?? []).map((container) => containerStatus(input, container, false));
  const inits = (pod.spec?.initContainers ?? []).map((container) => containerStatus(input, container, true));
  const ip = view.sandbox?.ip ?? (api.podIP || undefined);
  const failure = input.failure ?? (phase === 'Failed' ? keptFailure(api) : undefined);
  return {
    ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase,
    conditions: podConditions({ ...input, phase, containers, inits }),
    ...(failure === undefined ? {} : { reason: failure.reason, message: failure.message }),
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    ...(ip === undefined ? {} : { podIP: ip, podIPs: [{ ip }] }),
    startTime: api.startTime ?? formatTimestamp(input.startTimeMs),
    ...(inits.length === 0 ? {} : { initContainerStatuses: inits }),
    containerStatuses: containers,
    qosClass: api.qosClass ?? qosClass(pod),
  };
}

/** A phase that is final stays, whatever the containers say. */
function settledPhase(input: PodStatusInput): string {
  if (input.failure !== undefined) return 'Failed';
  const before = input.pod.status?.phase;
  if (before === 'Failed' || before === 'Succeeded') return before;
  return podPhase(input.pod, input.view, input.terminal && input.finished);
}

function keptFailure(api: PodStatus): { readonly reason: string; readonly message: string } | undefined {
  if (api.phase !== 'Failed' || api.reason === undefined) return undefined;
  return { reason: api.reason, message: api.message ?? '' };
}

function containerStatus(input: PodStatusInput, container: Container, init: boolean): ContainerStatus {
  const { view } = input;
  const current = view.containers.get(container.name);
  const waiting = input.waiting.get(container.name);
  const rest = {
    name: container.name,
    image: current?.image ?? container.image ?? '',
    imageID: current?.imageRef ?? '',
    ...resourcesOf(container, current),
    ...volumeMountsOf(container),
  };
  if (current === undefined) return notCreated(input, container, rest, init);
  const containerId = `${input.runtimeName}://${current.id}`;
  const exited = current.state === 'exited';
  const restarting = exited && waiting !== undefined && !input.terminal;
  const state: ContainerState = restarting
    ? { waiting: reasonOf(waiting) }
    : current.state === 'created'
      ? { waiting: waiting === undefined ? { reason: 'ContainerCreating' } : reasonOf(waiting) }
      : stateOf(current, input.runtimeName);
  const lastOf = restarting ? current : current.previous;
  return {
    ...rest,
    state,
    lastState: lastOf === undefined || lastOf.state !== 'exited' ? {} : stateOf(lastOf, input.runtimeName),
    ready: readyOf(container, current, init),
    restartCount: current.attempt,
    ...(current.id === '' ? {} : { containerID: containerId }),
    started: current.state === 'running' && current.started,
  };
}

function notCreated(
  input: PodStatusInput,
  container: Container,
  rest: Pick<ContainerStatus, 'image' | 'imageID' | 'name'>,
  init: boolean,
): ContainerStatus {
  const waiting = input.waiting.get(container.name);
  const hasInits = (input.pod.spec?.initContainers ?? []).length > 0;
  const initDone = initialized(input.pod, input.view);
  if (input.terminal && input.finished && !init && initDone) return neverFound(rest);
  const reason = hasInits && !(initDone && !init) ? 'PodInitializing' : 'ContainerCreating';
  return {
    ...rest,
    state: { waiting: waiting === undefined ? { reason } : reasonOf(waiting) },
    lastState: {},
    ready: false,
    restartCount: 0,
    started: false,
  };
}

/** What is said of a container of a pod that is over when nothing is known of its end. */
function neverFound(rest: Pick<ContainerStatus, 'image' | 'imageID' | 'name'>): ContainerStatus {
  const message = 'The container could not be located when the pod was terminated';
  return {
    ...rest,
    state: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', message } },
    lastState: {},
    ready: false,
    restartCount: 0,
    started: false,
  };
}

function readyOf(container: Container, current: ContainerView, init: boolean): boolean {
  if (init && !isSidecar(container)) return current.state === 'exited' && current.exitCode === 0;
  return current.state === 'running' && current.started && current.ready;
}

function reasonOf(waiting: { readonly reason: string; readonly message: string }): {
  reason: string;
  message?: string;
} {
  return waiting.message === '' ? { reason: waiting.reason } : waiting;
}

function stateOf(container: RuntimeContainer, runtimeName: string): ContainerState {
  const startedAt = container.startedAtMs === undefined ? {} : { startedAt: formatTimestamp(container.startedAtMs) };
  if (container.state === 'running') return { running: startedAt };
  return {
    terminated: {
      exitCode: container.exitCode ?? 0,
      reason: container.reason ?? (container.exitCode === 0 ? 'Completed' : 'Error'),
      ...(container.message === undefined || container.message === '' ? {} : { message: container.message }),
      ...startedAt,
      ...(container.finishedAtMs === undefined ? {} : { finishedAt: formatTimestamp(container.finishedAtMs) }),
      ...(container.id === '' ? {} : { containerID: `${runtimeName}://${container.id}` }),
    },
  };
}

function resourcesOf(container: Container, current: ContainerView | undefined): Partial<ContainerStatus> {
  if (current?.state !== 'running' || container.resources === undefined) return {};
  const { requests, limits } = container.resources;
  return {
    ...(requests === undefined ? {} : { allocatedResources: requests }),
    resources: { ...(limits === undefined ? {} : { limits }), ...(requests === undefined ? {} : { requests }) },
  };
}

function volumeMountsOf(container: Container): Partial<ContainerStatus> {
  const mounts = container.volumeMounts;
  if (mounts === undefined || mounts.length === 0) return {};
  return {
    volumeMounts: mounts.map((mount) => ({
      name: mount.name,
      mountPath: mount.mountPath,
      ...(mount.readOnly === true ? { readOnly: true, recursiveReadOnly: 'Disabled' } : {}),
    })),
  };
}
