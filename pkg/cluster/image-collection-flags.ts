/**
 * When a node takes images away that nothing uses, as its flags say. Names and defaults are upstream's kubelet's, but that a full disk is no reason by itself: it is its
 * owner's, as with kind, and an image that was built or loaded here may be nowhere else.
 */
import { duration, type FlagTable, integer } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { ImageCollectionSettings } from '#pkg/kubelet/images/image-collector.ts';

const highDefault = 100;
const lowDefault = 80;
const ageMsMinDefault = 120_000;

/** The table. */
export const imageCollectionFlags = {
  'image-gc-high-threshold': integer({
    help: 'Percentage of the disk from which on images that nothing uses are taken away; 100 for never, 85 as nodes of Kubernetes have it.',
    fallback: highDefault,
    max: 100,
  }),
  'image-gc-low-threshold': integer({
    help: 'Percentage of the disk down to which they are taken away.',
    fallback: lowDefault,
    max: 100,
  }),
  'minimum-image-ttl-duration': duration({
    help: 'How long an image is left alone after it was first seen.',
    fallback: ageMsMinDefault,
  }),
  'image-maximum-gc-age': duration({
    help: 'How long nothing may have used an image before it is taken away although there is room; 0s for ever.',
    fallback: 0,
  }),
} satisfies FlagTable;

/** The settings that values of the table stand for; undefined where no image is ever taken away. Throws `UserError` where the low threshold is not below the high one. */
export function imageCollectionOf(values: Readonly<Record<string, unknown>>): ImageCollectionSettings | undefined {
  const numberOf = (name: keyof typeof imageCollectionFlags, fallback: number): number => {
    const value = values[name];
    return typeof value === 'number' ? value : fallback;
  };
  const highPercent = numberOf('image-gc-high-threshold', highDefault);
  const lowPercent = numberOf('image-gc-low-threshold', lowDefault);
  if (lowPercent >= highPercent)
    throw new UserError(`--image-gc-low-threshold: must be below --image-gc-high-threshold, which is ${highPercent}`);
  const ageMsMax = numberOf('image-maximum-gc-age', 0);
  if (highPercent === 100 && ageMsMax === 0) return undefined;
  return {
    highPercent,
    lowPercent,
    ageMsMin: numberOf('minimum-image-ttl-duration', ageMsMinDefault),
    ageMsMax,
  };
}
