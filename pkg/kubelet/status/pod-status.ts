/**
 * A pod's status as upstream's kubelet writes it, from what there is. Pure: the status manager compares it with what the API
 * has and sends the difference. The quality-of-service class is the API server's to say.
 * Source: kubelet `kubelet_pods.go` `generateAPIPodStatus`, `status/generate.go`.
 */
import { isFinalPhase } from '#pkg/api/core/pod.ts';
import type { Container, ContainerState, ContainerStatus, Pod, PodStatus } from '#pkg/api/types/core-v1.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { type ContainerView, findContainer, isSidecar } from '../model/pod-view.ts';
import type { RuntimeContainer } from '../runtime/runtime.ts';
import { foreignConditions, podConditions } from './conditions.ts';
import { initialized, podPhase } from './phase.ts';
import type { PodFailure, PodStatusInput } from './pod-status-input.ts';

type ContainerKind = 'ephemeral' | 'init' | 'regular';

/** The whole status the kubelet would write now. */
export function podStatus(input: PodStatusInput): PodStatus {
  const { pod, view, hostIps } = input;
  const api = pod.status ?? {};
  const phase = settledPhase(input);
  // A pod is not said to be over while anything of it could still run. Source: kubelet `mergePodStatus`.
  const isPremature = isFinalPhase(phase) && [...view.containers.values()].some(({ state }) => state === 'running');
  const shownPhase = isPremature ? (api.phase ?? 'Pending') : phase;
  const statusesOf = (list: readonly Container[] = [], kind: ContainerKind): readonly ContainerStatus[] =>
    list.map((container) => containerStatus(input, container, kind));
  const containers = statusesOf(pod.spec?.containers, 'regular');
  const inits = statusesOf(pod.spec?.initContainers, 'init');
  const ephemerals = statusesOf(pod.spec?.ephemeralContainers, 'ephemeral');
  const ips = podIpsOf(input);
  const failure = isPremature ? keptFailure(api) : (input.failure ?? keptFailure(api));
  return {
    ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase: shownPhase,
    conditions: podConditions({ ...input, phase, containers, inits }),
    ...(failure === undefined ? {} : { reason: failure.reason, message: failure.message }),
    hostIP: hostIps[0] ?? '',
    hostIPs: hostIps.map((ip) => ({ ip })),
    ...(ips[0] === undefined ? {} : { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) }),
    startTime: api.startTime ?? formatTimestamp(input.startTimeMs),
    ...(inits.length === 0 ? {} : { initContainerStatuses: inits }),
    containerStatuses: containers,
    ...(ephemerals.length === 0 ? {} : { ephemeralContainerStatuses: ephemerals }),
  };
}

/**
 * What the kubelet writes of a pod that it did not take: nothing of containers, which it never looked at, and no conditions of its own.
 * Source: kubelet `rejectPod`.
 */
export function rejectedStatus(pod: Pod, failure: PodFailure, nowMs: number): PodStatus {
  const api = pod.status ?? {};
  return {
    ...api,
    ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase: 'Failed',
    conditions: foreignConditions(pod),
    ...failure,
    startTime: api.startTime ?? formatTimestamp(nowMs),
  };
}

/** Addresses that a pod had stay in its status. */
function podIpsOf({ pod, view }: PodStatusInput): readonly string[] {
  const { podIP = '', podIPs = [] } = pod.status ?? {};
  const current = view.sandbox?.addresses ?? [];
  if (current.length > 0 || podIP === '') return current;
  return podIPs.length > 0 ? podIPs.map(({ ip }) => ip) : [podIP];
}

/** A phase that is final stays, whatever the containers say. */
function settledPhase(input: PodStatusInput): string {
  if (input.failure !== undefined) return 'Failed';
  const before = input.pod.status?.phase;
  if (before !== undefined && isFinalPhase(before)) return before;
  return podPhase(input.pod, input.view, input.terminal && input.finished);
}

function keptFailure(api: PodStatus): PodFailure | undefined {
  if (api.phase !== 'Failed' || api.reason === undefined) return undefined;
  return { reason: api.reason, message: api.message ?? '' };
}

function containerStatus(input: PodStatusInput, container: Container, kind: ContainerKind): ContainerStatus {
  const { view } = input;
  const current = view.containers.get(container.name);
  const waiting = input.waiting.get(container.name);
  const rest = {
    name: container.name,
    image: current?.image ?? container.image ?? '',
    imageID: current?.imageRef ?? '',
    ...resourcesOf(findContainer(input.allotted ?? input.pod, container.name), current),
    ...volumeMountsOf(container),
    ...devicesOf(input, container),
  };
  if (current === undefined) return notCreated(input, container, { rest, kind });
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
    ready: readyOf(container, current, kind),
    restartCount: current.attempt,
    ...(current.id === '' ? {} : { containerID: containerId }),
    ...startedOf(kind, current.state === 'running' && current.started),
  };
}

type StatusRest = Pick<ContainerStatus, 'image' | 'imageID' | 'name'>;

function notCreated(
  input: PodStatusInput,
  container: Container,
  { rest, kind }: { readonly rest: StatusRest; readonly kind: ContainerKind },
): ContainerStatus {
  const waiting = input.waiting.get(container.name);
  const hasInits = (input.pod.spec?.initContainers ?? []).length > 0;
  const initDone = initialized(input.pod, input.view);
  if (input.terminal && input.finished && kind === 'regular' && initDone) return neverFound(rest);
  const reason = hasInits && !(initDone && kind === 'regular') ? 'PodInitializing' : 'ContainerCreating';
  return {
    ...rest,
    state: { waiting: waiting === undefined ? { reason } : reasonOf(waiting) },
    lastState: {},
    ready: false,
    restartCount: 0,
    ...startedOf(kind, false),
  };
}

/** What is said of a container of a pod that is over when nothing is known of its end. */
function neverFound(rest: StatusRest): ContainerStatus {
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

/** Ephemeral containers are not probed, so nothing is said of their start. */
function startedOf(kind: ContainerKind, started: boolean): Partial<ContainerStatus> {
  return kind === 'ephemeral' ? {} : { started };
}

function readyOf(container: Container, current: ContainerView, kind: ContainerKind): boolean {
  if (kind === 'ephemeral') return false;
  if (kind === 'init' && !isSidecar(container)) return current.state === 'exited' && current.exitCode === 0;
  return current.state === 'running' && current.started && current.ready;
}

function reasonOf(waiting: { readonly reason: string; readonly message: string }): {
  reason: string;
  message?: string;
} {
  const { reason, message } = waiting;
  return message === '' ? { reason } : { reason, message };
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

/** What the node has allotted to a container that runs, and what of that is in force. */
function resourcesOf(allotted: Container | undefined, current: ContainerView | undefined): Partial<ContainerStatus> {
  if (current?.state !== 'running' || allotted?.resources === undefined) return {};
  const { requests: allocated } = allotted.resources;
  const { requests, limits } = current.given ?? allotted.resources;
  return {
    ...(allocated === undefined ? {} : { allocatedResources: allocated }),
    resources: { ...(limits === undefined ? {} : { limits }), ...(requests === undefined ? {} : { requests }) },
  };
}

/** Source: KEP-4680. */
function devicesOf(input: PodStatusInput, { name }: Container): Partial<ContainerStatus> {
  const devices = input.devicesOf?.(name) ?? [];
  return devices.length === 0 ? {} : { allocatedResourcesStatus: devices };
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
