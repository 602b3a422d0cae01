/**
 * How pods are printed. The status column is worked out from the containers as `kubectl get pods` has always shown it: the most
 * telling state wins, init containers first, deletion last.
 * Source: upstream `printPod`.
 */
import type { ContainerStateTerminated, ContainerStatus, Pod } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import type { TablePrinter } from '#pkg/apiserver/strategy.ts';
import { age, ageColumn, column, nameColumn, nameOf, none, since, wide } from '../printing/columns.ts';

interface Summary {
  ready: number;
  total: number;
  reason: string;
  restarts: number;
  /** RFC 3339 time of the last restart, `''` when there was none. */
  lastRestart: string;
}

/** Source: upstream `printPod`. */
export const podTable: TablePrinter<Given<Pod>> = {
  columns: [
    nameColumn,
    column('Ready'),
    column('Status'),
    column('Restarts'),
    ageColumn,
    wide('IP'),
    wide('Node'),
    wide('Nominated Node'),
    wide('Readiness Gates'),
  ],
  cells(pod, nowMs) {
    const summary = summarize(pod);
    const ago = summary.lastRestart === '' ? '' : ` (${since(summary.lastRestart, nowMs)} ago)`;
    return [
      nameOf(pod),
      `${summary.ready}/${summary.total}`,
      summary.reason,
      summary.restarts === 0 ? '0' : `${summary.restarts}${ago}`,
      age(pod, nowMs),
      ((pod.status?.podIPs ?? [])[0]?.ip ?? '') || none,
      (pod.spec?.nodeName ?? '') || none,
      (pod.status?.nominatedNodeName ?? '') || none,
      readinessGates(pod),
    ];
  },
  conditions(pod) {
    const phase = pod.status?.phase ?? '';
    if (phase === 'Succeeded') {
      return [{ type: 'Completed', status: 'True', reason: phase, message: 'The pod has completed successfully.' }];
    }
    return phase === 'Failed' ? [{ type: 'Completed', status: 'True', reason: phase, message: 'The pod failed.' }] : [];
  },
};

function summarize(pod: Given<Pod>): Summary {
  const phase = pod.status?.phase ?? '';
  const conditions = pod.status?.conditions ?? [];
  const isTrue = (type: string): boolean =>
    conditions.some((condition) => condition.type === type && condition.status === 'True');
  const sidecars = sidecarNames(pod);
  const summary: Summary = {
    ready: 0,
    total: (pod.spec?.containers ?? []).length + sidecars.size,
    reason: (pod.status?.reason ?? '') || phase,
    restarts: 0,
    lastRestart: '',
  };
  if (conditions.some((condition) => condition.type === 'PodScheduled' && condition.reason === 'SchedulingGated')) {
    summary.reason = 'SchedulingGated';
  }
  const initializing = addInitContainers(summary, pod, sidecars);
  if (!initializing || isTrue('Initialized')) addContainers(summary, pod, { sidecars, isReady: isTrue('Ready') });
  applyDeletion(summary, pod, phase);
  return summary;
}

function applyDeletion(summary: Summary, pod: Given<Pod>, phase: string): void {
  if (pod.metadata?.deletionTimestamp === undefined) return;
  if ((pod.status?.reason ?? '') === 'NodeLost') summary.reason = 'Unknown';
  else if (phase !== 'Succeeded' && phase !== 'Failed') summary.reason = 'Terminating';
}

function sidecarNames(pod: Given<Pod>): ReadonlySet<string> {
  const sidecars = (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always');
  return new Set(sidecars.map((container) => container.name ?? ''));
}

function noteRestarts(summary: Summary, status: Given<ContainerStatus>): void {
  summary.restarts += status.restartCount ?? 0;
  const finishedAt = status.lastState?.terminated?.finishedAt ?? '';
  if (finishedAt > summary.lastRestart) summary.lastRestart = finishedAt;
}

/** Returns whether an init container is still to finish. */
function addInitContainers(summary: Summary, pod: Given<Pod>, sidecars: ReadonlySet<string>): boolean {
  const statuses = pod.status?.initContainerStatuses ?? [];
  for (const [index, status] of statuses.entries()) {
    noteRestarts(summary, status);
    const terminated = status.state?.terminated;
    if (terminated !== undefined && terminated.exitCode === 0) continue;
    if (sidecars.has(status.name ?? '') && status.started === true) {
      if (status.ready === true) summary.ready++;
      continue;
    }
    const waiting = status.state?.waiting?.reason ?? '';
    if (terminated !== undefined) summary.reason = `Init:${endReason(terminated)}`;
    else if (waiting !== '' && waiting !== 'PodInitializing') summary.reason = `Init:${waiting}`;
    else summary.reason = `Init:${index}/${(pod.spec?.initContainers ?? []).length}`;
    return true;
  }
  return false;
}

function endReason(terminated: Given<ContainerStateTerminated>): string {
  const reason = terminated.reason ?? '';
  if (reason !== '') return reason;
  const signal = terminated.signal ?? 0;
  return signal === 0 ? `ExitCode:${terminated.exitCode ?? 0}` : `Signal:${signal}`;
}

function addContainers(
  summary: Summary,
  pod: Given<Pod>,
  { sidecars, isReady }: { readonly sidecars: ReadonlySet<string>; readonly isReady: boolean },
): void {
  // From here on, only init containers that keep running count as restarting.
  summary.restarts = 0;
  summary.lastRestart = '';
  for (const status of pod.status?.initContainerStatuses ?? []) {
    if (sidecars.has(status.name ?? '')) noteRestarts(summary, status);
  }
  let hasRunning = false;
  for (const status of (pod.status?.containerStatuses ?? []).toReversed()) {
    noteRestarts(summary, status);
    const terminated = status.state?.terminated;
    const waiting = status.state?.waiting?.reason ?? '';
    if (waiting !== '') summary.reason = waiting;
    else if (terminated !== undefined) summary.reason = endReason(terminated);
    else if (status.ready === true && status.state?.running !== undefined) {
      hasRunning = true;
      summary.ready++;
    }
  }
  if (summary.reason === 'Completed' && hasRunning) summary.reason = isReady ? 'Running' : 'NotReady';
}

function readinessGates(pod: Given<Pod>): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return none;
  const conditions = pod.status?.conditions ?? [];
  const met = gates.filter((gate) => {
    const condition = conditions.find((candidate) => candidate.type === gate.conditionType);
    return condition?.status === 'True';
  });
  return `${met.length}/${gates.length}`;
}
