/** How a pod goes that does not bear a taint, of its node or of a device: it is said on it why, and it is deleted. */
import type { Pod, PodCondition } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { ControllerContext } from './controller.ts';

/** Deletes a pod with a condition `DisruptionTarget` that gives the reason; false where it is gone. Of two that do so at once one finds it gone, which is as well. */
export async function evictTainted(
  { client, clock }: ControllerContext,
  pod: Pod,
  why: Pick<PodCondition, 'message' | 'reason'>,
): Promise<boolean> {
  const { name = '', namespace = '', uid } = pod.metadata ?? {};
  const condition = { type: 'DisruptionTarget', status: 'True', ...why, lastTransitionTime: timestamp(clock) };
  const patch = { metadata: { uid }, status: { conditions: [condition] } };
  try {
    await client.resource(pods).patch(name, patch, { namespace, type: 'strategic', subresource: 'status' });
    await client.resource(pods).delete(name, { namespace, ...(uid === undefined ? {} : { preconditions: { uid } }) });
    return true;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return false;
  }
}
