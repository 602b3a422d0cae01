/**
 * Deletes finished jobs, with their pods, when their `ttlSecondsAfterFinished` has passed since they ended. The server is asked before: the
 * time may have been made longer just now. Upstream counterpart: `pkg/controller/ttlafterfinished`.
 */
import type { Job } from '#pkg/api/types/batch-v1.ts';
import { jobs } from '#pkg/api/types/refs.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { isConflict, isNotFound } from '#pkg/apimachinery/status-error.ts';
import type { ReconcileResult } from '#pkg/client/work-queue.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';
import { timeMs } from '../common/pod.ts';

/** Jobs worked on at the same time. */
const workers = 5;

/** The controller of jobs that have outlived their use. */
export function createTtlAfterFinishedController(context: ControllerContext): Component {
  const informer = context.informers.informer(jobs);
  const resource = context.client.resource(jobs);

  const reconcile = async (key: string, signal: AbortSignal): Promise<ReconcileResult> => {
    const job = informer.lister.get(key);
    const leftMs = job === undefined ? undefined : expiresInMs(job, context.clock.nowMs());
    if (job === undefined || leftMs === undefined) return undefined;
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    const { name = '', namespace = '', uid } = job.metadata ?? {};
    try {
      const current = await resource.get(name, { namespace, signal });
      const currentMs = expiresInMs(current, context.clock.nowMs());
      if (current.metadata?.uid !== uid || currentMs === undefined) return undefined;
      if (currentMs > 0) return { requeueAfterMs: currentMs };
      const preconditions = uid === undefined ? {} : { preconditions: { uid } };
      await resource.delete(name, { namespace, propagationPolicy: 'Foreground', ...preconditions });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
    return undefined;
  };

  const loop = createLoop(context, { name: 'ttl-after-finished', workers, reconcile });
  const enqueue = (job: Job): void => {
    if (expiresInMs(job, context.clock.nowMs()) !== undefined) loop.queue.add(objectKey(job));
  };
  informer.addHandler({ added: enqueue, updated: (_, job) => enqueue(job) });
  return loop;
}

/** Milliseconds until a job is to be deleted; undefined while that is open, and when it is deleted already. */
function expiresInMs(job: Job, nowMs: number): number | undefined {
  const seconds = job.spec?.ttlSecondsAfterFinished;
  if (seconds === undefined || job.metadata?.deletionTimestamp !== undefined) return undefined;
  const ended = job.status?.conditions?.find(
    ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
  );
  if (!ended?.lastTransitionTime) return undefined;
  return timeMs(ended.lastTransitionTime) + seconds * 1_000 - nowMs;
}
