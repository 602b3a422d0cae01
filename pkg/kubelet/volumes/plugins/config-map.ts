/** configMap: the keys of a ConfigMap as files. Source: kubelet `volume/configmap`. */
import { defaultMode } from '../payload.ts';
import type { VolumePlugin } from '../volume-plugin.ts';

/** The plugin. */
export const configMapPlugin: VolumePlugin = {
  kind: 'configMap',
  async setUp({ name, configMap }, request) {
    const { defaultMode: mode = defaultMode, ...source } = configMap ?? {};
    return request.projections.write({ plugin: 'configmap', name, mode, sources: [{ configMap: source }] }, request);
  },
};
