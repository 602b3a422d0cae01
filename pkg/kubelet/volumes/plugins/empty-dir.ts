/** emptyDir: a folder that lives as long as the pod. Source: kubelet `volume/emptydir`. */
import { VolumeError } from '../payload.ts';
import type { VolumePlugin } from '../volume-plugin.ts';

/** The plugin. */
export const emptyDirPlugin: VolumePlugin = {
  kind: 'emptyDir',
  async setUp({ name, emptyDir }, { pod, host }) {
    const { medium = '' } = emptyDir ?? {};
    // Memory is a file system of its own, which only some nodes can make.
    if (medium.startsWith('HugePages'))
      throw new VolumeError(`emptyDir of medium ${medium} is not supported by this node`);
    return { path: await host.directory({ podUid: pod.metadata?.uid ?? '', plugin: 'empty-dir', name }) };
  },
};
