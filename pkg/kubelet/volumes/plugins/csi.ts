/** csi: a volume of a CSI driver that lives as long as the pod. Source: kubelet `volume/csi`, KEP-596. */
import { VolumeError } from '../payload.ts';
import type { VolumePlugin } from '../volume-plugin.ts';

/** The plugin. */
export const csiPlugin: VolumePlugin = {
  kind: 'csi',
  async setUp(volume, { pod, drivers }) {
    if (drivers !== undefined) return drivers.mountOwn(pod, volume);
    throw new VolumeError(`driver name ${volume.csi?.driver} not found in the list of registered CSI drivers`);
  },
};
