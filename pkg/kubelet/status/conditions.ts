/**
 * A pod's conditions as the kubelet writes them. Each keeps its last transition time while its status stays.
 * Source: kubelet `status/generate.go`.
 */

import type { ContainerStatus, Pod, PodCondition } from '#pkg/api/types/core-v1.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { formatTimestamp } from '#pkg/base/clock.ts';
import { initialized } from './phase.ts';
import type { PodStatusInput } from './pod-status-input.ts';

interface Verdict {
  readonly status: 'False' | 'True';
  readonly reason?: string;
  readonly message?: string;
}

/** What conditions follow from. */
export interface ConditionsInput extends PodStatusInput {
  readonly phase: string;
  readonly containers: readonly ContainerStatus[];
  readonly inits: readonly ContainerStatus[];
}

/** Conditions that the kubelet alone writes. Source: kubelet `types/pod_status.go`. */
const ownTypes: ReadonlySet<string> = new Set([
  'PodReadyToStartContainers',
  'Initialized',
  'Ready',
  'ContainersReady',
  'PodScheduled',
  'PodResizePending',
  'PodResizeInProgress',
]);

/** Whether a condition is the kubelet's to write and to take away. */
export function isOwnCondition({ type }: Pick<PodCondition, 'type'>): boolean {
  return ownTypes.has(type);
}

/** The conditions that others wrote. */
export function foreignConditions(pod: Pod): readonly PodCondition[] {
  return (pod.status?.conditions ?? []).filter((one) => !isOwnCondition(one));
}

/** The kubelet's five, in upstream's order, those of a resize that is under way, then those that others wrote. */
export function podConditions(input: ConditionsInput): readonly PodCondition[] {
  const containersReady = containersReadyVerdict(input);
  const { sandbox } = input.view;
  const own: readonly (readonly [string, Verdict])[] = [
    ['PodReadyToStartContainers', { status: sandbox === undefined || sandbox.stopped ? 'False' : 'True' }],
    ['Initialized', initializedVerdict(input)],
    ['Ready', readyVerdict(input.pod, containersReady)],
    ['ContainersReady', containersReady],
    ['PodScheduled', { status: 'True' }],
  ];
  return [
    ...own.map(([type, verdict]) => condition(input, type, verdict)),
    ...resizeConditions(input),
    ...evictionConditions(input),
  ];
}

/** Source: kubelet `status_manager.go` `GetPodResizeConditions`. */
function resizeConditions(input: ConditionsInput): readonly PodCondition[] {
  const { pending, inProgress } = input.resize ?? {};
  const conditions: PodCondition[] = [];
  if (pending !== undefined) {
    const { reason, message, generation } = pending;
    conditions.push(condition(input, 'PodResizePending', { status: 'True', reason, message }, generation));
  }
  if (inProgress !== undefined) {
    const { error, generation } = inProgress;
    const why = error === undefined ? {} : { reason: 'Error', message: error };
    conditions.push(condition(input, 'PodResizeInProgress', { status: 'True', ...why }, generation));
  }
  return conditions;
}

function condition(
  input: ConditionsInput,
  type: string,
  verdict: Verdict,
  generation: number | undefined = input.pod.metadata?.generation,
): PodCondition {
  const before = findCondition(input.pod.status?.conditions, type);
  const kept = before?.status === verdict.status ? before.lastTransitionTime : undefined;
  return {
    type,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    status: verdict.status,
    lastTransitionTime: kept ?? formatTimestamp(input.nowMs),
    ...(verdict.reason === undefined ? {} : { reason: verdict.reason }),
    ...(verdict.message === undefined ? {} : { message: verdict.message }),
  };
}

/** Those that others wrote, with why the pod was ended. Source: KEP-3329. */
function evictionConditions(input: ConditionsInput): readonly PodCondition[] {
  const others = foreignConditions(input.pod);
  if (input.failure?.isEviction !== true) return others;
  const type = 'DisruptionTarget';
  const { message } = input.failure;
  const own = condition(input, type, { status: 'True', reason: 'TerminationByKubelet', message });
  return [...others.filter((one) => one.type !== type), own];
}

function initializedVerdict(input: ConditionsInput): Verdict {
  if (input.phase === 'Succeeded') return { status: 'True', reason: 'PodCompleted' };
  if (initialized(input.pod, input.view)) return { status: 'True' };
  const incomplete = input.inits.filter(({ ready }) => !ready).map(({ name }) => name);
  if (incomplete.length === 0) return { status: 'True' };
  return {
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: [${incomplete.join(' ')}]`,
  };
}

function containersReadyVerdict(input: ConditionsInput): Verdict {
  if (input.phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' };
  if (input.phase === 'Failed') return { status: 'False', reason: 'PodFailed' };
  const sidecars = new Set(
    (input.pod.spec?.initContainers ?? [])
      .filter(({ restartPolicy }) => restartPolicy === 'Always')
      .map(({ name }) => name),
  );
  const counted = [...input.inits.filter(({ name }) => sidecars.has(name)), ...input.containers];
  const unready = counted.filter(({ ready }) => !ready).map(({ name }) => name);
  if (unready.length === 0) return { status: 'True' };
  return {
    status: 'False',
    reason: 'ContainersNotReady',
    message: `containers with unready status: [${unready.join(' ')}]`,
  };
}

function readyVerdict(pod: Pod, containersReady: Verdict): Verdict {
  if (containersReady.status !== 'True') return containersReady;
  const problems: string[] = [];
  for (const { conditionType } of pod.spec?.readinessGates ?? []) {
    const found = findCondition(pod.status?.conditions, conditionType);
    if (found === undefined) {
      problems.push(`corresponding condition of pod readiness gate "${conditionType}" does not exist.`);
    } else if (found.status !== 'True') {
      problems.push(`the status of pod readiness gate "${conditionType}" is not "True", but ${found.status}`);
    }
  }
  if (problems.length === 0) return { status: 'True' };
  return { status: 'False', reason: 'ReadinessGatesNotReady', message: problems.join(', ') };
}
