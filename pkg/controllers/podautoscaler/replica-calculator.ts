/**
 * How many replicas a metric asks for. Pods that cannot be counted on are: a pod that goes or failed is left out; one that is not ready yet counts as
 * using nothing when more are asked for; one of which no metric is known counts as using all of its share when fewer are asked for, and nothing when
 * more are. What results is never in the other direction than what was measured. Pure; amounts are in thousandths.
 * Upstream counterpart: `pkg/controller/podautoscaler/replica_calculator.go`, `metrics/utilization.go`.
 */
import { isPodReady, podCondition } from '#pkg/api/core/pod.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { parseQuantity, quantityMilliValue } from '#pkg/apimachinery/quantity.ts';
import { timeMs } from '../common/pod.ts';

/** What is known of one pod. */
export interface PodMetric {
  readonly timeMs: number;
  /** The time that the value is of. */
  readonly windowMs: number;
  readonly milli: number;
}

/** By the names of the pods. */
export type PodMetrics = ReadonlyMap<string, PodMetric>;

/** How far from its target a metric may be without anything being done, as parts of one. */
export interface Tolerances {
  readonly up: number;
  readonly down: number;
}

/** What all calculations go by. */
export interface CalculationInput {
  readonly pods: readonly Pod[];
  readonly currentReplicas: number;
  readonly tolerances: Tolerances;
  readonly nowMs: number;
  /** A pod's processor use does not count for so long after its start, unless it is ready and was measured since. */
  readonly cpuInitializationMs: number;
  /** A pod that was never ready does not count at first; so soon after its start that is what its condition means. */
  readonly initialReadinessMs: number;
}

/** What a metric asks for. */
export interface Proposal {
  readonly replicas: number;
  /** The value as the status tells it: a percentage, or thousandths. */
  readonly current: number;
  /** Average of the pods in thousandths, beside a percentage. */
  readonly average?: number;
}

/** Share of what is requested. Throws, in words for an event, where it cannot be worked out. */
export function utilizationReplicas(
  input: CalculationInput,
  {
    metrics,
    resource,
    container,
    target,
  }: { readonly metrics: PodMetrics; readonly resource: string; readonly container?: string; readonly target: number },
): Proposal {
  const groups = groupPods(input, { metrics, resource });
  const known = withoutPods(metrics, [...groups.ignored, ...groups.unready]);
  if (known.size === 0) throw new Error('did not receive metrics for targeted pods (pods might be unready)');
  const requests = requestsOf(input.pods, { resource, ...(container === undefined ? {} : { container }) });
  const measured = utilization(known, requests, target);
  const ratioOf = (values: PodMetrics): number => utilization(values, requests, target).ratio;
  const fullShare = (pod: string): number => Math.trunc(((requests.get(pod) ?? 0) * Math.max(100, target)) / 100);
  const { ratio } = measured;
  const replicas = settle(input, { known, groups, ratio, emptyAtTarget: false }, { ratioOf, fullShare });
  return { replicas, current: measured.percent, average: measured.average };
}

/** An average for each pod. Throws as above. `resource` is `''` for what is no resource. */
export function averageReplicas(
  input: CalculationInput,
  { metrics, resource, target }: { readonly metrics: PodMetrics; readonly resource: string; readonly target: number },
): Proposal {
  const groups = groupPods(input, { metrics, resource });
  const known = withoutPods(metrics, [...groups.ignored, ...groups.unready]);
  if (known.size === 0) throw new Error('did not receive metrics for targeted pods (pods might be unready)');
  const average = (values: PodMetrics): number => Math.trunc(sum(values) / values.size);
  const current = average(known);
  const ratioOf = (values: PodMetrics): number => average(values) / target;
  const replicas = settle(
    input,
    { known, groups, ratio: ratioOf(known), emptyAtTarget: true },
    { ratioOf, fullShare: () => target },
  );
  return { replicas, current };
}

/** A value of something else, of which each ready pod has its share. */
export function valueReplicas(input: CalculationInput, { value, target }: { value: number; target: number }): Proposal {
  const ratio = value / target;
  // From none there is no share to go by.
  if (input.currentReplicas === 0) return { replicas: Math.ceil(ratio), current: value };
  if (isTolerated(ratio, input.tolerances)) return { replicas: input.currentReplicas, current: value };
  if (input.pods.length === 0) {
    throw new Error('unable to calculate ready pods: no pods returned by selector while calculating replica count');
  }
  const ready = input.pods.filter((pod) => pod.status?.phase === 'Running' && isPodReady(pod)).length;
  return { replicas: Math.ceil(ratio * ready), current: value };
}

/** A value of something else that is to be divided among all pods. */
export function perPodReplicas(
  { tolerances }: Pick<CalculationInput, 'tolerances'>,
  {
    value,
    target,
    statusReplicas,
  }: { readonly value: number; readonly target: number; readonly statusReplicas: number },
): Proposal {
  const ratio = value / (target * statusReplicas);
  const replicas = isTolerated(ratio, tolerances) ? statusReplicas : Math.ceil(value / target);
  return { replicas, current: statusReplicas === 0 ? 0 : Math.ceil(value / statusReplicas) };
}

interface Groups {
  readonly ready: number;
  readonly unready: ReadonlySet<string>;
  readonly missing: ReadonlySet<string>;
  readonly ignored: ReadonlySet<string>;
}

interface Measured {
  readonly known: PodMetrics;
  readonly groups: Groups;
  readonly ratio: number;
  /** Whether pods without a metric count as using nothing when the target is met exactly: upstream does so for averages, not for shares. */
  readonly emptyAtTarget: boolean;
}

/** The replicas of a ratio, after those of which nothing is known were counted as cautiously as they can be. */
function settle(
  { currentReplicas, tolerances }: CalculationInput,
  { known, groups, ratio, emptyAtTarget }: Measured,
  {
    ratioOf,
    fullShare,
  }: { readonly ratioOf: (values: PodMetrics) => number; readonly fullShare: (pod: string) => number },
): number {
  const countsUnready = groups.unready.size > 0 && ratio > 1;
  if (!countsUnready && groups.missing.size === 0) {
    return isTolerated(ratio, tolerances) ? currentReplicas : Math.ceil(ratio * groups.ready);
  }
  const values = new Map(known);
  const assume = (pod: string, milli: number): void => void values.set(pod, { timeMs: 0, windowMs: 0, milli });
  for (const pod of groups.missing) {
    if (ratio < 1) assume(pod, fullShare(pod));
    else if (ratio > 1 || emptyAtTarget) assume(pod, 0);
  }
  if (countsUnready) for (const pod of groups.unready) assume(pod, 0);
  const cautious = ratioOf(values);
  const hasTurned = (ratio < 1 && cautious > 1) || (ratio > 1 && cautious < 1);
  if (isTolerated(cautious, tolerances) || hasTurned) return currentReplicas;
  const replicas = Math.ceil(cautious * values.size);
  const isOther = (cautious < 1 && replicas > currentReplicas) || (cautious > 1 && replicas < currentReplicas);
  return isOther ? currentReplicas : replicas;
}

function isTolerated(ratio: number, { up, down }: Tolerances): boolean {
  return ratio >= 1 - down && ratio <= 1 + up;
}

function withoutPods(metrics: PodMetrics, names: readonly string[]): PodMetrics {
  const left = new Map(metrics);
  for (const name of names) left.delete(name);
  return left;
}

function sum(metrics: PodMetrics): number {
  let total = 0;
  for (const { milli } of metrics.values()) total += milli;
  return total;
}

function utilization(metrics: PodMetrics, requests: ReadonlyMap<string, number>, target: number) {
  let used = 0;
  let requested = 0;
  let entries = 0;
  for (const [pod, { milli }] of metrics) {
    const request = requests.get(pod);
    if (request === undefined) continue;
    used += milli;
    requested += request;
    entries++;
  }
  if (requested === 0) throw new Error('no metrics returned matched known pods');
  const percent = Math.trunc((used * 100) / requested);
  return { ratio: percent / target, percent, average: Math.trunc(used / entries) };
}

function groupPods(
  input: CalculationInput,
  { metrics, resource }: { readonly metrics: PodMetrics; readonly resource: string },
): Groups {
  if (input.pods.length === 0) throw new Error('no pods returned by selector while calculating replica count');
  let ready = 0;
  const [unready, missing, ignored] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const pod of input.pods) {
    const { name = '', deletionTimestamp } = pod.metadata ?? {};
    const metric = metrics.get(name);
    if (deletionTimestamp !== undefined || pod.status?.phase === 'Failed') ignored.add(name);
    else if (pod.status?.phase === 'Pending') unready.add(name);
    else if (metric === undefined) missing.add(name);
    else if (resource === 'cpu' && isWarmingUp(pod, metric, input)) unready.add(name);
    else ready++;
  }
  return { ready, unready, missing, ignored };
}

/** Whether what a pod uses of the processor is still that of its start. */
function isWarmingUp(pod: Pod, metric: PodMetric, input: CalculationInput): boolean {
  const condition = podCondition(pod, 'Ready');
  const { startTime } = pod.status ?? {};
  if (condition === undefined || startTime === undefined) return true;
  const startMs = timeMs(startTime);
  const changedMs = timeMs(condition.lastTransitionTime);
  const isUnready = condition.status === 'False';
  if (startMs + input.cpuInitializationMs > input.nowMs) {
    return isUnready || metric.timeMs < changedMs + metric.windowMs;
  }
  return isUnready && startMs + input.initialReadinessMs > changedMs;
}

/** What each pod requests. Throws for a container that requests nothing of it. */
function requestsOf(
  pods: readonly Pod[],
  { resource, container }: { readonly resource: string; readonly container?: string },
): ReadonlyMap<string, number> {
  const requests = new Map<string, number>();
  for (const { metadata, spec } of pods) {
    const name = metadata?.name ?? '';
    const ofPod = container === undefined ? milliOf(spec?.resources?.requests?.[resource]) : undefined;
    if (ofPod !== undefined) {
      requests.set(name, ofPod);
      continue;
    }
    const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
    let all = 0;
    for (const one of [...(spec?.containers ?? []), ...sidecars]) {
      if (container !== undefined && container !== one.name) continue;
      const request = milliOf(one.resources?.requests?.[resource]);
      if (request === undefined)
        throw new Error(`missing request for ${resource} in container ${one.name} of Pod ${name}`);
      all += request;
    }
    requests.set(name, all);
  }
  return requests;
}

/** Thousandths of a quantity; undefined for none. */
export function milliOf(text: string | undefined): number | undefined {
  const quantity = text === undefined ? undefined : parseQuantity(text);
  return quantity === undefined ? undefined : quantityMilliValue(quantity);
}
