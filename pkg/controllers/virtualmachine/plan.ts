/**
 * What is to be done about a machine, from what it is to be and what pods there are. Pure. Invariant: there is never a second pod while one of it may still run,
 * but for one that is being deleted on a node that nobody hears of any more, as a ReplicaSet has it too; pods that wait for the machine, or relay for one that has
 * moved, do not run it.
 */
import { isPodTerminal } from '#pkg/api/core/pod.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { isStandbyOpen, type VirtualMachine, type VirtualMachineStatus } from '#pkg/api/virtual-machine.ts';
import { waitsForMachine } from '#pkg/api/virtual-machine-migration.ts';
import { hasLostContainer } from '../common/machine-pod.ts';
import { availableInMs, timeMs } from '../common/pod.ts';
import type { BeginningProblem } from './beginning.ts';

/** The pause before a run after failed ones: it doubles with each. Source: the kubelet's back-off of containers. */
const pauseMs = 10_000;
const pauseMsMax = 300_000;
/** A run that has been ready for so long ends a row of failed ones. */
const steadySeconds = 600;

/** The reason of a pod that no node takes. */
const unschedulable = 'Unschedulable';

/** What is seen. */
export interface Seen {
  readonly machine: VirtualMachine;
  readonly pods: readonly Pod[];
  /** Whether a node is not heard of any more, or not there. */
  isLost(node: string): boolean;
  readonly nowMs: number;
}

/** What is to be done, and what is to be said of the machine. */
export interface Plan {
  readonly create: boolean;
  readonly remove: readonly Pod[];
  /** Looks again after so long. */
  readonly againMs?: number;
  readonly failures: number;
  readonly printableStatus: string;
  /** Why it does not run, where its pod says so. */
  readonly problem?: BeginningProblem;
  /** The pod in which it runs, or will. */
  readonly pod?: Pod;
  /** The request that was asked has been answered by this. */
  readonly isRequestDone: boolean;
}

/** Decides. */
export function planOf(seen: Seen): Plan {
  const { machine, pods, isLost } = seen;
  const leaving = pods.filter((pod) => isLeaving(pod) && !isLost(pod.spec?.nodeName ?? ''));
  const present = pods.filter((pod) => !isLeaving(pod));
  const live = liveOf(machine.status, { pods: present, isLost });
  const { migration } = machine.status ?? {};
  // What ended with its node says so as long as the stand-by has not taken over.
  const isKept = ({ metadata }: Pod): boolean => isStandbyOpen(migration) && metadata?.name === migration?.sourcePod;
  const finished = live === undefined ? present : present.filter((pod) => isPodTerminal(pod) && !isKept(pod));
  const { failures = 0, stateChangeRequests: [request] = [] } = machine.status ?? {};
  const none = { create: false, remove: [], failures, isRequestDone: request !== undefined };
  const isStopping = request?.action === 'Stop';
  const { runStrategy = 'Always' } = machine.spec ?? {};
  if (runStrategy === 'Halted' || (runStrategy === 'Manual' && isStopping)) {
    const printableStatus = live === undefined && leaving.length === 0 ? 'Stopped' : 'Stopping';
    return { ...none, remove: present, failures: 0, printableStatus };
  }
  if (live !== undefined) {
    const isRunning = live.status?.phase === 'Running';
    const leftMs = failures === 0 ? 0 : availableInMs(live, { minReadySeconds: steadySeconds, nowMs: seen.nowMs });
    // Asked to stop where it is always to run: it begins anew.
    const remove = isStopping ? [live, ...finished] : finished;
    const again = leftMs === undefined || leftMs === 0 ? {} : { againMs: leftMs };
    const restarted = leftMs === 0 ? 0 : failures;
    const problem = isRunning ? undefined : problemOf(live);
    const said = {
      printableStatus: statusOf(live, { isRunning, problem }),
      ...(problem === undefined ? {} : { problem }),
    };
    return { ...none, ...again, remove, pod: live, failures: restarted, ...said };
  }
  if (leaving.length > 0) return { ...none, isRequestDone: false, printableStatus: 'Stopping' };
  return next(seen, { finished, isAsked: request?.action === 'Start' });
}

/** The pod that runs the machine, by what was last said of it and who has it by its migration. */
function liveOf(
  status: VirtualMachineStatus | undefined,
  { pods, isLost }: { readonly pods: readonly Pod[]; readonly isLost: (node: string) => boolean },
): Pod | undefined {
  const { podName, migration } = status ?? {};
  const [to, from] =
    migration?.owner === 'target'
      ? [migration.targetPod, migration.sourcePod]
      : [migration?.sourcePod, migration?.targetPod];
  const name = podName === from ? to : podName;
  const find = (wanted: string | undefined) => pods.find(({ metadata }) => metadata?.name === wanted);
  const named = find(name);
  const isEnded = named === undefined || isPodTerminal(named);
  // Of a stand-by only where it is the node that has gone, and not the machine that has ended.
  const hasDied = named === undefined ? isLost(status?.nodeName ?? '') : hasLostContainer(named);
  if (isEnded && (migration?.owner === 'handover' || (hasDied && isStandbyOpen(migration)))) {
    // The target may have taken it and not have said so yet: it will say something, unless it is gone too.
    const target = find(migration?.targetPod);
    return target === undefined || isPodTerminal(target) ? undefined : target;
  }
  if (named !== undefined) return isPodTerminal(named) ? undefined : named;
  return pods.find(
    (pod) =>
      !isPodTerminal(pod) && pod.metadata?.name !== from && pod.metadata?.annotations?.[waitsForMachine] === undefined,
  );
}

/** Nothing runs: whether and when the next run begins. */
function next(
  { machine, nowMs }: Seen,
  { finished, isAsked }: { readonly finished: readonly Pod[]; readonly isAsked: boolean },
): Plan {
  const { runStrategy = 'Always' } = machine.spec ?? {};
  const { failures: before = 0, runs = 0 } = machine.status ?? {};
  const last = finished.find(isPodTerminal);
  const hasFailed = last?.status?.phase === 'Failed';
  const problem = hasFailed ? problemOf(last) : undefined;
  const said = problem === undefined ? {} : { problem };
  const none = { create: false, remove: [], failures: before, isRequestDone: isAsked };
  if (!isAsked && runStrategy === 'Manual') {
    const printableStatus = last === undefined ? 'Stopped' : hasFailed ? 'Failed' : 'Succeeded';
    return { ...none, ...said, printableStatus };
  }
  if (!isAsked && runStrategy === 'RerunOnFailure' && last !== undefined && !hasFailed)
    return { ...none, failures: 0, printableStatus: 'Succeeded' };
  // Without a pod that has ended, it was deleted, or never there: it may begin at once.
  const leftMs = last === undefined || isAsked ? 0 : endedMs(last) + pauseAfter(before) - nowMs;
  if (leftMs > 0)
    return { ...none, ...said, againMs: leftMs, printableStatus: hasFailed ? 'CrashLoopBackOff' : 'Stopped' };
  const failures = hasFailed ? before + 1 : 0;
  return {
    ...none,
    create: true,
    remove: finished,
    failures,
    printableStatus: runs === 0 ? 'Provisioning' : 'Starting',
  };
}

function pauseAfter(failures: number): number {
  return failures === 0 ? 0 : Math.min(pauseMs * 2 ** (failures - 1), pauseMsMax);
}

function statusOf(
  pod: Pod,
  { isRunning, problem }: { readonly isRunning: boolean; readonly problem: BeginningProblem | undefined },
): string {
  if (isRunning) return 'Running';
  if (problem !== undefined) return problem.reason === unschedulable ? 'ErrorUnschedulable' : problem.reason;
  return (pod.spec?.nodeName ?? '') === '' ? 'Provisioning' : 'Starting';
}

/** What a pod says of why its machine does not run: no node takes it, its container waits for what is wrong with it, or it has failed. */
function problemOf({ status }: Pod): BeginningProblem | undefined {
  const refused = status?.conditions?.find(({ reason }) => reason === unschedulable);
  if (refused !== undefined) return { reason: unschedulable, message: refused.message ?? '' };
  const { waiting, terminated } = status?.containerStatuses?.[0]?.state ?? {};
  if (waiting?.message !== undefined) return { reason: waiting.reason ?? 'Waiting', message: waiting.message };
  if (status?.phase !== 'Failed') return undefined;
  const ended = terminated === undefined ? '' : `the machine ended with code ${terminated.exitCode}`;
  return { reason: status.reason ?? 'GuestFailed', message: status.message ?? terminated?.message ?? ended };
}

function endedMs({ metadata, status }: Pod): number {
  const ends = (status?.containerStatuses ?? []).map(({ state }) => timeMs(state?.terminated?.finishedAt));
  const known = ends.filter((end) => Number.isFinite(end) && end > 0);
  return known.length > 0 ? Math.max(...known) : timeMs(metadata?.creationTimestamp);
}

function isLeaving({ metadata }: Pod): boolean {
  return metadata?.deletionTimestamp !== undefined;
}
