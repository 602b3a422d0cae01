/** The revisions of a daemon set: which is the current one, made if there is none. Upstream counterpart: `update.go` `constructHistory`. */
import type { ControllerRevision, DaemonSet } from '#pkg/api/types/apps-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { daemonSets, pods as podsRef } from '#pkg/api/types/refs.ts';
import type { Client } from '#pkg/client/client.ts';
import {
  createRevision,
  deleteRevision,
  isRevisionOf,
  latestNumber,
  pruneRevisions,
  renumber,
  revisionLabel,
  templateData,
} from '../common/revisions.ts';

/** The current revision and those before it. */
export interface History {
  /** Hash by which pods of the current revision are known. */
  readonly hash: string;
  /** In order. */
  readonly old: readonly ControllerRevision[];
  readonly collisionCount: number | undefined;
}

/** What the revisions follow from. */
export interface HistoryInput {
  readonly client: Client;
  readonly set: DaemonSet;
  /** Those of the set, in order. */
  readonly revisions: readonly ControllerRevision[];
  readonly pods: readonly Pod[];
}

/** Finds or makes the revision of the set's template. */
export async function historyOf(input: HistoryInput): Promise<History> {
  const { client, set, revisions } = input;
  const data = templateData(set.spec?.template);
  const matching = revisions.filter((revision) => isRevisionOf(revision, data));
  const old = revisions.filter((revision) => !matching.includes(revision));
  const number = latestNumber(old) + 1;
  const { collisionCount } = set.status ?? {};
  const kept = matching.at(-1);
  if (kept === undefined) {
    const labels = set.spec?.template.metadata?.labels ?? {};
    const wanted = { data, labels, hashLabel: revisionLabel, revision: number, collisionCount: collisionCount ?? 0 };
    const made = await createRevision({ client, owner: set, ownerRef: daemonSets }, wanted);
    const isMore = made.collisionCount > (collisionCount ?? 0);
    return { hash: hashOf(made.revision), old, collisionCount: isMore ? made.collisionCount : collisionCount };
  }
  for (const double of matching.slice(0, -1)) await merge(input, double, kept);
  if (kept.revision < number) await renumber(client, kept, number);
  return { hash: hashOf(kept), old, collisionCount };
}

function hashOf({ metadata }: ControllerRevision): string {
  return metadata?.labels?.[revisionLabel] ?? metadata?.name ?? '';
}

/** Two revisions of one template, as after a restored backup: pods of one become pods of the other. */
async function merge(
  { client, pods }: HistoryInput,
  double: ControllerRevision,
  kept: ControllerRevision,
): Promise<void> {
  const { namespace = '', name = '' } = double.metadata ?? {};
  for (const pod of pods) {
    if (pod.metadata?.labels?.[revisionLabel] !== hashOf(double)) continue;
    const patch = { metadata: { labels: { [revisionLabel]: hashOf(kept) } } };
    await client.resource(podsRef).patch(pod.metadata.name ?? '', patch, { namespace, type: 'merge' });
  }
  await deleteRevision(client, namespace, name);
}

/** Deletes old revisions beyond the number that the set keeps; those that pods were made from stay. */
export async function pruneHistory({ client, set, pods }: HistoryInput, { old }: History): Promise<void> {
  const keep = set.spec?.revisionHistoryLimit ?? 10;
  if (old.length <= keep) return;
  const live = new Set(pods.map(({ metadata }) => metadata?.labels?.[revisionLabel]));
  await pruneRevisions(client, old, { keep, isLive: (revision) => live.has(hashOf(revision)) });
}
