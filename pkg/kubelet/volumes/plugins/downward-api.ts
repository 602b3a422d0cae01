/** downwardAPI: fields of the pod as files. Source: kubelet `volume/downwardapi`. */
import { defaultMode } from '../payload.ts';
import type { VolumePlugin } from '../volume-plugin.ts';

/** The plugin. */
export const downwardApiPlugin: VolumePlugin = {
  kind: 'downwardAPI',
  dependsOn: () => ['addresses', 'metadata'],
  async setUp({ name, downwardAPI }, request) {
    const { defaultMode: mode = defaultMode, items = [] } = downwardAPI ?? {};
    return request.projections.write(
      { plugin: 'downward-api', name, mode, sources: [{ downwardAPI: { items } }] },
      request,
    );
  },
};
