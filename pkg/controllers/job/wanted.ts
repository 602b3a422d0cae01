/** Which pods of a job are to go and which to come. Pure. Upstream counterpart: `job_controller.go` `manageJob`, `indexed_job_utils.go`. */

import { isPodTerminating } from '#pkg/api/core/pod.ts';
import type { Job } from '#pkg/api/types/batch-v1.ts';
import type { Container, Pod, PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import { podsToDelete } from '../common/ranking.ts';
import { remainingForIndexMs, remainingMs } from './backoff.ts';
import { firstMissing, noIndexes, unionOf, withIndexes } from './indexes.ts';
import {
  failureCountAnnotation,
  failuresBefore,
  hasLimitPerIndex,
  ignoredFailureCountAnnotation,
  ignoredFailuresBefore,
  indexAnnotation,
  indexOf,
  isIndexed,
  isSuspended,
  replacesOnlyFailed,
  trackingFinalizer,
  validIndexOf,
} from './job-pods.ts';
import { judgeFailure } from './policies.ts';
import type { Stock } from './stock.ts';

/** Most pods of a job made or deleted in one reconcile, so that a large job does not hold up the others. Source: upstream `MaxPodCreateDeletePerSync`. */
const burstMax = 500;
/** Longest beginning of a name to which the server adds five characters of its own. */
const nameBaseMax = 58;
const indexVariable = 'JOB_COMPLETION_INDEX';

/** What is to be done about the number of pods. */
export type Wanted =
  | { readonly kind: 'delete'; readonly pods: readonly Pod[] }
  /** An entry for each pod to make: its index, or undefined for a job without. */
  | { readonly kind: 'create'; readonly indexes: readonly (number | undefined)[] }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'nothing' };

/** The next step. Deleting comes first: pods are not made and deleted in one go. */
export function wantedOf(stock: Stock, terminating: number): Wanted {
  const { job, active } = stock;
  if (isSuspended(job)) return active.length === 0 ? { kind: 'nothing' } : { kind: 'delete', pods: active };
  const wantActive = wantedActive(stock);
  const doomed = podsForRemoval(stock, Math.max(0, active.length - wantActive)).slice(0, burstMax);
  if (doomed.length > 0) return { kind: 'delete', pods: doomed };
  const leaving = replacesOnlyFailed(job) ? terminating : 0;
  const missing = Math.min(wantActive - leaving - active.length, burstMax);
  if (missing <= 0) return { kind: 'nothing' };
  if (!hasLimitPerIndex(job)) {
    const ms = remainingMs(stock.backoff, stock.nowMs);
    if (ms > 0) return { kind: 'wait', ms };
  }
  if (!isIndexed(job)) return { kind: 'create', indexes: new Array<undefined>(missing).fill(undefined) };
  return wantedIndexes(stock, missing);
}

function wantedActive({ job, active, succeeded }: Stock): number {
  const { completions, parallelism = 1 } = job.spec ?? {};
  // Without a number of completions one success is enough: what runs may go on, and nothing more is begun.
  if (completions === undefined) return succeeded > 0 ? active.length : parallelism;
  return Math.max(0, Math.min(completions - succeeded, parallelism));
}

function wantedIndexes(stock: Stock, missing: number): Wanted {
  const { job, nowMs } = stock;
  let taken = withIndexes(stock.succeededIndexes, indexesOf(stock.active));
  if (replacesOnlyFailed(job)) taken = withIndexes(taken, indexesOf(stock.pods.filter(isPodTerminating)));
  taken = unionOf(taken, stock.failedIndexes ?? noIndexes);
  const indexes = firstMissing(taken, missing, job.spec?.completions ?? 0);
  if (!hasLimitPerIndex(job)) return indexes.length === 0 ? { kind: 'nothing' } : { kind: 'create', indexes };
  const waits = indexes.map((index) => remainingForIndexMs(stock.keptByIndex.get(index), nowMs));
  const now = indexes.filter((_, position) => waits[position] === 0);
  if (now.length > 0) return { kind: 'create', indexes: now };
  return waits.length === 0 ? { kind: 'nothing' } : { kind: 'wait', ms: Math.min(...waits) };
}

function indexesOf(pods: readonly Pod[]): readonly number[] {
  return pods.flatMap((pod) => indexOf(pod) ?? []);
}

/** At least `count` active pods; of an indexed job all those that have no index of it, or one that another has. */
function podsForRemoval({ job, active, nowMs }: Stock, count: number): readonly Pod[] {
  const ranking = { related: [], nowMs };
  if (!isIndexed(job)) return count === 0 ? [] : podsToDelete(active, count, ranking);
  const byIndex = new Map<number, Pod[]>();
  const doomed: Pod[] = [];
  for (const pod of active) {
    const index = validIndexOf(pod, job);
    if (index === undefined) doomed.push(pod);
    else byIndex.set(index, [...(byIndex.get(index) ?? []), pod]);
  }
  for (const same of byIndex.values()) {
    if (same.length > 1) doomed.push(...podsToDelete(same, same.length - 1, ranking));
  }
  if (doomed.length >= count) return doomed;
  const left = active.filter((pod) => !doomed.includes(pod));
  return [...doomed, ...podsToDelete(left, count - doomed.length, ranking)];
}

/** The template of the pods of an index, or of all pods of a job without indexes. */
export function templateFor({ job, keptByIndex }: Stock, index: number | undefined): PodTemplateSpec {
  const { template } = job.spec!;
  const finalizers = [...new Set([...(template.metadata?.finalizers ?? []), trackingFinalizer])];
  if (index === undefined) return { ...template, metadata: { ...template.metadata, finalizers } };
  const { labels, annotations } = template.metadata ?? {};
  const failures = hasLimitPerIndex(job) ? failureAnnotations(job, keptByIndex.get(index)) : {};
  const withVariable = (container: Container): Container => {
    if (container.env?.some(({ name }) => name === indexVariable)) return container;
    const fieldRef = { fieldPath: `metadata.labels['${indexAnnotation}']` };
    return { ...container, env: [...(container.env ?? []), { name: indexVariable, valueFrom: { fieldRef } }] };
  };
  const { initContainers, containers = [] } = template.spec ?? {};
  return {
    ...template,
    metadata: {
      ...template.metadata,
      finalizers,
      labels: { ...labels, [indexAnnotation]: String(index) },
      annotations: { ...annotations, [indexAnnotation]: String(index), ...failures },
    },
    spec: {
      ...template.spec,
      ...(initContainers === undefined ? {} : { initContainers: initContainers.map(withVariable) }),
      containers: containers.map(withVariable),
      hostname: `${job.metadata?.name}-${index}`,
    },
  };
}

/** What the names of the pods of an index begin with. */
export function nameBase({ metadata }: Job, index: number): string {
  const end = `-${index}-`;
  return (metadata?.name ?? '').slice(0, nameBaseMax - end.length) + end;
}

function failureAnnotations(job: Job, replaced: Pod | undefined): Record<string, string> {
  let failures = 0;
  let ignored = 0;
  if (replaced !== undefined) {
    const { counts } = judgeFailure(job.spec?.podFailurePolicy, replaced);
    failures = failuresBefore(replaced) + (counts ? 1 : 0);
    ignored = ignoredFailuresBefore(replaced) + (counts ? 0 : 1);
  }
  return {
    [failureCountAnnotation]: String(failures),
    ...(ignored === 0 ? {} : { [ignoredFailureCountAnnotation]: String(ignored) }),
  };
}
