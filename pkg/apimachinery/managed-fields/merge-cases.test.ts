/**
 * What becomes of an object and of its owners as appliers and updaters take turns, on small schemas: the behaviours that upstream's own
 * tests hold (structured-merge-diff 6.3.3 `merge/*_test.go`), in our words. All of those were run against this code as well.
 */
import { expect, test } from 'vitest';
import { deepFreeze } from '../json.ts';
import type { JsonObject, KubeObject } from '../object.ts';
import type { FieldSchema, ObjectSchema, Schema } from '../schema.ts';
import { applyObject } from './apply.ts';
import { type FieldSet, pathsOf } from './field-set.ts';
import { trackUpdate } from './track.ts';
import { typedErrors } from './typed-errors.ts';
import type { VersionForms } from './versions.ts';

function struct(fields: Readonly<Record<string, Schema | readonly [Schema, unknown]>>, more = {}): ObjectSchema {
  const entries = Object.entries(fields).map(([name, field]): [string, FieldSchema] => {
    const [schema, fallback] = Array.isArray(field) ? (field as [Schema, unknown]) : [field as Schema, undefined];
    const base = { name, schema, required: false, omitEmpty: false, patchStrategies: [], immutable: false };
    return [name, fallback === undefined ? base : { ...base, default: fallback }];
  });
  return { type: 'object', fields: new Map(entries), preserveUnknown: false, atomic: false, ...more };
}

const text: Schema = { type: 'string' };
const number: Schema = { type: 'int64' };
const map = (of: Schema, atomic = false): Schema => ({ type: 'map', of, atomic });
const list = (of: Schema): Schema => ({ type: 'list', of, listType: 'atomic', mapKeys: [] });
const keyed = (mapKeys: readonly string[], of: Schema): Schema => ({ type: 'list', of, listType: 'map', mapKeys });
const set: Schema = { type: 'list', of: text, listType: 'set', mapKeys: [] };
const port = struct({ name: text, port: number, protocol: [text, 'TCP'] });

const schema = struct({
  s: text,
  n: number,
  set,
  labels: map(text),
  atomicMap: map(text, true),
  atomicList: list(text),
  atomicStruct: struct({ a: text, b: text }, { atomic: true }),
  struct: struct({ a: text, b: text, inner: struct({ c: text }) }),
  items: keyed(['name'], struct({ name: text, value: text, set, labels: map(text) })),
  ports: keyed(['port', 'protocol'], port),
  pools: keyed(['pool', 'share'], struct({ pool: text, share: text, data: text })),
  maps: map(map(text)),
  any: { type: 'object', fields: new Map(), preserveUnknown: true, atomic: false },
});

/**
 * One turn: who, what, and for appliers the conflicts it meets, as `manager path`. `a` applies, `a!` applies by force, `=a` updates: its
 * object is the whole new one.
 */
type Turn = readonly [who: string, object: JsonObject, conflicts?: readonly string[]];

interface Outcome {
  readonly object: JsonObject;
  readonly owners: Readonly<Record<string, string>>;
}

const timestamp = '2026-01-01T00:00:00Z';

function play(turns: readonly Turn[], options: { schema?: ObjectSchema; versions?: VersionForms } = {}): Outcome {
  let live: KubeObject | undefined;
  for (const [who, object, conflicts = []] of turns) {
    const manager = who.replace(/[=!]/, '');
    const base = { schema, apiVersion: 'v1', timestamp, ...options, manager, live };
    if (who.startsWith('=')) {
      const updated = { ...object, metadata: { ...live?.metadata } } as KubeObject;
      const managedFields = trackUpdate({ ...base, updated });
      live = deepFreeze({ ...updated, metadata: { managedFields } });
      continue;
    }
    const result = applyObject({ ...base, config: deepFreeze(object) as KubeObject, force: who.endsWith('!') });
    const met = result.ok ? [] : result.conflicts.map((conflict) => `${conflict.manager.manager} ${conflict.path}`);
    expect(met).toEqual(conflicts);
    if (result.ok) live = deepFreeze(result.object) as KubeObject;
  }
  const { metadata, ...object } = live as KubeObject & JsonObject;
  const owners = (metadata?.managedFields ?? []).map((entry): [string, string] => [
    `${entry.operation === 'Update' ? '=' : ''}${entry.manager}`,
    pathsOf(entry.fieldsV1 as FieldSet).join(' '),
  ]);
  return { object, owners: Object.fromEntries(owners) };
}

test.each<[string, readonly Turn[], JsonObject, Outcome['owners']]>([
  ['what is applied is owned', [['a', { s: 'x', n: 1 }]], { s: 'x', n: 1 }, { a: '.n .s' }],
  [
    'what is left out the second time goes',
    [
      ['a', { s: 'x', n: 1 }],
      ['a', { s: 'y' }],
    ],
    { s: 'y' },
    { a: '.s' },
  ],
  [
    'who gives up everything owns nothing',
    [
      ['a', { s: 'x' }],
      ['a', {}],
    ],
    {},
    {},
  ],
  [
    'who changes a value by update owns it',
    [
      ['a', { s: 'x', n: 1 }],
      ['=u', { s: 'y', n: 1 }],
    ],
    { s: 'y', n: 1 },
    { a: '.n', '=u': '.s' },
  ],
  [
    'who applies against an update is refused, and by force is not',
    [
      ['a', { s: 'x' }],
      ['=u', { s: 'y' }],
      ['a', { s: 'z' }, ['u .s']],
      ['a!', { s: 'z' }],
    ],
    { s: 'z' },
    { a: '.s' },
  ],
  [
    'the same value is owned together',
    [
      ['=u', { s: 'x', n: 1 }],
      ['a', { s: 'x' }],
    ],
    { s: 'x', n: 1 },
    { '=u': '.n .s', a: '.s' },
  ],
  [
    'what an updater took over stays when the applier leaves it out',
    [
      ['a', { s: 'x', n: 1 }],
      ['=u', { s: 'y', n: 1 }],
      ['a', { n: 1 }],
    ],
    { s: 'y', n: 1 },
    { a: '.n', '=u': '.s' },
  ],
  [
    'an updater that takes away a field takes it from its owner',
    [
      ['a', { s: 'x', n: 1 }],
      ['=u', { n: 1 }],
    ],
    { n: 1 },
    { a: '.n' },
  ],
  // Sets.
  [
    'items of a set are owned one by one',
    [
      ['a', { set: ['x', 'y'] }],
      ['b', { set: ['y', 'z'] }],
      ['a', { set: ['x'] }],
    ],
    { set: ['x', 'y', 'z'] },
    { a: '.set[="x"]', b: '.set[="y"] .set[="z"]' },
  ],
  [
    'a set comes in the order of who applied last',
    [
      ['a', { set: ['x', 'y', 'z'] }],
      ['a', { set: ['z', 'x', 'y'] }],
    ],
    { set: ['z', 'x', 'y'] },
    { a: '.set[="x"] .set[="y"] .set[="z"]' },
  ],
  [
    'items of others keep their places',
    [
      ['=u', { set: ['1', '2', '3', '4'] }],
      ['a', { set: ['4', '2'] }],
    ],
    { set: ['1', '3', '4', '2'] },
    { '=u': '.set .set[="1"] .set[="2"] .set[="3"] .set[="4"]', a: '.set[="2"] .set[="4"]' },
  ],
  // Lists by keys.
  [
    'one item is kept by two, each with its part',
    [
      ['a', { items: [{ name: 'x', value: '1' }] }],
      ['b', { items: [{ name: 'x', labels: { l: '2' } }] }],
      ['a', {}],
    ],
    { items: [{ name: 'x', labels: { l: '2' } }] },
    { b: '.items[name="x"] .items[name="x"].name .items[name="x"].labels.l' },
  ],
  [
    'an item goes with what nobody owns in it',
    [
      ['a', { items: [{ name: 'x' }, { name: 'y' }] }],
      ['=u', { items: [{ name: 'x', value: 'u' }, { name: 'y' }] }],
      ['a', { items: [{ name: 'y' }] }],
    ],
    { items: [{ name: 'y' }] },
    { a: '.items[name="y"] .items[name="y"].name' },
  ],
  [
    'an item that its applier only uses stays for who made it',
    [
      ['=u', { items: [{ name: 'x', value: '1' }] }],
      ['a', { items: [{ name: 'x', labels: { l: '2' } }] }],
      ['a', {}],
    ],
    { items: [{ name: 'x', value: '1' }] },
    { '=u': '.items .items[name="x"] .items[name="x"].name .items[name="x"].value' },
  ],
  [
    'lists in lists are taken apart too',
    [
      ['a', { items: [{ name: 'x', set: ['1', '2'] }] }],
      ['b', { items: [{ name: 'x', set: ['2'] }] }],
      ['a', { items: [{ name: 'x' }] }],
    ],
    { items: [{ name: 'x', set: ['2'] }] },
    {
      a: '.items[name="x"] .items[name="x"].name',
      b: '.items[name="x"] .items[name="x"].name .items[name="x"].set[="2"]',
    },
  ],
  // Keys that are missing.
  [
    'a key with a default is as good as said',
    [
      ['a', { ports: [{ port: 80, name: 'x' }] }],
      ['b', { ports: [{ port: 80, protocol: 'TCP', name: 'y' }] }, ['a .ports[port=80,protocol="TCP"].name']],
    ],
    { ports: [{ port: 80, name: 'x' }] },
    { a: '.ports[port=80,protocol="TCP"] .ports[port=80,protocol="TCP"].name .ports[port=80,protocol="TCP"].port' },
  ],
  [
    'an item without one of its keys is another than one with it',
    [
      ['a', { pools: [{ pool: 'p', data: '1' }] }],
      ['b', { pools: [{ pool: 'p', share: 's', data: '2' }] }],
      ['a', { pools: [{ pool: 'p', data: '3' }] }],
    ],
    {
      pools: [
        { pool: 'p', data: '3' },
        { pool: 'p', share: 's', data: '2' },
      ],
    },
    {
      a: '.pools[pool="p"] .pools[pool="p"].data .pools[pool="p"].pool',
      b: '.pools[pool="p",share="s"] .pools[pool="p",share="s"].data .pools[pool="p",share="s"].pool .pools[pool="p",share="s"].share',
    },
  ],
  // What is one value.
  [
    'an atomic map is one value',
    [
      ['a', { atomicMap: { x: '1' } }],
      ['b', { atomicMap: { y: '2' } }, ['a .atomicMap']],
      ['b!', { atomicMap: { y: '2' } }],
    ],
    { atomicMap: { y: '2' } },
    { b: '.atomicMap' },
  ],
  [
    'so is an atomic list, also when it becomes empty',
    [
      ['a', { atomicList: ['x'] }],
      ['b', { atomicList: [] }, ['a .atomicList']],
    ],
    { atomicList: ['x'] },
    { a: '.atomicList' },
  ],
  [
    'and an atomic struct',
    [
      ['a', { atomicStruct: { a: 'x' } }],
      ['b', { atomicStruct: {} }, ['a .atomicStruct']],
    ],
    { atomicStruct: { a: 'x' } },
    { a: '.atomicStruct' },
  ],
  [
    'who gives up an atomic value that another has too leaves it',
    [
      ['a', { atomicList: ['x'] }],
      ['b', { atomicList: ['x'] }],
      ['a', {}],
    ],
    { atomicList: ['x'] },
    { b: '.atomicList' },
  ],
  // Structs and maps.
  [
    'a struct goes with its last field',
    [
      ['a', { struct: { inner: { c: 'x' } } }],
      ['a', {}],
    ],
    {},
    {},
  ],
  [
    'a struct stays with what others have in it',
    [
      ['a', { struct: { a: '1' } }],
      ['=u', { struct: { a: '1', b: '2' } }],
      ['a', {}],
    ],
    { struct: { b: '2' } },
    { '=u': '.struct.b' },
  ],
  [
    'a map that is applied empty is owned and takes nothing away',
    [
      ['a', { labels: { x: '1' } }],
      ['b', { labels: {} }],
    ],
    { labels: { x: '1' } },
    { a: '.labels.x', b: '.labels' },
  ],
  [
    'keys of a map are owned one by one',
    [
      ['a', { labels: { x: '1', y: '1' } }],
      ['b', { labels: { y: '2' } }, ['a .labels.y']],
      ['b!', { labels: { y: '2' } }],
      ['a', { labels: { x: '1' } }],
    ],
    { labels: { x: '1', y: '2' } },
    { a: '.labels.x', b: '.labels.y' },
  ],
  [
    'maps in maps too',
    [
      ['a', { maps: { k: { x: '1' } } }],
      ['b', { maps: { k: { y: '2' } } }],
      ['a', {}],
    ],
    { maps: { k: { y: '2' } } },
    { b: '.maps.k .maps.k.y' },
  ],
  // Nulls.
  [
    'null for a value is a change of it',
    [
      ['a', { s: 'x' }],
      ['b', { s: null }, ['a .s']],
      ['b!', { s: null }],
    ],
    {},
    { b: '.s' },
  ],
  [
    'null for what is merged takes nothing away',
    [
      ['a', { labels: { x: '1' } }],
      ['b', { labels: null }],
    ],
    { labels: { x: '1' } },
    { a: '.labels.x', b: '.labels' },
  ],
  // What no schema lists.
  [
    'unlisted objects are owned by their fields, unlisted lists as a whole',
    [
      ['a', { any: { o: { x: 1 }, l: [1] } }],
      ['b', { any: { o: { y: 2 }, l: [2] } }, ['a .any.l']],
      ['b', { any: { o: { y: 2 } } }],
    ],
    { any: { o: { x: 1, y: 2 }, l: [1] } },
    { a: '.any.l .any.o .any.o.x', b: '.any.o .any.o.y' },
  ],
])('%s', (_, turns, object, owners) => {
  expect(play(turns)).toEqual({ object, owners });
});

test.each<[string, JsonObject, string | undefined]>([
  ['one key of several', { pools: [{ share: 's' }] }, undefined],
  ['a key that has a default', { ports: [{ name: 'x' }] }, undefined],
  [
    'no key at all',
    { pools: [{ data: 'x' }] },
    '.pools: element 0: associative list with keys has an element that omits all key fields ["pool" "share"] (and doesn\'t have default values for any key fields)',
  ],
  [
    'the same keys twice, once by a default',
    { ports: [{ port: 80 }, { port: 80, protocol: 'TCP' }] },
    '.ports: duplicate entries for key [port=80,protocol="TCP"]',
  ],
  ['the same item of a set twice', { set: ['x', 'x'] }, '.set: duplicate entries for key [="x"]'],
])('an item with %s in a configuration (fault 6)', (_, config, errors) => {
  expect(typedErrors(config, schema)).toBe(errors);
});

test('an item that is there several times belongs to who made it so, until it is one again', () => {
  const twice = {
    items: [
      { name: 'x', value: '1' },
      { name: 'x', value: '2' },
    ],
  };
  expect(play([['=u', twice]]).owners).toEqual({ '=u': '.items .items[name="x"]' });
  const once = { items: [{ name: 'x', value: '3' }] };
  expect(
    play([
      ['=u', twice],
      ['a', once, ['u .items[name="x"]']],
      ['a!', once],
    ]),
  ).toEqual({
    object: once,
    owners: { '=u': '.items', a: '.items[name="x"] .items[name="x"].name .items[name="x"].value' },
  });
});

test('what became one value is owned as a whole by who owned a part of it', () => {
  const { owners } = play([['a', { struct: { a: 'x', inner: { c: 'y' } }, s: 'z' }]]);
  expect(owners).toEqual({ a: '.s .struct.a .struct.inner.c' });
  const managedFields = [
    {
      manager: 'a',
      operation: 'Apply' as const,
      apiVersion: 'v1',
      time: timestamp,
      fieldsType: 'FieldsV1' as const,
      fieldsV1: { 'f:s': {}, 'f:struct': { 'f:a': {} } },
    },
  ];
  const changed = struct({ s: text, struct: struct({ a: text }, { atomic: true }) });
  const live = deepFreeze({ metadata: { managedFields }, s: 'z', struct: { a: 'x' } }) as KubeObject;
  const base = { live, schema: changed, apiVersion: 'v1', timestamp, force: false };
  const refused = applyObject({ ...base, manager: 'b', config: { struct: { a: 'y' } } as KubeObject });
  expect(refused.ok || refused.conflicts.map(({ path }) => path)).toEqual(['.struct']);
  const again = applyObject({ ...base, manager: 'a', config: { struct: { a: 'y' } } as KubeObject });
  expect(again.ok && again.object).toMatchObject({ struct: { a: 'y' } });
  expect(again.ok && again.object).not.toHaveProperty('s');
});

/** Two versions that call one field differently; `v0` is no more. */
const renamed: VersionForms = (version) => {
  const rename = (object: JsonObject, from: string, to: string): JsonObject =>
    Object.fromEntries(Object.entries(object).map(([name, value]) => [name === from ? to : name, value]));
  if (version !== 'v2') return undefined;
  return {
    schema: struct({ text, n: number, items: keyed(['name'], struct({ name: text, value: text })) }),
    fromRequest: (object) => rename(object, 's', 'text'),
    toRequest: (object) => rename(object, 'text', 's'),
  };
};

function withOwner(apiVersion: string, fieldsV1: FieldSet, object: JsonObject): KubeObject {
  const entry = { manager: 'a', operation: 'Apply' as const, apiVersion, fieldsType: 'FieldsV1' as const, fieldsV1 };
  return deepFreeze({ ...object, metadata: { managedFields: [entry] } }) as KubeObject;
}

test('a manager owns its fields in the version it speaks', () => {
  const live = withOwner('v2', { 'f:text': {}, 'f:n': {} }, { s: 'x', n: 1 });
  const base = { live, schema, apiVersion: 'v1', timestamp, versions: renamed };
  const refused = applyObject({ ...base, manager: 'b', force: false, config: { s: 'y' } as KubeObject });
  expect(refused.ok || refused.conflicts.map(({ path }) => path)).toEqual(['.text']);
  const forced = applyObject({ ...base, manager: 'b', force: true, config: { s: 'y' } as KubeObject });
  const fieldsOf = (object: JsonObject) => (object as KubeObject).metadata!.managedFields!.map((one) => one.fieldsV1);
  expect(forced.ok && fieldsOf(forced.object)).toEqual([{ 'f:n': {} }, { 'f:s': {} }]);
  const updated = { ...live, s: 'y' } as KubeObject;
  expect(trackUpdate({ ...base, updated, manager: 'u' }).map((one) => one.fieldsV1)).toEqual([
    { 'f:n': {} },
    { 'f:s': {} },
  ]);
});

test('what a manager gives up in another version goes, and what others own in theirs stays', () => {
  const live = withOwner('v2', { 'f:text': {}, 'f:n': {} }, { s: 'x', n: 1 });
  const base = { schema, apiVersion: 'v1', timestamp, versions: renamed, force: false };
  const alone = applyObject({ ...base, live, manager: 'a', config: { n: 1 } as KubeObject });
  expect(alone.ok && { ...alone.object, metadata: {} }).toEqual({ n: 1, metadata: {} });
  const shared = applyObject({ ...base, live, manager: 'b', config: { s: 'x' } as KubeObject });
  const both = shared.ok ? (deepFreeze(shared.object) as KubeObject) : undefined;
  const left = applyObject({ ...base, live: both, manager: 'a', config: {} as KubeObject });
  expect(left.ok && { ...left.object, metadata: {} }).toEqual({ s: 'x', metadata: {} });
});

test('managers of a version that is no more are forgotten', () => {
  const live = withOwner('v0', { 'f:s': {} }, { s: 'x' });
  const base = { live, schema, apiVersion: 'v1', timestamp, versions: renamed };
  const applied = applyObject({ ...base, manager: 'b', force: false, config: { s: 'y' } as KubeObject });
  expect(applied.ok && (applied.object as KubeObject).metadata!.managedFields!.map((one) => one.manager)).toEqual([
    'b',
  ]);
  const updated = { ...live, s: 'y' } as KubeObject;
  expect(trackUpdate({ ...base, updated, manager: 'u' }).map((one) => one.manager)).toEqual(['u']);
});
