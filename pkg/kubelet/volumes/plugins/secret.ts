/** secret: the keys of a Secret as files. Source: kubelet `volume/secret`. */
import type { SecretProjection } from '#pkg/api/types/core-v1.ts';
import { defaultMode } from '../payload.ts';
import type { VolumePlugin } from '../volume-plugin.ts';

/** The plugin. */
export const secretPlugin: VolumePlugin = {
  kind: 'secret',
  async setUp({ name, secret }, request) {
    const { defaultMode: mode = defaultMode, secretName, items, optional } = secret ?? {};
    const source: SecretProjection = {
      ...(secretName === undefined ? {} : { name: secretName }),
      ...(items === undefined ? {} : { items }),
      ...(optional === undefined ? {} : { optional }),
    };
    return request.projections.write({ plugin: 'secret', name, mode, sources: [{ secret: source }] }, request);
  },
};
