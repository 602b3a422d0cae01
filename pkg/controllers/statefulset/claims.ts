/**
 * The volume claims of a stateful set's pods: made before the pod, and owned by what is to take them along. Upstream counterpart:
 * `stateful_pod_control.go`.
 */
import type { StatefulSet } from '#pkg/api/types/apps-v1.ts';
import type { PersistentVolumeClaim, Pod } from '#pkg/api/types/core-v1.ts';
import { persistentVolumeClaims, pods, statefulSets } from '#pkg/api/types/refs.ts';
import { type OwnerReference, objectKey } from '#pkg/apimachinery/object.ts';
import { controllerReference } from '#pkg/apimachinery/owner.ts';
import { isAlreadyExists, unlessGone } from '#pkg/apimachinery/status-error.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { Client } from '#pkg/client/client.ts';
import type { EventRecorder } from '#pkg/client/event-recorder.ts';
import type { Lister } from '#pkg/client/informer.ts';
import { claimsOf, isInRange, podName } from './identity.ts';

/** By which client claims are made, and who hears of it. */
export interface ClaimsContext {
  readonly client: Client;
  readonly events: EventRecorder;
  readonly claims: Lister<PersistentVolumeClaim>;
}

/** Makes the claims of a pod that are missing. Rejects when one is refused, or is on its way out: the pod would wait for it. */
export async function makeClaims(context: ClaimsContext, set: StatefulSet, ordinal: number): Promise<void> {
  let failed: { readonly error: unknown } | undefined;
  for (const claim of claimsOf(set, ordinal).values()) {
    const there = context.claims.get(objectKey(claim));
    const what = `Claim ${claim.metadata?.name}`;
    if (there === undefined) {
      try {
        await context.client.resource(persistentVolumeClaims).create(claim);
        const message = `create ${what} Pod ${podName(set, ordinal)} in StatefulSet ${set.metadata?.name} success`;
        context.events.record(set, { type: 'Normal', reason: 'SuccessfulCreate', message });
      } catch (error) {
        if (isAlreadyExists(error)) continue;
        const where = `for Pod ${podName(set, ordinal)} in StatefulSet ${set.metadata?.name}`;
        const message = `create ${what} ${where} failed error: ${errorText(error)}`;
        context.events.record(set, { type: 'Warning', reason: 'FailedCreate', message });
        failed ??= { error };
      }
    } else if (there.metadata?.deletionTimestamp !== undefined) {
      failed ??= { error: new Error(`Cannot use claim ${objectKey(claim)} as it is being deleted`) };
    }
  }
  if (failed !== undefined) throw failed.error;
}

interface Retention {
  readonly whenDeleted: boolean;
  readonly whenScaled: boolean;
}

/** What becomes of claims: whether they go with the set, and with pods that it no longer wants. */
function retentionOf({ spec }: StatefulSet): Retention {
  const policy = spec?.persistentVolumeClaimRetentionPolicy;
  return { whenDeleted: policy?.whenDeleted === 'Delete', whenScaled: policy?.whenScaled === 'Delete' };
}

/** The owners that a claim is to have; undefined where it has them, or belongs to somebody else. */
function wantedOwners(claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod): readonly OwnerReference[] | undefined {
  const owners = claim.metadata?.ownerReferences ?? [];
  const ours = [set.metadata?.uid, pod.metadata?.uid];
  const others = owners.filter(({ uid }) => !ours.includes(uid));
  if (others.some(({ controller }) => controller === true)) return undefined;
  const { whenDeleted, whenScaled } = retentionOf(set);
  const ordinal = Number(/[0-9]+$/.exec(pod.metadata?.name ?? '')?.[0]);
  const isCondemned = whenScaled && !isInRange(ordinal, set);
  const owner = isCondemned ? pod : whenDeleted ? set : undefined;
  const had = owners.filter(({ uid }) => ours.includes(uid));
  if (owner === undefined) return had.length === 0 ? undefined : others;
  if (had.length === 1 && had[0]!.uid === owner.metadata?.uid) return undefined;
  return [...others, controllerReference(owner, owner === pod ? pods : statefulSets)];
}

/** Makes the claims of a pod go with the set, with the pod, or with neither, as the set's policy says. */
export async function ownClaims(
  context: Pick<ClaimsContext, 'claims' | 'client'>,
  set: StatefulSet,
  { pod, ordinal }: { readonly pod: Pod; readonly ordinal: number },
): Promise<void> {
  const resource = context.client.resource(persistentVolumeClaims);
  const goesForGood = retentionOf(set).whenScaled && !isInRange(ordinal, set);
  for (const wanted of claimsOf(set, ordinal).values()) {
    const { name = '', namespace = '' } = wanted.metadata ?? {};
    // Once such a pod has gone nobody looks at its claims again, so one that the cache has not heard of yet is asked for.
    const ask = () => (goesForGood ? unlessGone(resource.get(name, { namespace })) : undefined);
    const claim = context.claims.get(objectKey(wanted)) ?? (await ask());
    const ownerReferences = claim === undefined ? undefined : wantedOwners(claim, set, pod);
    if (claim === undefined || ownerReferences === undefined) continue;
    await resource.update({ ...claim, metadata: { ...claim.metadata, ownerReferences } });
  }
}

/**
 * Whether a claim of the pod goes with an earlier pod of the name, and so must be gone before the pod is made anew: it would get the old data
 * and lose them.
 */
export function hasStaleClaim(claims: Lister<PersistentVolumeClaim>, set: StatefulSet, ordinal: number): boolean {
  if (!retentionOf(set).whenScaled) return false;
  return [...claimsOf(set, ordinal).values()].some((claim) =>
    claims
      .get(objectKey(claim))
      ?.metadata?.ownerReferences?.some(({ kind, name }) => kind === 'Pod' && name === podName(set, ordinal)),
  );
}
