/** image: the files of an image, which the runtime mounts itself: each container has the image as it is pulled when it starts. Source: KEP-4639. */
import type { VolumePlugin } from '../volume-plugin.ts';

/** The plugin: nothing of it is of the node's volumes. */
export const imagePlugin: VolumePlugin = { kind: 'image', setUp: async () => ({ path: '' }) };
