/**
 * Writes pod statuses to the API: the newest of each pod, only when it differs from what the API has, as a patch of what
 * changed. What is set at one instant goes out as one write. Upstream counterpart: kubelet `status/status_manager.go`.
 *
 * Invariant: at most one write per pod is under way; a status set meanwhile is written after it.
 */
import type { Pod, PodCondition, PodStatus } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { Deferred, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import type { Client, ResourceClient } from '#pkg/client/client.ts';
import { isOwnCondition } from './conditions.ts';
import { sameStatus } from './same-status.ts';

/** Wait after a write that failed. */
const retryMs = 2_000;

/** By the uid of the pod that runs. */
interface Entry {
  /** The newest known state of the pod in the API. */
  pod: Pod;
  /** What it should say; undefined once that is written or given up. */
  wanted: PodStatus | undefined;
  /** Resolved when `wanted` is written or given up. */
  idle: Deferred | undefined;
}

/** By which client statuses are written. */
export interface StatusManagerDeps {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  /** The pod of the API that tells of this one, while there is one. Default: itself. */
  apiPodOf?(pod: Pod): Pod | undefined;
}

/** The statuses of one node's pods. */
export class StatusManager {
  readonly #client: ResourceClient<Pod>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #apiPodOf: (pod: Pod) => Pod | undefined;
  readonly #entries = new Map<string, Entry>();
  readonly #running = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;

  constructor(deps: StatusManagerDeps) {
    this.#client = deps.client.resource(pods);
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#apiPodOf = (pod) => (deps.apiPodOf === undefined ? pod : deps.apiPodOf(pod));
  }

  /** Writes nothing before it is given a signal, and nothing after that is aborted. */
  start(signal: AbortSignal): void {
    this.#signal = signal;
  }

  /** Resolves when no write is under way any more. */
  async stopped(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** The newest state of a pod this manager knows: from its own writes or from `pod`, or from what else of the API tells of it. */
  newest(pod: Pod): Pod {
    const own = this.#apiPodOf(pod);
    if (own === undefined) return pod;
    const newest = this.#newestOf(pod, own);
    return own === pod || newest.status === undefined ? newest : { ...pod, status: newest.status };
  }

  /** Whether this state of a pod is one that a write of this manager returned, or older. */
  hasSeen(pod: Pod): boolean {
    const known = this.#entries.get(pod.metadata?.uid ?? '')?.pod;
    return known !== undefined && versionOf(known) >= versionOf(pod);
  }

  /** Takes a state that a watch has told in place of the same one that a write has returned: others hold that, and the answer is held by nobody else. */
  told(pod: Pod): void {
    const entry = this.#entries.get(pod.metadata?.uid ?? '');
    if (entry !== undefined && versionOf(entry.pod) === versionOf(pod)) entry.pod = pod;
  }

  /** States what the pod's status should be. Where nothing of the API tells of the pod nothing is written. */
  set(pod: Pod, status: PodStatus): void {
    const own = this.#apiPodOf(pod);
    if (own === undefined) return;
    const uid = pod.metadata?.uid ?? '';
    const newest = this.#newestOf(pod, own);
    let entry = this.#entries.get(uid);
    if (entry === undefined) {
      entry = { pod: newest, wanted: undefined, idle: undefined };
      this.#entries.set(uid, entry);
    }
    entry.pod = newest;
    const isWriting = entry.wanted !== undefined;
    if (!isWriting && !differs(entry.pod.status ?? {}, status)) return;
    entry.wanted = status;
    if (isWriting) return;
    const running = this.#write(uid, entry).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when the newest status of a pod is in the API, or never will be. */
  async flush(uid: string): Promise<void> {
    const entry = this.#entries.get(uid);
    if (entry?.wanted === undefined) return;
    entry.idle ??= new Deferred();
    await entry.idle.promise;
  }

  forget(uid: string): void {
    this.#entries.delete(uid);
  }

  #newestOf(pod: Pod, own: Pod): Pod {
    const known = this.#entries.get(pod.metadata?.uid ?? '')?.pod;
    return known?.metadata?.uid === own.metadata?.uid && known !== undefined && versionOf(known) > versionOf(own)
      ? known
      : own;
  }

  async #write(uid: string, entry: Entry): Promise<void> {
    // One turn of the clock: lets everything that follows from the same instant be part of the same write.
    await sleep(this.#clock, 0);
    while (this.#entries.get(uid) === entry && this.#signal?.aborted === false) {
      const { wanted } = entry;
      const patch = wanted && statusPatch(entry.pod, wanted);
      if (patch === undefined) break;
      try {
        const written = await this.#send(entry.pod, patch);
        // A watch may have been faster.
        if (versionOf(written) > versionOf(entry.pod)) entry.pod = written;
        // What a write did not bring about, the same write again will not either.
        if (entry.wanted === wanted) break;
      } catch (error) {
        if (this.#signal?.aborted) break;
        if (isNotFound(error) || isConflict(error)) break;
        this.#log.warn('Pod status not written, will try again', { pod: podKey(entry.pod), error });
        if (!(await sleep(this.#clock, retryMs, this.#signal))) break;
      }
    }
    entry.wanted = undefined;
    entry.idle?.resolve();
    entry.idle = undefined;
  }

  #send(pod: Pod, patch: JsonObject): Promise<Pod> {
    const { name = '', namespace = '' } = pod.metadata ?? {};
    return this.#client.patch(name, patch, {
      namespace,
      type: 'strategic',
      subresource: 'status',
      ...(this.#signal === undefined ? {} : { signal: this.#signal }),
    });
  }
}

function podKey(pod: Pod): string {
  return `${pod.metadata?.namespace}/${pod.metadata?.name}`;
}

/** Resource versions are compared as numbers, which Kubernetes allows since 1.35. */
function versionOf(pod: Pod): number {
  return Number(pod.metadata?.resourceVersion ?? 0);
}

/** Fields the kubelet owns; others of the status belong to others. */
const ownedFields = [
  'observedGeneration',
  'phase',
  'conditions',
  'message',
  'reason',
  'hostIP',
  'hostIPs',
  'podIP',
  'podIPs',
  'startTime',
  'initContainerStatuses',
  'containerStatuses',
  'ephemeralContainerStatuses',
] as const satisfies readonly (keyof PodStatus)[];

function differs(before: PodStatus, after: PodStatus): boolean {
  return ownedFields.some((field) => fieldDiffers(before, after, field));
}

function fieldDiffers(before: PodStatus, after: PodStatus, field: (typeof ownedFields)[number]): boolean {
  if (field === 'conditions') return conditionsPatch(before.conditions ?? [], after.conditions ?? []).length > 0;
  return !sameStatus(before[field], after[field]);
}

/** A strategic merge patch with what changed; undefined when nothing did. The uid makes it fail for a pod of the same name. */
export function statusPatch(pod: Pod, wanted: PodStatus): JsonObject | undefined {
  const before = pod.status ?? {};
  const status: JsonObject = {};
  for (const field of ownedFields) {
    if (!fieldDiffers(before, wanted, field)) continue;
    if (field === 'conditions') status[field] = conditionsPatch(before.conditions ?? [], wanted.conditions ?? []);
    else if (field === 'podIPs' || field === 'hostIPs') status[field] = replacement(before[field], wanted[field]);
    else status[field] = wanted[field] ?? null;
  }
  if (Object.keys(status).length === 0) return undefined;
  return { metadata: { uid: pod.metadata?.uid }, status };
}

/**
 * Conditions are merged by type and field, and their order means nothing: those that changed are sent; what one no longer says is taken
 * away by name, and so are the kubelet's own that are not wanted any more. Those of others are theirs to take away.
 */
function conditionsPatch(before: readonly PodCondition[], wanted: readonly PodCondition[]): readonly JsonObject[] {
  const changed = wanted.flatMap((condition) => {
    const known = before.find(({ type }) => type === condition.type);
    if (sameStatus(known, condition)) return [];
    const removed = Object.entries(known ?? {}).flatMap(([key, value]) =>
      value === null || Object.hasOwn(condition, key) ? [] : [key],
    );
    return [{ ...condition, ...Object.fromEntries(removed.map((key) => [key, null])) }];
  });
  const unwanted = before.filter((one) => isOwnCondition(one) && !wanted.some(({ type }) => type === one.type));
  return [...changed, ...unwanted.map(({ type }) => ({ type, $patch: 'delete' }))];
}

/** Lists that are merged by key: those which had other items are replaced as a whole. */
function replacement(before: readonly unknown[] | undefined, wanted: readonly unknown[] | undefined): unknown {
  if (wanted === undefined) return null;
  return before === undefined || before.length === 0 ? wanted : [...wanted, { $patch: 'replace' }];
}
