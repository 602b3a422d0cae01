/**
 * When the changes happened that led to new endpoints, so that the time from there to the proxies can be measured: of the changes since
 * a Service was last looked at, the earliest. Upstream counterpart: `endpointslice/util/trigger_time_tracker.go`.
 */

import { podCondition } from '#pkg/api/core/pod.ts';
import type { Pod, Service } from '#pkg/api/types/core-v1.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { timeMs } from '../common/pod.ts';

/** When what led to the endpoints happened. Source: upstream `EndpointsLastChangeTriggerTime`. */
export const triggerTimeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';

interface Seen {
  readonly service: string | undefined;
  /** By pod name, what it last became and when: `True 2026-01-01T00:00:00Z`. */
  readonly pods: ReadonlyMap<string, string>;
}

/** Bounded by the number of Services and their pods; `forget` a Service that is gone. */
export class TriggerTimes {
  readonly #seen = new Map<string, Seen>();

  /** The time as a timestamp; undefined when nothing happened since the last call. Of a Service not seen before, its creation. */
  next(service: Service, pods: readonly Pod[]): string | undefined {
    const before = this.#seen.get(objectKey(service));
    const created = service.metadata?.creationTimestamp;
    const states = new Map<string, string>();
    const changed: string[] = [];
    for (const pod of pods) {
      const { name = '' } = pod.metadata ?? {};
      const ready = podCondition(pod, 'Ready');
      const time = ready?.lastTransitionTime ?? undefined;
      if (time === undefined) continue;
      const state = `${ready?.status} ${time}`;
      states.set(name, state);
      if (state !== before?.pods.get(name)) changed.push(time);
    }
    this.#seen.set(objectKey(service), { service: created, pods: states });
    if (before === undefined) return created;
    if (created !== undefined && timeMs(created) > timeMs(before.service)) changed.push(created);
    return changed.sort((a, b) => timeMs(a) - timeMs(b))[0];
  }

  forget(serviceKey: string): void {
    this.#seen.delete(serviceKey);
  }
}

/** Annotations with the time, or without one when nothing new led to the change; undefined when there are none then. */
export function withTriggerTime(
  annotations: Readonly<Record<string, string>> | undefined,
  time: string | undefined,
): Readonly<Record<string, string>> | undefined {
  const { [triggerTimeAnnotation]: _, ...others } = annotations ?? {};
  if (time !== undefined) return { ...others, [triggerTimeAnnotation]: time };
  return Object.keys(others).length === 0 ? undefined : others;
}
