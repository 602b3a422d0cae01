/** A step that gives a Deployment a new image: held while it rolls out and is looked at, then let go or taken back. Pure; the laws are in `run.ts`. */
import { type Act, type Decision, deadlineMs, type StepView, stopReason, type TargetFacts } from './step-view.ts';
import type { DeployStep, StepStatus, Verdict } from './types.ts';

/** How often a Deployment is looked at, and its metric read. */
const lookEveryMs = 1000;

interface Deploying {
  readonly deploy: DeployStep;
  /** What the build has made. */
  readonly image: string | undefined;
  readonly target: TargetFacts;
}

type Present = Extract<TargetFacts, { state: 'present' }>;

/** Decides on a running step that deploys. */
export function deployStep(view: StepView, { deploy, image, target }: Deploying): Decision<StepStatus> {
  const { status } = view;
  if (target.state === 'refused')
    return ended(view, { phase: 'Failed', reason: target.reason, message: target.message });
  if (image === undefined)
    return ended(view, { phase: 'Failed', reason: 'NoImage', message: `${deploy.from} has made no image` });
  if (target.holder === 'me') return held({ ...view, status: { ...status, image } }, { deploy, image, target });
  if (status.verdict !== undefined) return ended(view, status.verdict);
  const stop = stopReason(view);
  if (stop !== undefined) return ended(view, stop);
  if (status.image !== undefined)
    return ended(view, { phase: 'Failed', reason: 'TakenOver', message: 'somebody else has taken the Deployment' });
  if (target.isLater)
    return ended(view, { phase: 'Failed', reason: 'Superseded', message: 'a later push was deployed already' });
  if (target.holder === 'other') return goOn({ ...status, message: 'waits for another run' }, view.nowMs);
  const { message: _, ...rest } = status;
  return goOn(rest, view.nowMs, { type: 'promote', step: view.step.name, image });
}

/** A step that ends without a hold. Where it had one, the image before is back. */
function ended(
  { status, now }: StepView,
  { phase, reason, message }: Omit<Verdict, 'message'> & { readonly message?: string },
): Decision<StepStatus> {
  const { verdict: _, message: __, ...rest } = status;
  const wasBack =
    status.image !== undefined &&
    phase === 'Failed' &&
    reason !== changed &&
    reason !== 'TakenOver' &&
    reason !== 'TargetMissing';
  const end = {
    ...rest,
    phase: wasBack ? ('RolledBack' as const) : phase,
    reason,
    ...(message === undefined ? {} : { message }),
    completionTime: now,
  };
  return { status: end, acts: [], wakeMs: undefined };
}

const changed = 'ChangedMeanwhile';

function held(
  view: StepView,
  { deploy, image, target }: Deploying & { readonly image: string; readonly target: Present },
): Decision<StepStatus> {
  const rolledOutTime = view.status.rolledOutTime ?? (target.rollout === 'complete' ? view.now : undefined);
  const status = { ...view.status, ...(rolledOutTime === undefined ? {} : { rolledOutTime }) };
  const verdict = status.verdict ?? verdictOf({ ...view, status }, { deploy, image, target });
  if (verdict === undefined) return goOn(status, view.nowMs);
  const step = view.step.name;
  const keeps = verdict.phase === 'Succeeded' || target.image !== image;
  return goOn({ ...status, verdict }, view.nowMs, { type: keeps ? 'release' : 'rollBack', step });
}

/** What the step is found to be; undefined while that is open. */
function verdictOf(
  view: StepView,
  { deploy, image, target }: Deploying & { readonly image: string; readonly target: Present },
): Verdict | undefined {
  const failed = (reason: string, message: string): Verdict => ({ phase: 'Failed', reason, message });
  if (target.image !== image) return failed(changed, `somebody else has set the image ${target.image}`);
  if (target.unhealthy !== undefined) return failed('Unhealthy', target.unhealthy);
  const { metric: rule } = deploy;
  if (rule !== undefined && target.metric !== undefined && target.metric > rule.max)
    return failed('MetricExceeded', `${rule.name} is ${target.metric}, more than ${rule.max}`);
  if (target.rollout === 'failed') return failed('RolloutFailed', 'the new version did not become available');
  const stop = stopReason(view);
  if (stop !== undefined) return stop;
  const { rolledOutTime } = view.status;
  if (rolledOutTime === undefined || target.rollout !== 'complete') return undefined;
  if (view.nowMs < deadlineMs(rolledOutTime, view.nowMs, (deploy.watchSeconds ?? 0) * 1000)) return undefined;
  if (rule !== undefined && target.metric === undefined)
    return failed('MetricUnknown', `no pod of the new version says ${rule.name}`);
  return { phase: 'Succeeded', reason: 'Deployed' };
}

function goOn(status: StepStatus, nowMs: number, ...acts: readonly Act[]): Decision<StepStatus> {
  return { status, acts, wakeMs: nowMs + lookEveryMs };
}
