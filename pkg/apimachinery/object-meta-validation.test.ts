import { expect, test } from 'vitest';
import type { FieldError } from './field-error.ts';
import { untyped } from './field-error.ts';
import type { ObjectMeta } from './object.ts';
import { validateFieldManager, validateObjectMeta, validateObjectMetaUpdate } from './object-meta-validation.ts';

const namespaced = { namespaced: true };
const text = (errors: readonly FieldError[]): string[] => errors.map((error) => `${error.field}: ${error.message}`);
const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' };

test.each<[string, ObjectMeta, string[]]>([
  ['good metadata', { name: 'a', namespace: 'b', labels: { 'x/y': '1' }, finalizers: ['x/y'] }, []],
  ['no name', { namespace: 'b' }, ['metadata.name: Required value: name or generateName is required']],
  ['no namespace', { name: 'a' }, ['metadata.namespace: Required value']],
  [
    'two controllers',
    {
      name: 'a',
      namespace: 'b',
      ownerReferences: [
        { ...owner, controller: true },
        { ...owner, name: 'q', controller: true },
      ],
    },
    [
      'metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u","controller":true},{"apiVersion":"v1","kind":"Pod","name":"q","uid":"u","controller":true}]: Only one reference can have Controller set to true. Found "true" in references for Pod/p and Pod/q',
    ],
  ],
  [
    'an owner without uid',
    { name: 'a', namespace: 'b', ownerReferences: [{ ...owner, uid: '' }] },
    ['metadata.ownerReferences.uid: Invalid value: "": must not be empty'],
  ],
  [
    'annotations beyond the limit',
    { name: 'a', namespace: 'b', annotations: { x: 'y'.repeat(256 * 1024) } },
    ['metadata.annotations: Too long: may not be more than 262144 bytes'],
  ],
  [
    'finalizers that exclude each other',
    { name: 'a', namespace: 'b', finalizers: ['orphan', 'foregroundDeletion'] },
    [
      'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
    ],
  ],
])('create: %s', (_, meta, errors) => {
  expect(text(validateObjectMeta(meta, namespaced))).toEqual(errors);
});

test('a cluster-scoped object has no namespace', () => {
  expect(text(validateObjectMeta({ name: 'a', namespace: 'b' }, { namespaced: false }))).toEqual([
    'metadata.namespace: Forbidden: not allowed on this type',
  ]);
});

test('a generateName may end with a dash', () => {
  const meta = { name: 'web-abcde', generateName: 'web-', namespace: 'b' };
  expect(validateObjectMeta(meta, namespaced)).toEqual([]);
});

test.each<[string, ObjectMeta, ObjectMeta, string[]]>([
  ['nothing', {}, {}, []],
  ['the name', { name: 'b' }, {}, ['metadata.name: Invalid value: "b": field is immutable']],
  ['the uid', { uid: 'x' }, {}, ['metadata.uid: Invalid value: "x": field is immutable']],
  [
    'a finalizer during deletion',
    { deletionTimestamp: 't', finalizers: ['a/b'] },
    { deletionTimestamp: 't' },
    [
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a/b"}',
    ],
  ],
])('update of %s', (_, change, stored, errors) => {
  const old = { name: 'a', namespace: 'n', uid: 'u', resourceVersion: '1', ...stored };
  expect(text(validateObjectMetaUpdate({ ...old, ...change }, old, namespaced))).toEqual(errors);
});

test('names of field managers are printable and short', () => {
  expect(text(validateFieldManager('x'.repeat(129), untyped('fieldManager')))).toEqual([
    'fieldManager: Too long: may not be more than 128 bytes',
  ]);
  expect(text(validateFieldManager('a\nb', untyped('fieldManager')))).toEqual([
    'fieldManager: Invalid value: "a\\nb": invalid character U+000A (at position 1)',
  ]);
  expect(validateFieldManager('kubectl client-side apply', untyped('fieldManager'))).toEqual([]);
});

test('of tens of thousands of controllers some are told of, as each error shows all of them', () => {
  const ownerReferences = Array.from({ length: 30_000 }, (_, i) => ({ ...owner, name: `o${i}`, controller: true }));
  expect(validateObjectMeta({ name: 'a', namespace: 'b', ownerReferences }, namespaced)).toHaveLength(10);
});
