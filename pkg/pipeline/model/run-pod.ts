/** A step that is a pod: made once, looked at until it ends or its time is over. Pure. */
import { type Decision, deadlineMs, type PodFacts, type StepView, stopReason } from './step-view.ts';
import type { StepStatus } from './types.ts';

/** A `name@sha256:…` or the URL of a module whose path has the digest: what a build says with its last words. */
const imagePattern = /^\S+sha256[:-][0-9a-f]{64}\S*$/;

/** Decides on a running step whose work a pod does. A pod that was seen and is gone is not made again: it may have done half of its work. */
export function podStep(view: StepView, pod: PodFacts): Decision<StepStatus> {
  const { step, now } = view;
  const status = pod.state === 'absent' ? view.status : { ...view.status, podName: pod.name };
  const end = (phase: StepStatus['phase'], more: Partial<StepStatus>): StepStatus => ({
    ...status,
    phase,
    ...more,
    completionTime: now,
  });
  if (pod.state === 'ended') {
    const { succeeded, reason, message } = pod;
    const said = message === '' ? {} : { message };
    if (!succeeded) return done(end('Failed', { reason, ...said }));
    if (step.build === undefined) return done(end('Succeeded', said));
    if (!imagePattern.test(message))
      return done(end('Failed', { reason: 'NoImage', message: 'the build names no image' }));
    return done(end('Succeeded', { image: message }));
  }
  const stop = stopReason(view);
  if (stop !== undefined) {
    const acts = pod.state === 'running' ? ([{ type: 'deletePod', step: step.name }] as const) : [];
    return { status: end(stop.phase, { reason: stop.reason }), acts, wakeMs: undefined };
  }
  const wakeMs = deadlineMs(status.startTime, view.nowMs, view.timeoutMs);
  if (pod.state === 'running') return { status, acts: [], wakeMs };
  if (status.podName !== undefined)
    return done(end('Failed', { reason: 'PodLost', message: `pod ${status.podName} is gone` }));
  return { status, acts: [{ type: 'createPod', step: step.name }], wakeMs };
}

function done(status: StepStatus): Decision<StepStatus> {
  return { status, acts: [], wakeMs: undefined };
}
