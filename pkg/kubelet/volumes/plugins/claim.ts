/**
 * persistentVolumeClaim and ephemeral: the volume that a claim is bound to. Folders of the built-in provisioner, paths of the machine, and volumes of CSI drivers. Source: kubelet `volumemanager` `createVolumeSpec`, `volume/local`.
 */
import { claimNameOf } from '#pkg/api/storage/claim-name.ts';
import { nodeFolderDriver } from '#pkg/api/storage/volume-match.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '#pkg/api/types/core-v1.ts';
import { persistentVolumeClaims, persistentVolumes } from '#pkg/api/types/refs.ts';
import { allContainers } from '../../model/pod-view.ts';
import { VolumeError } from '../payload.ts';
import type { VolumeMounted } from '../volume-mounted.ts';
import type { VolumePlugin, VolumeRequest } from '../volume-plugin.ts';

/** The two kinds of volumes that are had by a claim. */
export const claimPlugins: readonly VolumePlugin[] = [
  {
    kind: 'persistentVolumeClaim',
    setUp: (volume, request) =>
      setUp(volume, { ...request, isReadOnly: volume.persistentVolumeClaim?.readOnly === true }),
  },
  {
    kind: 'ephemeral',
    setUp: (volume, request) => setUp(volume, { ...request, isEphemeral: true }),
  },
];

interface ClaimRequest extends VolumeRequest {
  readonly isEphemeral?: true;
  /** The pod says that nobody of it writes there. */
  readonly isReadOnly?: boolean;
}

async function setUp(own: Volume, request: ClaimRequest): Promise<VolumeMounted> {
  const { pod, client } = request;
  const claimName = claimNameOf(pod, own) ?? '';
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
  const problem = modeProblem(own.name, volume, pod);
  if (problem !== undefined) throw new VolumeError(problem);
  return placeOf(volume, claim, request);
}

/** Why the containers of a pod cannot have a volume as they want it. Source: kubelet `desired_state_of_world_populator.go` `createVolumeSpec`. */
function modeProblem(name: string, { spec }: PersistentVolume, pod: Pod): string | undefined {
  const { volumeMode = 'Filesystem' } = spec ?? {};
  const place = volumeMode === 'Block' ? 'volumeMounts' : 'volumeDevices';
  const isElsewhere = allContainers(pod).some((container) => container[place]?.some((one) => one.name === name));
  return isElsewhere ? `volume ${name} has volumeMode ${volumeMode}, but is specified in ${place}` : undefined;
}

/** Names of folders are those of volumes: nothing leads out of where they are. */
const folderName = /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/;

async function placeOf(
  volume: PersistentVolume,
  claim: PersistentVolumeClaim,
  { host, pod, drivers, isReadOnly = false }: ClaimRequest,
): Promise<VolumeMounted> {
  const { metadata, spec } = volume;
  const isBlock = spec?.volumeMode === 'Block';
  if (spec?.hostPath !== undefined && !isBlock) return host.machinePath(spec.hostPath.path, spec.hostPath.type ?? '');
  if (spec?.local !== undefined && isBlock)
    return { ...(await host.machinePath(spec.local.path, 'BlockDevice')), isBlock };
  if (spec?.local !== undefined)
    return { ...(await host.machinePath(spec.local.path, 'Directory')), measure: 'filesystem' };
  const { driver, volumeHandle = '' } = spec?.csi ?? {};
  if (driver === nodeFolderDriver && !isBlock) {
    // The folder is found again by the volume's name, and so must be called that.
    if (volumeHandle !== metadata?.name || !folderName.test(volumeHandle))
      throw new VolumeError(`volume handle ${JSON.stringify(volumeHandle)} is not the name of its volume`);
    return { path: await host.lastingDirectory(volumeHandle), measure: 'files' };
  }
  if (isBlock && (driver === undefined || driver === nodeFolderDriver))
    throw new VolumeError(`the kind of volume ${metadata?.name} has no volumes of mode Block`);
  if (driver !== undefined && drivers !== undefined) return drivers.mount({ pod, volume, claim, isReadOnly });
  if (driver !== undefined)
    throw new VolumeError(`driver name ${driver} not found in the list of registered CSI drivers`);
  throw new VolumeError(`the kind of volume ${metadata?.name} is not supported by this node`);
}
