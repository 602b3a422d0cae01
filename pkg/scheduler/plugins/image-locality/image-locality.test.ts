import { expect, test } from 'vitest';
import type { Node } from '#pkg/api/types/core-v1.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { scored } from '../../framework/plugin-tester.ts';
import { imageLocality } from './image-locality.ts';

const mebibyte = 2 ** 20;

function having(name: string, images: Readonly<Record<string, number>>): Node {
  const node = makeNode(name);
  const held = Object.entries(images).map(([image, size]) => ({ names: [image], sizeBytes: size * mebibyte }));
  return { ...node, status: { ...node.status, images: held } };
}

function running(...images: readonly string[]) {
  return makePod('p').spec({ containers: images.map((image, index) => ({ name: `c${index}`, image })) }).object;
}

/** By hand: 500 MiB on one of two nodes count 250, of which 23 are nothing and 1,000 all. */
test('nodes that have large images score, the less the fewer nodes have them', () => {
  const nodes = [having('a', { 'web:latest': 500 }), having('b', {})];
  expect(scored(imageLocality, running('web'), { nodes })).toEqual({ a: 23, b: 0 });
});

test('small images and images that nobody has say nothing', () => {
  const nodes = [having('a', { 'web:1': 20 }), having('b', { 'web:1': 20 })];
  expect(scored(imageLocality, running('web:1'), { nodes })).toEqual({});
  expect(scored(imageLocality, running('web:2'), { nodes })).toEqual({});
});
