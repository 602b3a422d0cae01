/**
 * Binds the claims of a pod that has a node: promises the chosen volumes to them, tells provisioners the node, and waits until the binder says that they
 * are bound. Upstream counterpart: `volumebinding` `BindPodVolumes`.
 */
import { volumeAnnotations } from '#pkg/api/storage/volume-match.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
import { persistentVolumeClaims, persistentVolumes } from '#pkg/api/types/refs.ts';
import type { Client } from '#pkg/client/client.ts';

/** What is written for a claim once its pod has a node: the volume that was chosen for it, or the node, for a provisioner. */
export interface ClaimDecision {
  readonly claim: PersistentVolumeClaim;
  /** Undefined: one is to be made. */
  readonly volume: PersistentVolume | undefined;
  /** Whether a pod before this one has it written: it is only waited for. */
  readonly isShared: boolean;
}

/** Writes decisions, and resolves once all of the claims are bound. Rejects where they will not be. */
export type BindClaims = (
  decisions: readonly ClaimDecision[],
  where: { readonly nodeName: string; readonly signal: AbortSignal },
) => Promise<void>;

/** How long a pod waits for its claims where nothing else is said. Source: `bindTimeoutSeconds`. */
export const bindSecondsDefault = 600;

/** Over the API; a pod waits for `secondsMax` at most. */
export function bindClaimsBy(client: Client, secondsMax: number): BindClaims {
  return async (decisions, { nodeName, signal }) => {
    for (const { claim, volume, isShared } of decisions) {
      if (isShared) continue;
      if (volume === undefined) await selectNode(client, claim, nodeName);
      else await promiseVolume(client, volume, claim);
    }
    for (const { claim } of decisions) await untilBound(client, claim, { secondsMax, signal });
  };
}

async function selectNode(client: Client, claim: PersistentVolumeClaim, nodeName: string): Promise<void> {
  const { metadata = {} } = claim;
  if (metadata.annotations?.[volumeAnnotations.selectedNode] === nodeName) return;
  const annotations = { ...metadata.annotations, [volumeAnnotations.selectedNode]: nodeName };
  await client.resource(persistentVolumeClaims).update({ ...claim, metadata: { ...metadata, annotations } });
}

async function promiseVolume(client: Client, volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<void> {
  const { namespace = '', name = '', uid = '', resourceVersion = '' } = claim.metadata ?? {};
  if (volume.spec?.claimRef?.uid === uid) return;
  const annotations = {
    ...volume.metadata?.annotations,
    ...(volume.spec?.claimRef === undefined ? { [volumeAnnotations.boundByController]: 'yes' } : {}),
  };
  const claimRef = { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name, uid, resourceVersion };
  await client
    .resource(persistentVolumes)
    .update({ ...volume, metadata: { ...volume.metadata, annotations }, spec: { ...volume.spec, claimRef } });
}

/** Throws where the claim goes, is given another node, or is not bound in time. */
async function untilBound(
  client: Client,
  { metadata = {} }: PersistentVolumeClaim,
  { secondsMax, signal }: { readonly secondsMax: number; readonly signal: AbortSignal },
): Promise<void> {
  const { name = '', namespace = '' } = metadata;
  const events = client.resource(persistentVolumeClaims).watch({
    namespace,
    fieldSelector: `metadata.name=${name}`,
    timeoutSeconds: secondsMax,
    signal,
  });
  for await (const batch of events) {
    for (const event of batch) {
      if (event.type === 'BOOKMARK') continue;
      if (event.type === 'DELETED') throw new Error(`claim ${namespace}/${name} was deleted`);
      const { spec, status, metadata: now } = event.object;
      if (status?.phase === 'Bound' && (spec?.volumeName ?? '') !== '') return;
      const isBeingMade = now?.annotations?.[volumeAnnotations.selectedNode] !== undefined;
      const wasBeingMade = metadata.annotations?.[volumeAnnotations.selectedNode] !== undefined;
      // The provisioner gave the node back.
      if (wasBeingMade && !isBeingMade) throw new Error(`claim ${namespace}/${name} was not provisioned on its node`);
    }
  }
  throw new Error(`timed out waiting for claim ${namespace}/${name} to be bound`);
}
