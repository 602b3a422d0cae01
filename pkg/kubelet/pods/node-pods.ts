/**
 * The pods of one node: a worker each, made when the pod is first seen, over what the runtimes still have of it from before the kubelet started.
 * What the node has allotted to them is beside it (`allocations.ts`). Upstream counterpart: kubelet `pod_manager.go`, `pod_workers.go`.
 */
import { isPodTerminal } from '#pkg/api/core/pod.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { PodNetwork } from '#pkg/network/pod-network.ts';
import type { Pinning } from '../pinning/pinning.ts';
import type { Runtime, RuntimeContainer, Sandbox } from '../runtime/runtime.ts';
import type { PodFailure } from '../status/pod-status-input.ts';
import type { Allocations } from './allocations.ts';
import type { PodContext } from './pod-context.ts';
import { PodWorker } from './pod-worker.ts';

/** What the workers of a node share. */
export interface NodePodsDeps {
  readonly runtimes: Readonly<Record<string, Runtime>>;
  readonly network: PodNetwork;
  readonly hostIps: readonly string[];
  readonly allocations: Allocations;
  /** Who gives containers processors and memory of their own. */
  readonly pinning: Pick<Pinning, 'admit' | 'wake'>;
  /** Which runtime each pod has. */
  readonly podRuntimes: FoundRuntimes;
  /** Why the node takes no such pod now; undefined when it does. */
  refusal(pod: Pod): PodFailure | undefined;
  /** What its pods share. */
  context(): PodContext;
}

/** Told whose pods are, as far as runtimes have something of them. */
export interface FoundRuntimes {
  found(podUid: string, chosen: { readonly runtime: Runtime; readonly handler?: string }): void;
  forget(podUid: string): void;
}

interface Found {
  readonly sandboxes: Sandbox[];
  readonly containers: RuntimeContainer[];
}

/** The workers by pod. */
export class NodePods {
  readonly #deps: NodePodsDeps;
  readonly #workers = new Map<string, PodWorker>();
  /** What the runtimes had when the kubelet started, by pod uid, until the pod is seen. */
  readonly #found = new Map<string, Found>();

  constructor(deps: NodePodsDeps) {
    this.#deps = deps;
  }

  list(): readonly PodWorker[] {
    return [...this.#workers.values()];
  }

  /** Nothing of the pod runs any more, nor will. */
  isOver(uid: string): boolean {
    return this.#workers.get(uid)?.finished !== false;
  }

  /** It is gone from the API, and ends. */
  isLeaving(uid: string): boolean {
    return this.#workers.get(uid)?.leaving === true;
  }

  /** Looks for what is there from before the kubelet started. */
  async find(): Promise<void> {
    for (const runtime of Object.values(this.#deps.runtimes)) {
      for (const sandbox of await runtime.sandboxes.list()) {
        const { podUid, runtimeHandler: handler } = sandbox.config;
        this.#foundOf(podUid).sandboxes.push(sandbox);
        this.#deps.podRuntimes.found(podUid, { runtime, ...(handler === undefined ? {} : { handler }) });
      }
      for (const container of await runtime.containers.list())
        this.#foundOf(container.podUid).containers.push(container);
    }
  }

  /** Ends what was found of pods that are no longer there; gives the uids of those that are. */
  async removeOrphans(): Promise<ReadonlySet<string>> {
    const orphans = [...this.#found.values()];
    for (const uid of this.#found.keys()) this.#deps.podRuntimes.forget(uid);
    this.#found.clear();
    for (const { sandboxes } of orphans) {
      for (const { id } of sandboxes) {
        for (const runtime of Object.values(this.#deps.runtimes)) await runtime.sandboxes.remove(id);
      }
    }
    return new Set(this.#workers.keys());
  }

  /** A pod of this node is there, or has changed. */
  seen(pod: Pod): void {
    const uid = uidOf(pod);
    const known = this.#workers.get(uid);
    if (known !== undefined) {
      this.#deps.allocations.updated(pod);
      known.update(pod);
      return;
    }
    const worker = this.#makeWorker(pod);
    this.#workers.set(uid, worker);
    worker.update(pod);
  }

  /** It is no longer in the API. */
  removed(pod: Pod): void {
    // Who bound the next pod here counts on its room, though its containers may take a moment to end.
    this.#deps.allocations.release(uidOf(pod));
    this.#workers.get(uidOf(pod))?.removed();
  }

  /** Everything of it has ended, and it is gone. */
  forget(pod: Pod): void {
    const uid = uidOf(pod);
    this.#workers.get(uid)?.stop();
    this.#workers.delete(uid);
    this.#deps.allocations.release(uid);
    this.#deps.podRuntimes.forget(uid);
    this.#deps.pinning.wake();
  }

  exited(container: RuntimeContainer): void {
    this.#workers.get(container.podUid)?.exited(container);
  }

  /** What the pod uses has changed. */
  changed(uid: string): void {
    this.#workers.get(uid)?.changed();
  }

  /** What all of them use has changed. */
  allChanged(): void {
    for (const worker of this.#workers.values()) worker.changed();
  }

  /** There is something new to look at for the pod. */
  wake(uid: string): void {
    this.#workers.get(uid)?.wake();
  }

  /** Resolves once what was last said of each pod is in the API, or never will be. */
  async written(): Promise<void> {
    const { statuses } = this.#deps.context();
    await Promise.all([...this.#workers.keys()].map((uid) => statuses.flush(uid)));
  }

  /** Ends all timers and what is under way; containers are left as they are. */
  stop(): void {
    for (const worker of this.#workers.values()) worker.stop();
  }

  clear(): void {
    this.#workers.clear();
  }

  #makeWorker(pod: Pod): PodWorker {
    const { hostIps } = this.#deps;
    const context = this.#deps.context();
    const found = this.#found.get(uidOf(pod));
    this.#found.delete(uidOf(pod));
    const addresses = pod.spec?.hostNetwork === true ? hostIps : this.#keptAddresses(pod);
    const rejected = this.#admit(pod);
    if (rejected !== undefined) {
      context.recorder.record(pod, { type: 'Warning', reason: rejected.reason, message: rejected.message });
    }
    return new PodWorker({
      context,
      pod,
      ...(found === undefined ? {} : { found: { ...found, addresses } }),
      ...(rejected === undefined
        ? {}
        : { rejected: { ...rejected, message: `Pod was rejected: ${rejected.message}` } }),
    });
  }

  /** A pod that is started again keeps its addresses, so that those who know them still reach it. */
  #keptAddresses(pod: Pod): readonly string[] {
    const { podIP = '', podIPs } = pod.status ?? {};
    const known = podIPs?.map(({ ip }) => ip) ?? (podIP === '' ? [] : [podIP]);
    if (known.length === 0 || isPodTerminal(pod)) return [];
    return this.#deps.network.recover(uidOf(pod), known) ? known : [];
  }

  #admit(pod: Pod): PodFailure | undefined {
    const isNew = pod.status?.startTime === undefined && pod.metadata?.deletionTimestamp === undefined;
    const pressed = isNew && !isPodTerminal(pod) ? this.#deps.refusal(pod) : undefined;
    const { allocations, pinning } = this.#deps;
    const refused = pressed ?? allocations.admit(pod);
    if (refused !== undefined || isPodTerminal(pod)) return refused;
    const unpinned = pinning.admit(pod, { isNew });
    if (unpinned === undefined || !isNew) return undefined;
    allocations.release(uidOf(pod));
    return unpinned;
  }

  #foundOf(podUid: string): Found {
    let found = this.#found.get(podUid);
    if (found === undefined) {
      found = { sandboxes: [], containers: [] };
      this.#found.set(podUid, found);
    }
    return found;
  }
}

function uidOf(pod: Pod): string {
  return pod.metadata?.uid ?? '';
}
