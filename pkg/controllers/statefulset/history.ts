/** The two revisions between which a stateful set is. Upstream counterpart: `stateful_set_control.go` `getStatefulSetRevisions`. */
import type { ControllerRevision, StatefulSet } from '#pkg/api/types/apps-v1.ts';
import type { PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import { statefulSets } from '#pkg/api/types/refs.ts';
import type { Client } from '#pkg/client/client.ts';
import { createRevision, isRevisionOf, latestNumber, renumber, templateData } from '../common/revisions.ts';

const hashLabel = 'controller.kubernetes.io/hash';

/** The revisions of one set. */
export interface Revisions {
  /** That of before the update, or the same as `update` when there is none. */
  readonly current: ControllerRevision;
  readonly update: ControllerRevision;
  readonly collisionCount: number;
}

/** Finds or makes the revision of the set's template, and finds the one that it comes from. `revisions` are in order. */
export async function revisionsOf(
  client: Client,
  set: StatefulSet,
  revisions: readonly ControllerRevision[],
): Promise<Revisions> {
  const data = templateData(set.spec?.template);
  const next = latestNumber(revisions) + 1;
  let { collisionCount = 0 } = set.status ?? {};
  const same = revisions.findLast((revision) => isRevisionOf(revision, data));
  let update: ControllerRevision;
  if (same !== undefined) update = same === revisions.at(-1) ? same : await renumber(client, same, next);
  else {
    const labels = set.spec?.template.metadata?.labels ?? {};
    const wanted = { data, labels, hashLabel, revision: next, collisionCount };
    const made = await createRevision({ client, owner: set, ownerRef: statefulSets }, wanted);
    update = made.revision;
    ({ collisionCount } = made);
  }
  const current = revisions.find(({ metadata }) => metadata?.name === set.status?.currentRevision) ?? update;
  return { current: current.metadata?.name === update.metadata?.name ? update : current, update, collisionCount };
}

/** The template that a revision keeps. */
export function templateOf({ data }: ControllerRevision): PodTemplateSpec {
  const { spec } = data as unknown as { readonly spec: { readonly template: PodTemplateSpec & { $patch?: string } } };
  const { $patch: _, ...template } = spec.template;
  return template;
}
