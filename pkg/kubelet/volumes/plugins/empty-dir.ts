/** emptyDir: a folder that lives as long as the pod. Source: kubelet `volume/emptydir`. */
import { quantityValue } from '../../model/amounts.ts';
import { VolumeError } from '../payload.ts';
import type { VolumePlugin } from '../volume-plugin.ts';

/** The plugin. */
export const emptyDirPlugin: VolumePlugin = {
  kind: 'emptyDir',
  async setUp({ name, emptyDir }, { pod, host }) {
    const { medium = '', sizeLimit } = emptyDir ?? {};
    if (medium.startsWith('HugePages'))
      throw new VolumeError(`emptyDir of medium ${medium} is not supported by this node`);
    const volume = { podUid: pod.metadata?.uid ?? '', plugin: 'empty-dir', name };
    if (medium !== 'Memory') return { path: await host.directory(volume), measure: 'files' };
    const bytesMax = quantityValue(sizeLimit);
    return { path: await host.directory(volume, bytesMax > 0 ? { bytesMax } : {}), measure: 'files' };
  },
};
