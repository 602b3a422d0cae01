/**
 * The writes that bind a claim and a volume: the volume is promised first, then the claim is told, each write from the newest version or not at all, so
 * that a binder which dies in between, or another that was quicker, leaves nothing that the next look does not put right.
 * Upstream counterpart: `pkg/controller/volume/persistentvolume` `bind`, `unbindVolume`.
 */
import { volumeAnnotations } from '#pkg/api/storage/volume-match.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
import { persistentVolumeClaims, persistentVolumes } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { timestamp } from '#pkg/base/clock.ts';
import type { ControllerContext } from '../common/controller.ts';

/** By which client is written, and when it is. */
export type BindingContext = Pick<ControllerContext, 'client' | 'clock'>;

/** The reference by which a volume says whose it is. */
export function referenceTo({
  metadata = {},
}: PersistentVolumeClaim): NonNullable<NonNullable<PersistentVolume['spec']>['claimRef']> {
  const { namespace = '', name = '', uid = '', resourceVersion = '' } = metadata;
  return { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name, uid, resourceVersion };
}

/** Makes the two each other's. Writes nothing of what is already so. */
export async function bind(
  context: BindingContext,
  volume: PersistentVolume,
  claim: PersistentVolumeClaim,
): Promise<void> {
  const promised = await promise(context, volume, claim);
  await setPhase(context, promised, 'Bound');
  await settleClaim(context, promised, claim);
}

async function promise(
  { client }: BindingContext,
  volume: PersistentVolume,
  claim: PersistentVolumeClaim,
): Promise<PersistentVolume> {
  const ref = volume.spec?.claimRef;
  if (ref?.uid !== undefined && ref.uid === claim.metadata?.uid) return volume;
  // Whoever made the volume for this very claim may get it back; what was chosen here is free again once the claim is gone.
  const isChosen = ref === undefined;
  const annotations = {
    ...volume.metadata?.annotations,
    ...(isChosen ? { [volumeAnnotations.boundByController]: 'yes' } : {}),
  };
  return client.resource(persistentVolumes).update({
    ...volume,
    metadata: { ...volume.metadata, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) },
    spec: { ...volume.spec, claimRef: referenceTo(claim) },
  });
}

async function settleClaim(
  { client }: BindingContext,
  volume: PersistentVolume,
  claim: PersistentVolumeClaim,
): Promise<void> {
  const resource = client.resource(persistentVolumeClaims);
  const name = volume.metadata?.name ?? '';
  let current = claim;
  const isChosen = (claim.spec?.volumeName ?? '') === '';
  if (isChosen || claim.metadata?.annotations?.[volumeAnnotations.bindCompleted] === undefined) {
    const annotations = {
      ...claim.metadata?.annotations,
      [volumeAnnotations.bindCompleted]: 'yes',
      ...(isChosen ? { [volumeAnnotations.boundByController]: 'yes' } : {}),
    };
    const metadata = { ...claim.metadata, annotations };
    current = await resource.update({ ...claim, metadata, spec: { ...claim.spec, volumeName: name } });
  }
  const status: NonNullable<PersistentVolumeClaim['status']> = {
    ...current.status,
    phase: 'Bound',
    ...(volume.spec?.accessModes === undefined ? {} : { accessModes: volume.spec.accessModes }),
    // What the file system has grown to is said by whoever grew it.
    ...(current.status?.phase === 'Bound' || volume.spec?.capacity === undefined
      ? {}
      : { capacity: volume.spec.capacity }),
  };
  if (!deepEqual(status, current.status)) await resource.update({ ...current, status }, { subresource: 'status' });
}

/** Says how it is with a volume. */
export async function setPhase(
  { client, clock }: BindingContext,
  volume: PersistentVolume,
  phase: 'Available' | 'Bound' | 'Failed' | 'Released',
  message?: string,
): Promise<void> {
  const { status } = volume;
  if (status?.phase === phase) return;
  const lastPhaseTransitionTime = timestamp(clock);
  const { message: _, ...rest } = status ?? {};
  const draft = {
    ...volume,
    status: { ...rest, phase, lastPhaseTransitionTime, ...(message === undefined ? {} : { message }) },
  };
  await client.resource(persistentVolumes).update(draft, { subresource: 'status' });
}

/** Says how it is with a claim that is not bound. */
export async function setClaimPhase(
  { client }: BindingContext,
  claim: PersistentVolumeClaim,
  phase: 'Lost' | 'Pending',
): Promise<void> {
  if (claim.status?.phase === phase) return;
  const draft = { ...claim, status: { ...claim.status, phase } };
  await client.resource(persistentVolumeClaims).update(draft, { subresource: 'status' });
}

/** Frees a volume that was chosen for a claim which has another. */
export async function unbind(context: BindingContext, volume: PersistentVolume): Promise<void> {
  const { [volumeAnnotations.boundByController]: chosen, ...annotations } = volume.metadata?.annotations ?? {};
  const { claimRef, ...spec } = volume.spec ?? {};
  // A volume that somebody made for a claim keeps its name.
  const kept = chosen === undefined ? { claimRef: withoutUid(claimRef) } : {};
  const draft = { ...volume, metadata: { ...volume.metadata, annotations }, spec: { ...spec, ...kept } };
  const freed = await context.client.resource(persistentVolumes).update(draft);
  await setPhase(context, freed, 'Available');
}

function withoutUid(ref: NonNullable<PersistentVolume['spec']>['claimRef']) {
  const { uid: _, resourceVersion: __, ...rest } = ref ?? {};
  return rest;
}
