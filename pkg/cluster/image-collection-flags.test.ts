import { expect, test } from 'vitest';
import { imageCollectionOf } from './image-collection-flags.ts';

test('images are collected where flags say so', () => {
  expect(imageCollectionOf({})).toBeUndefined();
  expect(imageCollectionOf({ 'image-gc-high-threshold': 85 })).toEqual({
    highPercent: 85,
    lowPercent: 80,
    ageMsMin: 120_000,
    ageMsMax: 0,
  });
  expect(
    imageCollectionOf({
      'image-gc-high-threshold': 90,
      'image-gc-low-threshold': 10,
      'minimum-image-ttl-duration': 1000,
      'image-maximum-gc-age': 5000,
    }),
  ).toEqual({ highPercent: 90, lowPercent: 10, ageMsMin: 1000, ageMsMax: 5000 });
});

test('with a threshold of 100 only age counts, and without one nothing is collected', () => {
  expect(imageCollectionOf({ 'image-gc-high-threshold': 100 })).toBeUndefined();
  expect(imageCollectionOf({ 'image-gc-high-threshold': 100, 'image-maximum-gc-age': 1 })).toMatchObject({
    ageMsMax: 1,
  });
});

test('a low threshold that is not below the high one is refused', () => {
  expect(() => imageCollectionOf({ 'image-gc-high-threshold': 50 })).toThrow(
    '--image-gc-low-threshold: must be below --image-gc-high-threshold, which is 50',
  );
});
