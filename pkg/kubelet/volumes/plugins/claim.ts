/**
 * persistentVolumeClaim and ephemeral: the volume that a claim is bound to. Folders of the built-in provisioner and paths of the machine; what takes a
 * driver of its own is refused. Source: kubelet `volumemanager` `createVolumeSpec`, `volume/local`.
 */
import { nodeFolderDriver } from '#pkg/api/storage/volume-match.ts';
import type { PersistentVolume } from '#pkg/api/types/core-v1.ts';
import { persistentVolumeClaims, persistentVolumes } from '#pkg/api/types/refs.ts';
import { VolumeError } from '../payload.ts';
import type { VolumeMounted, VolumePlugin, VolumeRequest } from '../volume-plugin.ts';

/** The two kinds of volumes that are had by a claim. */
export const claimPlugins: readonly VolumePlugin[] = [
  {
    kind: 'persistentVolumeClaim',
    setUp: ({ persistentVolumeClaim }, request) => setUp(persistentVolumeClaim?.claimName ?? '', request),
  },
  {
    kind: 'ephemeral',
    setUp: ({ name }, request) => setUp(`${request.pod.metadata?.name}-${name}`, { ...request, isEphemeral: true }),
  },
];

interface ClaimRequest extends VolumeRequest {
  readonly isEphemeral?: true;
}

async function setUp(claimName: string, request: ClaimRequest): Promise<VolumeMounted> {
  const { pod, client } = request;
  const { namespace = '', uid } = pod.metadata ?? {};
  const claim = await client.resource(persistentVolumeClaims).get(claimName, { namespace });
  const owner = claim.metadata?.ownerReferences?.find(({ controller }) => controller === true);
  if (request.isEphemeral === true && owner?.uid !== uid)
    throw new VolumeError(
      `PVC ${namespace}/${claimName} was not created for pod ${namespace}/${pod.metadata?.name} (pod is not owner)`,
    );
  const { volumeName = '' } = claim.spec ?? {};
  if (volumeName === '' || claim.status?.phase !== 'Bound') throw new VolumeError('PVC is not bound');
  const volume = await client.resource(persistentVolumes).get(volumeName);
  if (volume.spec?.claimRef?.uid !== claim.metadata?.uid)
    throw new VolumeError(`PV ${volumeName} is not bound to PVC ${namespace}/${claimName}`);
  return placeOf(volume, request);
}

/** Names of folders are those of volumes: nothing leads out of where they are. */
const folderName = /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/;

async function placeOf({ metadata, spec }: PersistentVolume, { host }: VolumeRequest): Promise<VolumeMounted> {
  if (spec?.hostPath !== undefined) return host.machinePath(spec.hostPath.path, spec.hostPath.type ?? '');
  if (spec?.local !== undefined) return host.machinePath(spec.local.path, 'Directory');
  const { driver, volumeHandle = '' } = spec?.csi ?? {};
  if (driver === nodeFolderDriver) {
    // The folder is found again by the volume's name, and so must be called that.
    if (volumeHandle !== metadata?.name || !folderName.test(volumeHandle))
      throw new VolumeError(`volume handle ${JSON.stringify(volumeHandle)} is not the name of its volume`);
    return { path: await host.lastingDirectory(volumeHandle) };
  }
  if (driver !== undefined)
    throw new VolumeError(`driver name ${driver} not found in the list of registered CSI drivers`);
  throw new VolumeError(`the kind of volume ${metadata?.name} is not supported by this node`);
}
