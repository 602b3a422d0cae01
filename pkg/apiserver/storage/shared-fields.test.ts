import { expect, test } from 'vitest';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { shareFields } from './shared-fields.ts';

/** Metadata of two managers, with sets of its own. */
function metadataOf(name: string, field = 'f:x'): JsonObject {
  const entry = (manager: string) => ({ manager, fieldsV1: { 'f:spec': { [field]: {} } } });
  return { name, managedFields: [entry('a'), entry('b')] };
}

function setsOf({ managedFields }: JsonObject): readonly unknown[] {
  return (managedFields as readonly { fieldsV1: unknown }[]).map(({ fieldsV1 }) => fieldsV1);
}

test('equal sets become one, of one object and of several; nothing else changes, nor the list that was there', () => {
  const [one, other] = [metadataOf('one'), metadataOf('other')];
  const list = other.managedFields;
  for (const metadata of [one, other]) shareFields(metadata);
  expect(new Set([...setsOf(one), ...setsOf(other)]).size).toBe(1);
  expect(other).toEqual(metadataOf('other'));
  expect(list).toEqual(metadataOf('other').managedFields);
  const known = other.managedFields;
  shareFields(other);
  expect(other.managedFields).toBe(known);
});

test('sets that differ in the order of their fields stay apart, as their JSON does', () => {
  const [one, other] = [
    { 'f:a': {}, 'f:b': {} },
    { 'f:b': {}, 'f:a': {} },
  ].map((fieldsV1) => ({
    managedFields: [{ fieldsV1 }],
  }));
  for (const metadata of [one!, other!]) shareFields(metadata);
  expect(JSON.stringify(other)).toBe('{"managedFields":[{"fieldsV1":{"f:b":{},"f:a":{}}}]}');
});

test('a set that is in use is found however many others there were; metadata without managers stays as it is', () => {
  const first = metadataOf('first', 'f:used');
  shareFields(first);
  for (let i = 0; i < 2_000; i++) {
    shareFields(metadataOf('other', `f:${i}`));
    const again = metadataOf('again', 'f:used');
    shareFields(again);
    expect(setsOf(again)[0]).toBe(setsOf(first)[0]);
  }
  const bare = { name: 'bare' };
  shareFields(bare);
  expect(bare).toEqual({ name: 'bare' });
});
