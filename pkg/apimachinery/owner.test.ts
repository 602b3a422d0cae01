import { expect, test } from 'vitest';
import { controllerOf } from './object.ts';
import { controllerReference, fnv32a, hashObject, safeEncode } from './owner.ts';

test('FNV-1a and the safe alphabet are the published ones', () => {
  expect(fnv32a('')).toBe(0x811c9dc5);
  expect(fnv32a('a')).toBe(0xe40c292c);
  expect(fnv32a('foobar')).toBe(0xbf9cf968);
  expect(safeEncode('0123')).toBe('4567');
});

test('equal templates have equal hashes, collisions make another', () => {
  const hash = hashObject({ a: 1, b: { c: [1] } });
  expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/);
  expect(hashObject({ b: { c: [1] }, a: 1 })).toBe(hash);
  expect(hashObject({ a: 2 })).not.toBe(hash);
  expect(hashObject({ a: 1, b: { c: [1] } }, 1)).not.toBe(hash);
});

test('a controller reference makes its owner the controller', () => {
  const owner = { metadata: { name: 'web', uid: 'u1' } };
  const ref = { group: 'apps', version: 'v1', resource: 'replicasets', kind: 'ReplicaSet', namespaced: true };
  const reference = controllerReference(owner, ref);
  expect(reference).toEqual({
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name: 'web',
    uid: 'u1',
    controller: true,
    blockOwnerDeletion: true,
  });
  expect(controllerOf({ metadata: { ownerReferences: [reference] } })).toBe(reference);
});
