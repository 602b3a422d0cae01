import { expect, test } from 'vitest';
import type { JsonObject } from '../object.ts';
import { refreshLastApplied } from './last-applied.ts';

const name = 'kubectl.kubernetes.io/last-applied-configuration';
const live = { metadata: { name: 'a', annotations: { [name]: '{}' } } };

test.each([
  [{ name: 'a', labels: { z: '1', b: '2' } }, '{"labels":{"b":"2","z":"1"},"name":"a"}'],
  [{ name: 'a', annotations: {} }, '{"annotations":{},"name":"a"}'],
  [{ name: 'a', annotations: { [name]: 'old', x: 'y' } }, '{"annotations":{"x":"y"},"name":"a"}'],
])('the last configuration is kept with sorted names and without itself', (metadata, text) => {
  const draft: JsonObject = { metadata: { annotations: { keep: 'this' } } };
  refreshLastApplied(draft, { live, config: { kind: 'ConfigMap', apiVersion: 'v1', metadata } });
  const written = `{"apiVersion":"v1","kind":"ConfigMap","metadata":${text}}\n`;
  expect(draft).toEqual({ metadata: { annotations: { keep: 'this', [name]: written } } });
});

test('an object without the annotation does not get one', () => {
  const draft: JsonObject = { metadata: {} };
  refreshLastApplied(draft, { live: { metadata: { name: 'a' } }, config: { metadata: { name: 'a' } } });
  expect(draft).toEqual({ metadata: {} });
});

test('a configuration that is too large for an annotation is not kept', () => {
  const draft: JsonObject = { metadata: { annotations: { [name]: 'old', keep: 'this' } } };
  const config = { kind: 'ConfigMap', apiVersion: 'v1', data: { a: 'x'.repeat(256 * 1024) } };
  refreshLastApplied(draft, { live, config });
  expect(draft).toEqual({ metadata: { annotations: { keep: 'this' } } });
});
