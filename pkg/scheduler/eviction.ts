/** Evicts the victims of a preemption: says on each why it goes, deletes it gracefully, and records it. */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { type Clock, timestamp } from '#pkg/base/clock.ts';
import type { Client } from '#pkg/client/client.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import { asEventObject } from './failure-report.ts';
import type { PodInfo } from './model/pod-info.ts';

/** What evictions need, and for whom they are made. */
export interface EvictionOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly recorder: EventRecorder;
  readonly preemptor: PodInfo;
  readonly nodeName: string;
  readonly schedulerName: string;
  readonly signal: AbortSignal;
}

/**
 * Evicts all victims that are not going already; rejects when one could not be evicted, the others being evicted all the same. Takes back
 * what was promised to `displaced` on the node first, as they may not fit there any more.
 */
export async function evict(
  { victims, displaced }: { readonly victims: readonly PodInfo[]; readonly displaced: readonly PodInfo[] },
  options: EvictionOptions,
): Promise<void> {
  const staying = victims.filter(({ pod }) => pod.metadata?.deletionTimestamp === undefined);
  const work = [
    ...displaced.map(({ pod }) => clearNomination(pod, options)),
    ...staying.map(({ pod }) => evictOne(pod, options)),
  ];
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

async function clearNomination({ metadata, status }: Pod, { client, signal }: EvictionOptions): Promise<void> {
  if (!status?.nominatedNodeName) return;
  const { name = '', namespace = '' } = metadata ?? {};
  const patch = { status: { nominatedNodeName: null } };
  try {
    await client.resource(pods).patch(name, patch, { namespace, type: 'merge', subresource: 'status', signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
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
