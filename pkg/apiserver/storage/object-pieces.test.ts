import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { decodeStored, encodeForWrite, objectCodec, type StoredEntry } from './object-codec.ts';

const pod = (): JsonObject => ({
  kind: 'Pod',
  apiVersion: 'v1',
  metadata: { name: 'a', labels: { app: 'ü' }, managedFields: [{ manager: 'm', fieldsV1: { 'f:spec': {} } }] },
  spec: { containers: [{ name: 'main', image: 'i' }], nodeSelector: {} },
  status: { phase: 'Pending', conditions: [] },
});

function stored(draft: JsonObject, before?: StoredEntry): StoredEntry {
  const value = encodeForWrite('k', draft, { before });
  return objectCodec.entry({ key: 'k', value, createRevision: 1, modRevision: (before?.modRevision ?? 1) + 1 });
}

/** A change of a state; the draft shares with it what it does not name. */
function changed(entry: StoredEntry, change: (old: JsonObject) => JsonObject): StoredEntry {
  const old = entry.object as JsonObject;
  return stored({ ...old, ...change(old) }, entry);
}

const nested = (object: JsonObject, field: string): JsonObject => object[field] as JsonObject;

/** By name: what becomes of the state before. */
const changes: Readonly<Record<string, (old: JsonObject) => JsonObject>> = {
  'a field more in the spec, and another status': (old) => ({
    metadata: { ...nested(old, 'metadata') },
    spec: { ...nested(old, 'spec'), nodeName: 'nöde' },
    status: { ...nested(old, 'status'), conditions: [{ type: 'PodScheduled' }] },
  }),
  'another status': () => ({ status: { phase: 'Running' } }),
  'other metadata': (old) => ({ metadata: { ...nested(old, 'metadata'), labels: { app: 'b' } } }),
  'metadata with less': (old) => ({ metadata: { ...nested(old, 'metadata'), labels: undefined } }),
  'metadata with more': (old) => ({ metadata: { ...nested(old, 'metadata'), generation: 2 } }),
  'a field less in the spec': (old) => ({ spec: { ...nested(old, 'spec'), nodeSelector: undefined } }),
  'a field of the spec in place of another': (old) => ({
    spec: { ...nested(old, 'spec'), containers: [], nodeName: 'n' },
  }),
  'a spec of nothing': () => ({ spec: {} }),
  'no spec': () => ({ spec: undefined }),
  'no status': () => ({ status: undefined }),
  'a field beside': () => ({ data: { x: 1 } }),
  'what Go escapes': () => ({ status: { message: '<&>' } }),
  'an integer that no double holds': () => ({ status: { n: 9_007_199_254_740_993n } }),
  nothing: () => ({}),
};

test.each(Object.keys(changes))('a state that was made of another is encoded as it is alone: %s', (name) => {
  const before = stored(pod());
  const after = changed(before, changes[name]!);
  expect(decodeStored(after.value)).toEqual(decodeStored(stored({ ...(after.object as JsonObject) }).value));
  expect(after.isPlain).toBe(name !== 'what Go escapes');
});

test('managed fields are as they are alone, whether many objects share their sets or none, and whatever is in them', () => {
  const set = (field: string) => ({ 'f:spec': { [`f:${field}`]: {} } });
  const entries = [
    { manager: 'a', fieldsV1: set('x') },
    { manager: 'b', fieldsType: 'FieldsV1', fieldsV1: set('k:{"name":"<&>"}'), subresource: 'status' },
    { manager: 'c', fieldsV1: set('ü'), subresource: 'status' },
    { manager: 'd' },
  ];
  for (const managedFields of [entries, entries.slice(0, 1), entries.slice(3), []]) {
    const metadata = { name: 'a', managedFields };
    const draft = { kind: 'Pod', apiVersion: 'v1', metadata, spec: { x: 1 } };
    const first = stored(draft);
    const again = changed(first, (old) => ({ metadata: { ...nested(old, 'metadata'), labels: {} } }));
    for (const entry of [first, again]) expect(decodeStored(entry.value)).toMatchObject(draft);
    const isPlain = !managedFields.includes(entries[1]!);
    expect([first.isPlain, again.isPlain]).toEqual([isPlain, isPlain]);
    const alone = objectCodec.entry({ key: 'k', value: Buffer.from(again.value), createRevision: 1, modRevision: 9 });
    expect(alone.object).toMatchObject({ metadata: { managedFields, labels: {} } });
  }
});

test('changes of changes are encoded as they are alone', () => {
  for (const first of Object.values(changes))
    for (const second of Object.values(changes)) {
      const after = changed(changed(stored(pod()), first), second);
      expect(decodeStored(after.value)).toEqual(decodeStored(stored({ ...(after.object as JsonObject) }).value));
      expect(JSON.parse(Buffer.from(after.bytes).toString()).metadata.resourceVersion).toBe(String(after.modRevision));
    }
});

test('what did not change is taken from the bytes of the state before', () => {
  const before = stored(pod());
  const old = before.object as JsonObject;
  // Encoding it would throw.
  const spec = Object.freeze({
    toJSON: () => {
      throw new Error('encoded');
    },
  });
  expect(() => stored({ ...old, spec })).toThrow('encoded');
  const held = nested(old, 'spec');
  Object.defineProperty(held, 'toJSON', { value: spec.toJSON });
  const after = changed(before, () => ({ status: { phase: 'Running' } }));
  expect(decodeStored(after.value)).toMatchObject({ spec: pod().spec, status: { phase: 'Running' } });
});
