/** The patches of `apply`: what they say, and that they make of a live object what a file wants. */
import { expect, test } from 'vitest';
import { typeSchema } from '#pkg/api/facts.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { applyStrategicMergePatch } from '#pkg/apimachinery/patch/strategic-merge-patch.ts';
import { threeWayPatch } from './three-way.ts';

const schema = typeSchema('io.k8s.api.core.v1.PodSpec');
const container = (name: string, image: string, more: JsonObject = {}): JsonObject => ({ name, image, ...more });

test.each<[what: string, original: JsonObject, modified: JsonObject, current: JsonObject, patch: JsonObject]>([
  ['nothing', { a: 1 }, { a: 1 }, { a: 1, b: 2 }, {}],
  [
    'what is new and what is other',
    {},
    { hostname: 'a', subdomain: 'b' },
    { subdomain: 'c' },
    { hostname: 'a', subdomain: 'b' },
  ],
  ['what the file no longer has', { hostname: 'a' }, {}, { hostname: 'a', subdomain: 'b' }, { hostname: null }],
  [
    'a container by its name, and the order',
    {},
    { containers: [container('b', '2'), container('a', '1')] },
    { containers: [container('a', '1', { tty: true }), container('b', '1')] },
    { containers: [{ name: 'b', image: '2' }], '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] },
  ],
  [
    'a container that the file no longer has',
    { containers: [container('a', '1'), container('b', '1')] },
    { containers: [container('a', '1')] },
    { containers: [container('a', '1'), container('b', '1'), container('c', '1')] },
    { containers: [{ $patch: 'delete', name: 'b' }], '$setElementOrder/containers': [{ name: 'a' }] },
  ],
  [
    'a list without a key as a whole',
    {},
    { containers: [container('a', '1', { args: ['x'] })] },
    { containers: [container('a', '1', { args: ['x', 'y'] })] },
    { containers: [{ name: 'a', args: ['x'] }], '$setElementOrder/containers': [{ name: 'a' }] },
  ],
  [
    'the order alone where the server has more, or another order',
    {},
    { containers: [container('a', '1')] },
    { containers: [container('a', '1'), container('side', '1')] },
    { '$setElementOrder/containers': [{ name: 'a' }] },
  ],
  [
    'no order where the server has nothing yet',
    {},
    { containers: [container('a', '1')] },
    { containers: [] },
    { containers: [container('a', '1')] },
  ],
  [
    'what goes from a container that the server no longer has',
    { containers: [container('a', '1', { args: ['x'] })] },
    { containers: [container('a', '2')] },
    { containers: [container('b', '1')] },
    { containers: [{ name: 'a', image: '2', args: null }], '$setElementOrder/containers': [{ name: 'a' }] },
  ],
  [
    'of a volume what is to stay',
    {},
    { volumes: [{ name: 'v', hostPath: { path: '/x' } }] },
    { volumes: [{ name: 'v', emptyDir: {} }] },
    {
      volumes: [{ name: 'v', hostPath: { path: '/x' }, $retainKeys: ['hostPath', 'name'] }],
      '$setElementOrder/volumes': [{ name: 'v' }],
    },
  ],
])('the patch has %s', (_what, original, modified, current, patch) => {
  expect(threeWayPatch({ original, modified, current }, schema)).toEqual(patch);
});

test('applied, the patch leaves what others have set', () => {
  const original = { containers: [container('a', '1', { env: [{ name: 'X', value: '1' }] })], hostname: 'old' };
  const modified = { containers: [container('a', '2')], nodeSelector: { disk: 'ssd' } };
  const current = {
    containers: [
      container('a', '1', {
        env: [
          { name: 'X', value: '1' },
          { name: 'Y', value: '2' },
        ],
      }),
      container('side', '1'),
    ],
    hostname: 'old',
    nodeSelector: { zone: 'b' },
  };
  const patch = threeWayPatch({ original, modified, current }, schema);
  const result = applyStrategicMergePatch(current, patch, schema);
  expect(result.ok && result.value).toEqual({
    containers: [container('a', '2'), container('side', '1')],
    nodeSelector: { zone: 'b', disk: 'ssd' },
  });
});

test('without a schema lists are replaced and fields removed', () => {
  const found = threeWayPatch(
    { original: { a: 1, l: [1] }, modified: { l: [1, 2] }, current: { a: 1, l: [1] } },
    undefined,
  );
  expect(found).toEqual({ a: null, l: [1, 2] });
});
