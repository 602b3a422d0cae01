/** hostPath: a file or folder of the machine. Source: kubelet `volume/hostpath`. */
import type { VolumePlugin } from '../volume-plugin.ts';

/** The plugin. */
export const hostPathPlugin: VolumePlugin = {
  kind: 'hostPath',
  async setUp({ hostPath }, { host }) {
    const { path = '', type } = hostPath ?? {};
    await host.machinePath(path, type ?? '');
    return { path };
  },
};
