/** Evicts the victims of a preemption: says on each why it goes, deletes it gracefully, and records it. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { type Clock, timestamp } from '#pkg/base/clock.ts';
import type { Client } from '#pkg/client/client.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import { asEventObject } from './failure-report.ts';
import type { PodInfo } from './framework/pod-info.ts';

export interface EvictionOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly recorder: EventRecorder;
  readonly preemptor: PodInfo;
  readonly nodeName: string;
  readonly schedulerName: string;
  readonly signal: AbortSignal;
}

/** Evicts all victims at once; rejects when one could not be, the others being evicted all the same. */
export async function evict(victims: readonly PodInfo[], options: EvictionOptions): Promise<void> {
  const results = await Promise.allSettled(victims.map((victim) => evictOne(victim.pod, options)));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** A pod that is gone already, or whose name another has now, needs nothing. */
async function evictOne(victim: Pod, options: EvictionOptions): Promise<void> {
  const { client, clock, recorder, preemptor, nodeName, signal } = options;
  const { name = '', namespace = '', uid } = victim.metadata ?? {};
  const identity = uid === undefined ? {} : { uid };
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    lastTransitionTime: timestamp(clock),
    reason: 'PreemptionByScheduler',
    message: `${options.schedulerName}: preempting to accommodate a higher priority pod`,
  };
  const patch = { metadata: identity, status: { conditions: [condition] } };
  try {
    const resource = client.resource(pods);
    await resource.patch(name, patch, { namespace, type: 'strategic', subresource: 'status', signal });
    await resource.delete(name, { namespace, preconditions: identity, signal });
  } catch (error) {
    if (isNotFound(error)) return;
    throw error;
  }
  const message = `Preempted by pod ${preemptor.uid} on node ${nodeName}`;
  recorder.record(asEventObject(victim), { type: 'Normal', reason: 'Preempted', message });
}
