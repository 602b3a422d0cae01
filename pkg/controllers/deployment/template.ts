/** Pod templates: which replica set is the newest, and the hash that names it. Pure. */
import type { Deployment, ReplicaSet } from '#pkg/api/types/apps-v1.ts';
import type { PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { hashObject } from '#pkg/apimachinery/owner.ts';
import { timeMs } from '../common/pod.ts';

/** The label by which the pods of one template are told from those of another. */
export const hashLabel = 'pod-template-hash';

/** A short name for a template; another one for each `collisionCount`. */
export function templateHash(template: PodTemplateSpec, collisionCount: number | undefined): string {
  return hashObject(bare(template), collisionCount || undefined);
}

/** Whether two templates make the same pods, whatever hash they are labelled with. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return deepEqual(bare(a), bare(b));
}

/** Older first, by name at equal age. */
export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const difference = timeMs(a.metadata?.creationTimestamp) - timeMs(b.metadata?.creationTimestamp);
  return difference || ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1);
}

/** The replica set of the Deployment's template: the oldest, should there be several. */
export function findNewSet(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return [...sets].sort(byAge).find((set) => sameTemplate(set.spec?.template, deployment.spec?.template));
}

/** A template without its hash label and without what says nothing. */
function bare(template: PodTemplateSpec | undefined): unknown {
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  const { [hashLabel]: _, ...others } = labels ?? {};
  return { labels: others, annotations: annotations ?? {}, finalizers: finalizers ?? [], spec: template?.spec ?? {} };
}
