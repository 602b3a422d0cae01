/** hostPath: a file or folder of the machine, by the path that the node has it at. Source: kubelet `volume/hostpath`. */
import type { VolumePlugin } from '../volume-plugin.ts';

/** The plugin. */
export const hostPathPlugin: VolumePlugin = {
  kind: 'hostPath',
  async setUp({ hostPath }, { host }) {
    const { path = '', type } = hostPath ?? {};
    return host.machinePath(path, type ?? '');
  },
};
