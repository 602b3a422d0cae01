/** The volumes of one pod: brought up to date when something that they tell of has changed, tried again with a back-off where that fails. */
import { isDeepStrictEqual } from 'node:util';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { unlessAborted } from '#pkg/base/async.ts';
import type { FieldContext } from '../env/field-ref.ts';
import { podDescription } from '../model/pod-view.ts';
import type { VolumeMounted } from '../volumes/volume-mounted.ts';
import type { PodFacts } from './pod-facts.ts';

/** Between tries to mount: 0.5 s doubling to 2 min 2 s. Source: `goroutinemap/exponentialbackoff`. */
const retryMsMin = 500;
const retryMsMax = 122_000;

/** Whether containers can start, and when to look again. */
export interface MountResult {
  /** When they are to be looked at again though nothing changes. */
  readonly dueAtMs: number | undefined;
  /** Containers can start: what has been mounted once is kept as it is, so only a pod that never had its volumes waits for them. */
  readonly isReady: boolean;
}

/** The mounts of one pod. */
export class PodMounts {
  readonly #facts: PodFacts;
  readonly #fields: () => FieldContext;
  #isStale = true;
  /** All of them were mounted, since the kubelet started. */
  #wereMounted = false;
  #volumes: ReadonlyMap<string, VolumeMounted> = new Map();
  /** Failed tries in a row. */
  #failures = 0;
  /** Not before this is a failed mount tried again, unless what it uses has changed. */
  #retryAtMs = 0;
  /** When contents have to be renewed though nothing changed. */
  #renewAtMs: number | undefined;

  constructor(facts: PodFacts, fields: () => FieldContext) {
    this.#facts = facts;
    this.#fields = fields;
  }

  /** Where they are, by the name of the volume. */
  get volumes(): ReadonlyMap<string, VolumeMounted> {
    return this.#volumes;
  }

  /** Something has changed that they tell of, and nobody has looked yet. */
  get hasNews(): boolean {
    return this.#isStale && this.#failures === 0;
  }

  /** The pod has changed; `before` is how it was. */
  podChanged(before: Pod): void {
    const { pod, context } = this.#facts;
    if (!sameNames(before, pod) && context.volumes.dependsOn(pod, 'metadata')) this.#isStale = true;
  }

  /** The pod has got its addresses, of which fields of the downward API may speak. */
  addressesChanged(): void {
    const { pod, context } = this.#facts;
    this.#isStale ||= context.volumes.dependsOn(pod, 'addresses');
  }

  /** An object that they show has changed. */
  objectsChanged(): void {
    this.#isStale = true;
    this.#retryAtMs = 0;
  }

  /** Mounts what is to be mounted. */
  async bringUpToDate(ending: AbortSignal): Promise<MountResult> {
    const nowMs = this.#facts.context.clock.nowMs();
    if (this.#renewAtMs !== undefined && this.#renewAtMs <= nowMs) this.#isStale = true;
    const retryAtMs = this.#isStale ? await this.#mount(ending) : undefined;
    return { dueAtMs: retryAtMs ?? this.#renewAtMs, isReady: retryAtMs === undefined || this.#wereMounted };
  }

  /** Returns when to try again if that failed. */
  async #mount(ending: AbortSignal): Promise<number | undefined> {
    const { context, pod } = this.#facts;
    if (this.#retryAtMs > context.clock.nowMs()) return this.#retryAtMs;
    this.#isStale = false;
    const mounting = context.volumes.mount(pod, this.#fields());
    // A pod that is to end does not wait for what its volumes name.
    const outcome = await unlessAborted(mounting, ending);
    if (outcome === undefined) {
      mounting.catch((error: unknown) => context.log.warn('Volumes not mounted', { pod: podDescription(pod), error }));
      return context.clock.nowMs();
    }
    if (outcome.ok) {
      this.#renewAtMs = outcome.renewAtMs;
      this.#volumes = outcome.volumes;
      this.#wereMounted = true;
      this.#failures = 0;
      return undefined;
    }
    context.recorder.record(pod, {
      type: 'Warning',
      reason: 'FailedMount',
      message: `MountVolume.SetUp failed for volume "${outcome.volume}" : ${outcome.message}`,
    });
    this.#isStale = true;
    const delayMs = Math.min(retryMsMin * 2 ** this.#failures++, retryMsMax);
    this.#retryAtMs = context.clock.nowMs() + delayMs;
    return this.#retryAtMs;
  }
}

/** Whether labels and annotations are the same: what volumes may tell of the pod itself. */
function sameNames(before: Pod, after: Pod): boolean {
  return (
    isDeepStrictEqual(before.metadata?.labels, after.metadata?.labels) &&
    isDeepStrictEqual(before.metadata?.annotations, after.metadata?.annotations)
  );
}
