/** Makes a volume on the node as large as it has become, where its driver does that, and says so of its claim. Source: kubelet `volume/csi/expander.go`, `operationexecutor` `expandVolumeDuringMount`. */
import type { PersistentVolume, PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
import { persistentVolumeClaims } from '#pkg/api/types/refs.ts';
import type { Client } from '#pkg/client/client.ts';
import { quantityValue } from '../model/amounts.ts';
import { PluginError } from '../plugins/plugin-client.ts';
import { VolumeError } from '../volumes/payload.ts';
import type { CsiDriver } from './csi-driver.ts';
import type { CsiUse, Texts } from './csi-messages.ts';

/** What it works with. */
export interface ExpansionDeps {
  readonly client: Client;
  readonly driver: Pick<CsiDriver, 'expand'>;
  readonly stopping: AbortSignal;
}

/** A volume that is there, with its claim. */
export interface ExpandableVolume {
  readonly volume: PersistentVolume;
  readonly claim: PersistentVolumeClaim;
  readonly use: CsiUse;
  readonly volumePath: string;
  readonly stagingPath: string;
  secrets(): Promise<Texts>;
  /** Told when it has become larger. */
  done(event: { readonly reason: string; readonly message: string }): void;
}

/** Conditions of a claim that are over then. */
const resizing: ReadonlySet<string> = new Set(['FileSystemResizePending', 'NodeResizeError', 'Resizing']);

/** Does nothing where the claim has all of the volume. Rejects with `VolumeError` for what the driver says against it. */
export async function expandIfLarger(
  { client, driver, stopping }: ExpansionDeps,
  one: ExpandableVolume,
): Promise<void> {
  const { volume, claim, use, volumePath, stagingPath } = one;
  const size = volume.spec?.capacity?.storage;
  const bytes = Math.floor(quantityValue(size));
  const known = quantityValue(claim.status?.capacity?.storage);
  if (size === undefined || known === 0 || bytes <= known) return;
  const volumeId = volume.spec?.csi?.volumeHandle ?? '';
  const secrets = await one.secrets();
  try {
    await driver.expand({ volumeId, volumePath, stagingPath, bytes, use, secrets }, stopping);
  } catch (error) {
    if (!(error instanceof PluginError)) throw error;
    throw new VolumeError(`NodeExpandVolume failed for volume "${volume.metadata?.name}": ${error.message}`);
  }
  const { allocatedResourceStatuses: _, ...status } = claim.status ?? {};
  await client.resource(persistentVolumeClaims).update(
    {
      ...claim,
      status: {
        ...status,
        capacity: { ...status.capacity, storage: size },
        conditions: (status.conditions ?? []).filter(({ type }) => !resizing.has(type)),
      },
    },
    { subresource: 'status' },
  );
  one.done({
    reason: 'FileSystemResizeSuccessful',
    message: `MountVolume.NodeExpandVolume succeeded for volume "${volume.metadata?.name}"`,
  });
}
