/** What one pod worker knows of its pod: the newest object, sandbox, containers, why containers wait. Changed between awaits only. */
import { isDeepStrictEqual } from 'node:util';
import type { Container, ContainerStatus, Pod } from '#pkg/api/types/core-v1.ts';
import type { FieldContext } from '../env/field-ref.ts';
import {
  allContainers,
  allStatuses,
  type ContainerView,
  findContainer,
  type PodView,
  specHashOf,
} from '../model/pod-view.ts';
import type { ResizeState } from '../model/resize.ts';
import type { PodProbers } from '../probes/pod-probers.ts';
import type { ProbeKind } from '../runtime/probe-transport.ts';
import type { Runtime, RuntimeContainer, Sandbox } from '../runtime/runtime.ts';
import type { PodContext } from './pod-context.ts';

export interface PodStateOptions {
  readonly context: PodContext;
  readonly runtime: Runtime;
  readonly probers: PodProbers;
  readonly pod: Pod;
}

/** What was there of a pod when the kubelet started. */
export interface FoundPod {
  readonly sandboxes: readonly Sandbox[];
  readonly containers: readonly RuntimeContainer[];
  /** Those that the pod has kept; none when they are to be asked for again. */
  readonly addresses: readonly string[];
}

/** Why a container waits, and when another try is due. */
export interface Waiting {
  readonly reason: string;
  readonly message: string;
  readonly untilMs: number;
}

/** Exit code of a container of which nothing is known any more. */
const lostExitCode = 137;

export class PodState {
  readonly context: PodContext;
  readonly runtime: Runtime;
  readonly probers: PodProbers;
  pod: Pod;
  sandbox: PodView['sandbox'];
  sandboxAttempts = 0;
  readonly containers = new Map<string, ContainerView>();
  readonly waiting = new Map<string, Waiting>();
  /** Overrides the phase: why the pod has failed as a whole. */
  failure: { readonly reason: string; readonly message: string } | undefined;
  readonly startTimeMs: number;
  terminating = false;
  /** Volumes are to be brought up to date. */
  volumesStale = true;
  /** They were, all of them, since the kubelet started. */
  volumesMounted = false;
  volumePaths: ReadonlyMap<string, string> = new Map();
  /** Failed tries to mount in a row. */
  mountFailures = 0;
  /** Not before this is a failed mount tried again, unless what it uses has changed. */
  mountRetryAtMs = 0;
  /** When contents of volumes have to be renewed though nothing changed. */
  volumesRenewAtMs: number | undefined;
  /** The resize that is being brought into force. */
  resizing: ResizeState['inProgress'];
  /** What was last found wrong with the pod's host ports. */
  hostPortProblems: ReadonlySet<string> = new Set();
  /** Aborted when the pod is to end: stops what is only of use to one that runs. */
  readonly cancelSync = new AbortController();
  /** Set while containers are being ended: tells them of a shorter grace period. */
  hurry: ((graceMs: number) => void) | undefined;
  /** Sandboxes of the pod that still hold something in the runtime. */
  readonly sandboxIds = new Set<string>();

  constructor(options: PodStateOptions) {
    this.context = options.context;
    this.runtime = options.runtime;
    this.probers = options.probers;
    this.pod = options.pod;
    const known = options.pod.status?.startTime;
    this.startTimeMs = known === undefined ? options.context.clock.nowMs() : Date.parse(known);
  }

  get uid(): string {
    return this.pod.metadata?.uid ?? '';
  }

  view(): PodView {
    return { sandbox: this.sandbox, sandboxAttempts: this.sandboxAttempts, containers: this.containers };
  }

  /** The pod with the resources that the node has allotted to it. */
  allotted(): Pod {
    return this.context.allocations.allotted(this.pod);
  }

  /** What field references are resolved against. */
  fields(): FieldContext {
    const { hostIps, nodeName } = this.context;
    const podIps = this.sandbox?.addresses ?? [];
    return { pod: this.allotted(), podIps, hostIps, nodeName, allocatable: this.context.allocatable() };
  }

  update(pod: Pod): void {
    const before = this.pod;
    this.pod = pod;
    if (!sameNames(before, pod) && this.context.volumes.dependsOn(pod, 'metadata')) this.volumesStale = true;
    const graceSeconds = pod.metadata?.deletionGracePeriodSeconds;
    if (graceSeconds !== undefined && graceSeconds < (before.metadata?.deletionGracePeriodSeconds ?? Infinity)) {
      this.hurry?.(graceSeconds * 1000);
    }
  }

  /** Takes over what the runtime has of the pod, then from the API what the runtime no longer knows. */
  recover(found: FoundPod | undefined): void {
    for (const { id, config, state, networkNamespace } of found?.sandboxes ?? []) {
      this.sandboxIds.add(id);
      const { attempt } = config;
      this.sandboxAttempts = Math.max(this.sandboxAttempts, attempt + 1);
      if (state !== 'ready' || (this.sandbox !== undefined && attempt < this.sandbox.attempt)) continue;
      this.sandbox = {
        id,
        addresses: found?.addresses ?? [],
        attempt,
        ...(networkNamespace === undefined ? {} : { networkNamespace }),
      };
    }
    const inOrder = [...(found?.containers ?? [])].sort((a, b) => a.attempt - b.attempt);
    for (const container of inOrder) this.setContainer(container);
    for (const status of allStatuses(this.pod)) this.#recoverStatus(status);
    this.startProbers();
  }

  /** Probes what runs, if the pod has an address. */
  startProbers(): void {
    const podIp = this.sandbox?.addresses[0];
    if (podIp === undefined) return;
    for (const container of allContainers(this.pod)) {
      const view = this.containers.get(container.name);
      if (view?.state === 'running') this.probers.start({ pod: this.pod, container, view, podIp });
    }
  }

  /** The container of this id has been given the resources of `container`. */
  given(id: string, { name, resources = {} }: Container): void {
    const view = this.containers.get(name);
    if (view?.id === id) this.containers.set(name, { ...view, given: resources });
  }

  /** Makes this the newest container of its name. A running one starts as its status in the API says. */
  setContainer(container: RuntimeContainer): ContainerView {
    const before = this.containers.get(container.name);
    const spec = findContainer(this.pod, container.name);
    const known = apiStatusOf(this.pod, container);
    const previous = before?.id === container.id ? before.previous : before;
    const view: ContainerView = {
      ...container,
      started: known?.started ?? spec?.startupProbe === undefined,
      ready: known?.ready ?? spec?.readinessProbe === undefined,
      given: known?.resources ?? findContainer(this.allotted(), container.name)?.resources ?? {},
      ...(previous === undefined ? {} : { previous: withoutHistory(previous) }),
    };
    this.containers.set(container.name, view);
    return view;
  }

  /** Notes an exit; false when it is of no container that matters. */
  exited(container: RuntimeContainer): boolean {
    const view = this.containers.get(container.name);
    if (view === undefined || view.id !== container.id || view.state === 'exited') return false;
    this.probers.stop(container.name);
    this.containers.set(container.name, { ...view, ...container, started: false, ready: false });
    return true;
  }

  probeVerdict(name: string, kind: ProbeKind, ok: boolean): void {
    const view = this.containers.get(name);
    if (view?.state !== 'running') return;
    if (kind === 'readiness') this.containers.set(name, { ...view, ready: ok });
    else if (!ok) this.containers.set(name, { ...view, failedProbe: kind });
    else if (kind === 'startup') this.containers.set(name, { ...view, started: true });
  }

  /**
   * Gives containers that failed without a message the end of their output as one, where their policy says so: at most 80 lines and 2 KiB.
   * Source: kubelet `readLastStringFromContainerLogs`.
   */
  async addLogMessages(): Promise<void> {
    for (const { name, terminationMessagePolicy } of allContainers(this.pod)) {
      const view = this.containers.get(name);
      if (terminationMessagePolicy !== 'FallbackToLogsOnError' || view?.state !== 'exited' || view.lost) continue;
      if (view.exitCode === 0 || view.message !== undefined) continue;
      let text = '';
      for await (const line of this.runtime.inspection.logs(view.id, { tailLines: 80 })) {
        text += line.partial ? line.text : `${line.text}\n`;
      }
      if (this.containers.get(name) === view) this.containers.set(name, { ...view, message: text.slice(-2048) });
    }
  }

  /** Removes sandboxes, containers and logs from the runtime. */
  async removeAll(): Promise<void> {
    for (const id of this.sandboxIds) await this.runtime.sandboxes.remove(id);
    this.sandboxIds.clear();
  }

  /** A container that the API knows of and the runtime does not: it ended when the runtime did. */
  #recoverStatus(status: ContainerStatus): void {
    if (this.containers.has(status.name)) return;
    const { containerID, restartCount } = status;
    const ended = status.state?.terminated ?? status.lastState?.terminated;
    const ran = status.state?.running !== undefined;
    if (containerID === undefined && ended === undefined && !ran) return;
    const spec = findContainer(this.pod, status.name);
    const last = ran ? undefined : ended;
    this.containers.set(status.name, {
      id: containerID?.replace(/^[^:]*:\/\//, '') ?? '',
      sandboxId: '',
      podUid: this.uid,
      name: status.name,
      attempt: restartCount,
      image: status.image,
      imageRef: status.imageID,
      specHash: spec === undefined ? '' : specHashOf(spec),
      resources: {},
      state: 'exited',
      createdAtMs: 0,
      ...timesOf(status),
      exitCode: last?.exitCode ?? lostExitCode,
      reason: last?.reason ?? 'ContainerStatusUnknown',
      message:
        last === undefined ? 'The container could not be located when the kubelet started' : (last.message ?? ''),
      started: false,
      ready: false,
      lost: true,
      finishedAtMs: last?.finishedAt ? Date.parse(last.finishedAt) : this.context.clock.nowMs(),
    });
  }
}

/** Whether labels and annotations are the same: what volumes may tell of the pod itself. */
function sameNames(before: Pod, after: Pod): boolean {
  return (
    isDeepStrictEqual(before.metadata?.labels, after.metadata?.labels) &&
    isDeepStrictEqual(before.metadata?.annotations, after.metadata?.annotations)
  );
}

function timesOf(status: ContainerStatus): { readonly startedAtMs?: number } {
  const startedAt = status.state?.running?.startedAt ?? status.state?.terminated?.startedAt;
  return startedAt ? { startedAtMs: Date.parse(startedAt) } : {};
}

/** The API's word on a container that runs, from before the kubelet started. */
function apiStatusOf(pod: Pod, container: RuntimeContainer): ContainerStatus | undefined {
  if (container.state !== 'running') return undefined;
  return allStatuses(pod).find(({ containerID }) => containerID?.endsWith(`://${container.id}`) === true);
}

function withoutHistory(view: RuntimeContainer & { readonly previous?: RuntimeContainer }): RuntimeContainer {
  const { previous: _, ...rest } = view;
  return rest;
}
