/**
 * A run as a pure state machine: what is known of it and of the world in, what is known then and what is to be done out. `controller/` writes the
 * status first and acts then, looks again, and may break off anywhere between.
 *
 * Laws:
 * 1. A run ends exactly once: what is known of an ended run never changes, and every run ends, as all that it waits for has a deadline.
 * 2. A step begins when all that it waits for has succeeded, and is skipped when something of that has not.
 * 3. Nothing is half promoted: a Deployment is given an image, the run's hold on it and the image it had before in one write, and gets the old image back,
 *    or lets the hold go, in one write. A run does not end while it holds a Deployment: each has the new image as its step has succeeded, or the old one.
 * 4. One step of one run holds a Deployment at a time, and a run never replaces what a later push of its pipeline has put there.
 * 5. What a step is found to be (`verdict`) is written before it is acted on and does not change: a roll-back that was begun is finished.
 * 6. Actions may be asked for again, and be done twice or not at all in between, without any difference to the end.
 */
import { checkoutStep, planProblem, stepOrder } from './plan.ts';
import { deployStep } from './run-deploy.ts';
import { podStep } from './run-pod.ts';
import { type Act, type Decision, deadlineMs, isFinal, type StepView, type World } from './step-view.ts';
import type { PipelineRun, RunPhase, RunStatus, StepSpec, StepStatus } from './types.ts';

const approvalSecondsDefault = 24 * 3600;
const timeoutSecondsDefault = 600;

/** What a run is decided from. */
export interface RunInput {
  readonly spec: PipelineRun['spec'];
  readonly status: RunStatus | undefined;
  readonly world: World;
  readonly nowMs: number;
}

/** Decides what is known of a run now, and what is to be done. */
export function decideRun({ spec, status, world, nowMs }: RunInput): Decision<RunStatus> {
  if (status?.completionTime !== undefined) return { status, acts: leftPods(status, world), wakeMs: undefined };
  const now = timeText(nowMs);
  const problem = planProblem(spec.steps);
  if (problem !== undefined) {
    const ended = { phase: 'Failed', reason: 'InvalidPipeline', message: problem, steps: [] } as const;
    return { status: { ...status, ...ended, startTime: now, completionTime: now }, acts: [], wakeMs: undefined };
  }
  const steps = new Map<string, StepStatus>();
  const acts: Act[] = [];
  const wakes: number[] = [];
  for (const name of stepOrder(spec.steps)) {
    const view = viewOf(name, { spec, status, nowMs });
    const decided = decideStep(view, { steps, spec, world });
    steps.set(name, decided.status);
    acts.push(...decided.acts);
    if (decided.wakeMs !== undefined) wakes.push(decided.wakeMs);
  }
  const wakeMs = wakes.length === 0 ? undefined : Math.min(...wakes);
  return { status: summary(status, [...steps.values()], now), acts, wakeMs };
}

/** The steps that nobody cares about any more lose their pods, also after the run. */
function leftPods({ steps }: RunStatus, world: World): readonly Act[] {
  return steps
    .filter(({ name }) => world.pod(name).state === 'running')
    .map(({ name }) => ({ type: 'deletePod', step: name }));
}

function viewOf(name: string, { spec, status, nowMs }: Omit<RunInput, 'world'>): StepView {
  const step: StepSpec = spec.steps.find((one) => one.name === name) ?? { name };
  const after = name === checkoutStep ? [] : [checkoutStep, ...(step.after ?? [])];
  const before = status?.steps.find((one) => one.name === name) ?? { name, phase: 'Pending' };
  return {
    step,
    after,
    status: before,
    nowMs,
    now: timeText(nowMs),
    timeoutMs: (step.timeoutSeconds ?? timeoutSecondsDefault) * 1000,
    isCancelled: spec.cancelled === true,
    isApproved: step.deploy?.approval !== 'Manual' || (spec.approved?.includes(name) ?? false),
  };
}

interface Around {
  readonly steps: ReadonlyMap<string, StepStatus>;
  readonly spec: PipelineRun['spec'];
  readonly world: World;
}

function decideStep(view: StepView, around: Around): Decision<StepStatus> {
  const { step } = view;
  if (isFinal(view.status.phase)) {
    const isLeft = step.deploy === undefined && around.world.pod(step.name).state === 'running';
    return { status: view.status, acts: isLeft ? [{ type: 'deletePod', step: step.name }] : [], wakeMs: undefined };
  }
  const status = view.status.phase === 'Running' ? view.status : begin(view, around.steps);
  if (status.phase !== 'Running') {
    const wakeMs = status.phase === 'Approval' ? approvalEndMs({ ...view, status }) : undefined;
    return { status, acts: [], wakeMs };
  }
  const running = { ...view, status };
  if (step.deploy === undefined) return podStep(running, around.world.pod(step.name));
  const image = around.steps.get(step.deploy.from)?.image;
  return deployStep(running, { image, deploy: step.deploy, target: around.world.target(step.name) });
}

/** The step where it can begin, or what keeps it from that. */
function begin(view: StepView, steps: ReadonlyMap<string, StepStatus>): StepStatus {
  const { status, now, isCancelled, isApproved, after } = view;
  if (isCancelled) return ended(view, { phase: 'Cancelled', reason: 'Cancelled' });
  const phases = after.map((name) => ({ name, phase: steps.get(name)?.phase ?? 'Pending' }));
  const failed = phases.find(({ phase }) => isFinal(phase) && phase !== 'Succeeded');
  if (failed !== undefined)
    return ended(view, { phase: 'Skipped', reason: 'NotReached', message: `${failed.name} has not succeeded` });
  if (phases.some(({ phase }) => phase !== 'Succeeded')) return status;
  if (isApproved) return { ...status, phase: 'Running', startTime: now };
  if (status.phase !== 'Approval') return { ...status, phase: 'Approval', approvalTime: now };
  return view.nowMs < approvalEndMs(view) ? status : ended(view, { phase: 'Failed', reason: 'NotApproved' });
}

function ended({ status, now }: StepView, end: Pick<StepStatus, 'phase' | 'reason' | 'message'>): StepStatus {
  return { ...status, ...end, completionTime: now };
}

function approvalEndMs({ step, status, nowMs }: StepView): number {
  return deadlineMs(status.approvalTime, nowMs, (step.deploy?.approvalTimeoutSeconds ?? approvalSecondsDefault) * 1000);
}

function summary(before: RunStatus | undefined, steps: readonly StepStatus[], now: string): RunStatus {
  const { startTime = now, notified } = before ?? {};
  const kept = { startTime, ...(notified === undefined ? {} : { notified }), steps };
  if (!steps.every(({ phase }) => isFinal(phase))) return { phase: openPhase(steps), ...kept };
  const order = ['Cancelled', 'RolledBack', 'Failed'] as const;
  const phase = order.find((bad) => steps.some((step) => step.phase === bad));
  if (phase === undefined) return { phase: 'Succeeded', ...kept, completionTime: now };
  const first = steps.find((step) => step.phase === phase);
  const why = first?.message ?? first?.reason;
  const message = [`step ${first?.name ?? ''}`, why].filter((part) => part !== undefined).join(': ');
  return { phase, reason: first?.reason ?? phase, message, ...kept, completionTime: now };
}

function openPhase(steps: readonly StepStatus[]): RunPhase {
  if (steps.some(({ phase }) => phase === 'Running')) return 'Running';
  return steps.some(({ phase }) => phase === 'Approval') ? 'Approval' : 'Running';
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
