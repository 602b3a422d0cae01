/** Says of a pod group whether the scheduler found room for it: its condition `PodGroupScheduled` and an event. */
import { podGroups } from '#pkg/api/types/refs.ts';
import type { PodGroup } from '#pkg/api/types/scheduling-v1alpha2.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { ComponentDeps } from '#pkg/component/component.ts';

const conditionType = 'PodGroupScheduled';

/** What is said of a group that does not fit. */
interface Unschedulable {
  readonly message: string;
  readonly recorder: EventRecorder;
}

interface Said {
  readonly status: 'False' | 'True';
  readonly reason: 'Scheduled' | 'Unschedulable';
  readonly message: string;
}

/** Writes what one run says; what the API says already is not written again. Nothing of it rejects. */
export class GroupStatus {
  readonly #deps: ComponentDeps;
  readonly #signal: AbortSignal;

  constructor(deps: ComponentDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /** Room was found; it is not said of bindings that they came through. */
  scheduled(key: string): Promise<void> {
    return this.#write(key, { status: 'True', reason: 'Scheduled', message: '' });
  }

  unschedulable(key: string, { message, recorder }: Unschedulable): Promise<void> {
    const group = this.#get(key);
    if (group !== undefined) {
      const object = { ...group, apiVersion: 'scheduling.k8s.io/v1alpha2', kind: 'PodGroup' } as const;
      recorder.record(object, { type: 'Warning', reason: 'FailedScheduling', message: message.slice(0, 1_024) });
    }
    return this.#write(key, { status: 'False', reason: 'Unschedulable', message });
  }

  #get(key: string): PodGroup | undefined {
    return this.#deps.informers.informer(podGroups).lister.get(key);
  }

  async #write(key: string, said: Said): Promise<void> {
    const { client, clock, log } = this.#deps;
    const group = this.#get(key);
    const old = findCondition(group?.status?.conditions, conditionType);
    const isSaid = old?.status === said.status && old.reason === said.reason && old.message === said.message;
    // That room was found once stays so, whatever becomes of single pods.
    if (group === undefined || isSaid || old?.status === 'True') return;
    const { name = '', namespace = '', uid, generation } = group.metadata ?? {};
    const condition = {
      type: conditionType,
      ...said,
      lastTransitionTime: old?.status === said.status ? old.lastTransitionTime : timestamp(clock),
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
    const patch = { metadata: uid === undefined ? {} : { uid }, status: { conditions: [condition] } };
    try {
      await client
        .resource(podGroups)
        .patch(name, patch, { namespace, type: 'strategic', subresource: 'status', signal: this.#signal });
    } catch (error) {
      if (this.#signal.aborted || isNotFound(error) || isConflict(error)) return;
      log.warn('Cannot write the condition of a pod group', { podGroup: key, error });
    }
  }
}
