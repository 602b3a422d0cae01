/** The containers of one pod: the newest of each name, as the runtime, the probes and, after a restart of the kubelet, the API tell of them. */
import type { Container, ContainerStatus, Pod } from '#pkg/api/types/core-v1.ts';
import { allContainers, allStatuses, type ContainerView, findContainer, specHashOf } from '../model/pod-view.ts';
import type { ProbeKind } from '../runtime/probe-transport.ts';
import type { RuntimeContainer } from '../runtime/runtime.ts';
import type { FoundPod, PodFacts } from './pod-facts.ts';

/** Exit code of a container of which nothing is known any more. */
const lostExitCode = 137;

/** The containers of one pod by name. */
export class PodContainers {
  readonly #facts: PodFacts;
  readonly #byName = new Map<string, ContainerView>();

  constructor(facts: PodFacts) {
    this.#facts = facts;
  }

  get views(): ReadonlyMap<string, ContainerView> {
    return this.#byName;
  }

  get(name: string): ContainerView | undefined {
    return this.#byName.get(name);
  }

  /** Takes over what the runtime has, then from the API what the runtime no longer knows. */
  recover(found: FoundPod | undefined): void {
    const inOrder = [...(found?.containers ?? [])].sort((a, b) => a.attempt - b.attempt);
    for (const container of inOrder) this.set(container);
    this.#removeBeyond(inOrder);
    for (const status of allStatuses(this.#facts.pod)) this.#recoverStatus(status);
  }

  /** Makes this the newest container of its name. A running one starts as its status in the API says. */
  set(container: RuntimeContainer): ContainerView {
    const { pod } = this.#facts;
    const before = this.#byName.get(container.name);
    const spec = findContainer(pod, container.name);
    const known = apiStatusOf(pod, container);
    const previous = before?.id === container.id ? before.previous : before;
    const view: ContainerView = {
      ...container,
      started: known?.started ?? spec?.startupProbe === undefined,
      ready: known?.ready ?? spec?.readinessProbe === undefined,
      given: known?.resources ?? findContainer(this.#facts.allotted(), container.name)?.resources ?? {},
      ...(previous === undefined ? {} : { previous: withoutHistory(previous) }),
    };
    this.#byName.set(container.name, view);
    return view;
  }

  /** The container of this id has been given the resources of `container`. */
  given(id: string, { name, resources = {} }: Container): void {
    const view = this.#byName.get(name);
    if (view?.id === id) this.#byName.set(name, { ...view, given: resources });
  }

  /** Notes an exit; false when it is of no container that matters. */
  exited(container: RuntimeContainer): boolean {
    const view = this.#byName.get(container.name);
    if (view === undefined || view.id !== container.id || view.state === 'exited') return false;
    this.#byName.set(container.name, { ...view, ...container, started: false, ready: false });
    return true;
  }

  probeVerdict(name: string, kind: ProbeKind, ok: boolean): void {
    const view = this.#byName.get(name);
    if (view?.state !== 'running') return;
    if (kind === 'readiness') this.#byName.set(name, { ...view, ready: ok });
    else if (!ok) this.#byName.set(name, { ...view, failedProbe: kind });
    else if (kind === 'startup') this.#byName.set(name, { ...view, started: true });
  }

  /**
   * Gives containers that failed without a message the end of their output as one, where their policy says so: at most 80 lines and 2 KiB.
   * Source: kubelet `readLastStringFromContainerLogs`.
   */
  async addLogMessages(): Promise<void> {
    const { pod, runtime } = this.#facts;
    for (const { name, terminationMessagePolicy } of allContainers(pod)) {
      const view = this.#byName.get(name);
      if (terminationMessagePolicy !== 'FallbackToLogsOnError' || view?.state !== 'exited' || view.lost) continue;
      if (view.exitCode === 0 || view.message !== undefined) continue;
      let text = '';
      for await (const line of runtime.inspection.logs(view.id, { tailLines: 80 })) {
        text += line.partial ? line.text : `${line.text}\n`;
      }
      if (this.#byName.get(name) === view) this.#byName.set(name, { ...view, message: text.slice(-2048) });
    }
  }

  /**
   * Of each name the newest container and the one before it are kept; what a kubelet that was killed had not yet removed of those before them goes.
   * Source: kubelet `MaxPerPodContainerCount`.
   */
  #removeBeyond(found: readonly RuntimeContainer[]): void {
    const { context, runtime } = this.#facts;
    const kept = new Set([...this.#byName.values()].flatMap(({ id, previous }) => [id, previous?.id]));
    const beyond = found.filter(({ id, state }) => state === 'exited' && !kept.has(id));
    if (beyond.length === 0) return;
    context.background(async () => {
      for (const { id } of beyond) await runtime.containers.remove(id);
    });
  }

  /** A container that the API knows of and the runtime does not: it ended when the runtime did. */
  #recoverStatus(status: ContainerStatus): void {
    if (this.#byName.has(status.name)) return;
    const { containerID, restartCount } = status;
    const ended = status.state?.terminated ?? status.lastState?.terminated;
    const ran = status.state?.running !== undefined;
    if (containerID === undefined && ended === undefined && !ran) return;
    const { pod, uid, context } = this.#facts;
    const spec = findContainer(pod, status.name);
    const last = ran ? undefined : ended;
    this.#byName.set(status.name, {
      id: containerID?.replace(/^[^:]*:\/\//, '') ?? '',
      sandboxId: '',
      podUid: uid,
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
      finishedAtMs: last?.finishedAt ? Date.parse(last.finishedAt) : context.clock.nowMs(),
    });
  }
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
