/**
 * Prefers nodes that have the images of the pod's containers already, the more the larger these are. Images that few nodes have count less, lest pods
 * gather there. Upstream counterpart: `plugins/imagelocality`.
 */
import { type ScorePlugin, scoreMax } from '../../framework/plugin.ts';
import type { NodeInfo } from '../../model/node-info.ts';

const mebibyte = 2 ** 20;
/** Images that come to less are fetched in no time. */
const leastBytes = 23 * mebibyte;
/** More of one container counts as this. */
const mostBytesPerContainer = 1_000 * mebibyte;

/** The plugin. */
export const imageLocality: ScorePlugin = {
  name: 'ImageLocality',
  events: [],
  score({ pod, cluster }) {
    const containers = pod.pod.spec?.containers ?? [];
    const images = containers.flatMap(({ image = '' }) => {
      const name = withTag(image);
      const known = cluster.imageUse(name);
      return known === undefined ? [] : [{ name, bytes: Math.trunc(known.bytes * (known.nodes / cluster.nodeCount)) }];
    });
    if (images.reduce((sum, { bytes }) => sum + bytes, 0) <= leastBytes) return undefined;
    const most = mostBytesPerContainer * containers.length;
    return (node) => {
      const held = images.reduce((sum, { name, bytes }) => sum + (hasImage(node, name) ? bytes : 0), 0);
      const counted = Math.min(most, Math.max(leastBytes, held));
      return Math.trunc((scoreMax * (counted - leastBytes)) / (most - leastBytes));
    };
  },
};

function hasImage({ node }: NodeInfo, name: string): boolean {
  return node?.status?.images?.some(({ names }) => names?.includes(name)) === true;
}

/** An image without a tag has the tag `latest`. */
function withTag(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
}
