/** Every kind of volume that a node can have. */
import type { VolumePlugin } from '../volume-plugin.ts';
import { claimPlugins } from './claim.ts';
import { configMapPlugin } from './config-map.ts';
import { csiPlugin } from './csi.ts';
import { downwardApiPlugin } from './downward-api.ts';
import { emptyDirPlugin } from './empty-dir.ts';
import { hostPathPlugin } from './host-path.ts';
import { imagePlugin } from './image.ts';
import { projectedPlugin } from './projected.ts';
import { secretPlugin } from './secret.ts';

/** One line each. */
export const volumePlugins: readonly VolumePlugin[] = [
  ...claimPlugins,
  configMapPlugin,
  csiPlugin,
  downwardApiPlugin,
  emptyDirPlugin,
  hostPathPlugin,
  imagePlugin,
  projectedPlugin,
  secretPlugin,
];
