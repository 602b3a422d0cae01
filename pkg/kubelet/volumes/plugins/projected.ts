/** projected: several sources in one folder. Source: kubelet `volume/projected`. */
import { defaultMode } from '../payload.ts';
import type { VolumePlugin } from '../volume-plugin.ts';

/** The plugin. */
export const projectedPlugin: VolumePlugin = {
  kind: 'projected',
  dependsOn: ({ projected }) =>
    projected?.sources?.some(({ downwardAPI }) => downwardAPI !== undefined) === true ? ['addresses', 'metadata'] : [],
  async setUp({ name, projected }, request) {
    const { defaultMode: mode = defaultMode, sources } = projected ?? {};
    return request.projections.write({ plugin: 'projected', name, mode, sources: sources ?? [] }, request);
  },
};
