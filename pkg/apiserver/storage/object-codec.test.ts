import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { encodeForWrite, entryAt, headOf, lateForWrite, objectCodec, type StoredEntry } from './object-codec.ts';
import { renamedView, storedView } from './version-view.ts';

const draft = () => ({
  spec: { x: 'ü' },
  metadata: { resourceVersion: '3', name: 'a' },
  kind: 'Pod',
  apiVersion: 'v1',
});

function stored(value: Uint8Array, modRevision = 7) {
  return objectCodec.entry({ key: 'k', value, createRevision: 5, modRevision });
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

/** The item of a list, which is as long as it says. */
function itemOf(entry: StoredEntry): string {
  const items = storedView.items([entry]);
  const target = Buffer.alloc(items.bytes(0) + 2, '-');
  const end = items.write(0, target, 1);
  expect([items.count, end, target[0], target.at(-1)]).toEqual([1, target.length - 1, 0x2d, 0x2d]);
  return text(target.subarray(1, end));
}

test('what lies in the store has its type first and no resourceVersion', () => {
  expect(text(encodeForWrite('k', draft()))).toBe(
    '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{"x":"ü"}}',
  );
});

test('a draft is stored the same whatever the order of its fields, and stays as it was', () => {
  const { spec, metadata, kind, apiVersion } = draft();
  const orders = [
    { kind, apiVersion, metadata, spec },
    { apiVersion, kind, metadata, spec },
    { kind, apiVersion, spec, metadata },
    { kind, metadata, apiVersion, spec },
  ];
  const before = JSON.stringify(orders);
  for (const one of orders)
    expect(text(encodeForWrite('k', one))).toBe(
      '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{"x":"ü"}}',
    );
  expect(JSON.stringify(orders)).toBe(before);
});

test('the resourceVersion is put in without parsing, and is the same in the object', () => {
  const entry = stored(Buffer.from(encodeForWrite('k', draft())));
  expect(text(entry.bytes)).toBe(
    '{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"a"},"spec":{"x":"ü"}}',
  );
  expect(entry.object).toEqual(JSON.parse(text(entry.bytes)));
});

test('what was written here is not decoded again, and an entry belongs to its bytes', () => {
  const value = encodeForWrite('k', draft());
  const entry = stored(value);
  expect(entry.object).toEqual({ ...draft(), metadata: { resourceVersion: '7', name: 'a' } });
  expect(stored(value)).toBe(entry);
  expect(stored(value, 9)).not.toBe(entry);
});

test('an entry that is no longer news says the same as before, and so does its last state', () => {
  const entry = stored(encodeForWrite('k', draft()));
  const before = entry.object;
  entry.settle();
  entry.settle();
  expect(entry.object).toEqual(before);
  const decoded = stored(Buffer.from(encodeForWrite('k', draft())));
  decoded.settle();
  expect(decoded.object).toEqual(before);
  const unread = entryAt(stored(Buffer.from(encodeForWrite('k', draft()))), 12);
  expect(unread.object).toEqual({ ...before, metadata: { ...before.metadata, resourceVersion: '12' } });
});

test('what Go escapes is stored as it is and served escaped, in every form (fault 20)', () => {
  const special = { ...draft(), spec: { x: 'a<b>&c\u2028\u2029d' } };
  const value = encodeForWrite('k', special);
  expect(text(value)).toContain('a<b>&c\u2028\u2029d');
  for (const entry of [stored(value), stored(Buffer.from(value)), entryAt(stored(value), 9)]) {
    const item = itemOf(entry);
    const ended = text(storedView.bytes(entry, '\n'));
    expect(ended.endsWith('}\n')).toBe(true);
    for (const json of [text(entry.bytes), ended, item]) {
      expect(json).toContain('"a\\u003cb\\u003e\\u0026c\\u2028\\u2029d"');
      expect(JSON.parse(json).spec).toEqual(special.spec);
    }
  }
});

test('an item of a list has no type', () => {
  for (const revision of [1, 9, 10, 99, 100, 2 ** 53 - 1])
    expect(itemOf(stored(encodeForWrite('k', draft()), revision))).toBe(
      `{"metadata":{"resourceVersion":"${revision}","name":"a"},"spec":{"x":"ü"}}`,
    );
});

test('the last state of a deleted object has the revision of the deletion', () => {
  const entry = entryAt(stored(encodeForWrite('k', draft())), 12);
  expect([entry.object.metadata?.resourceVersion, JSON.parse(text(entry.bytes)).metadata.resourceVersion]).toEqual([
    '12',
    '12',
  ]);
});

test('another version with equal fields shares the bytes but for its head', () => {
  const view = renamedView({ apiVersion: 'x/v2', kind: 'Pod' }, { apiVersion: 'v1' });
  const entry = stored(encodeForWrite('k', draft()));
  expect(text(view.bytes(entry))).toBe(
    '{"kind":"Pod","apiVersion":"x/v2","metadata":{"resourceVersion":"7","name":"a"},"spec":{"x":"ü"}}',
  );
  expect(view.object(entry)).toEqual(JSON.parse(text(view.bytes(entry))));
  expect(view.toStored({ ...draft(), apiVersion: 'x/v2' }).apiVersion).toBe('v1');
});

test('the head of an object is the text before its metadata', () => {
  expect(text(headOf('v1', 'Pod'))).toBe('{"kind":"Pod","apiVersion":"v1","metadata":{');
});

test('what is made late is the same to the byte, at whatever moment somebody asks', () => {
  const eager = text(encodeForWrite('k', draft()));
  const entryOf = (): ReturnType<typeof stored> => {
    const late = lateForWrite('k', draft(), { bytesMax: 1_000 })!;
    return objectCodec.entry({ key: 'k', value: new Uint8Array(0), late, createRevision: 5, modRevision: 7 });
  };
  const [unread, settled, replaced, deleted] = [entryOf(), entryOf(), entryOf(), entryAt(entryOf(), 12)];
  settled.settle();
  replaced.replaced();
  replaced.settle();
  expect([unread, settled, replaced, deleted].map(({ value }) => text(value))).toEqual([eager, eager, eager, eager]);
  const expected = stored(Buffer.from(encodeForWrite('k', draft())));
  for (const entry of [unread, settled, replaced]) {
    expect([text(entry.bytes), entry.object]).toEqual([text(expected.bytes), expected.object]);
  }
  expect(JSON.parse(text(deleted.bytes))).toEqual(deleted.object);
});

test('what may be too large is encoded at once, as only its bytes tell', () => {
  const large = { ...draft(), spec: { x: '\u0000'.repeat(200) } };
  const bytes = encodeForWrite('k', large).length;
  expect([bytes > 1_200, lateForWrite('k', large, { bytesMax: 1_200 })]).toEqual([true, undefined]);
});
