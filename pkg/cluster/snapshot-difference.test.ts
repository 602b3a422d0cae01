/** What differs between two states of a store, and what of it is passed over or never told. */
import { expect, test } from 'vitest';
import type { SnapshotItem } from '#pkg/storage/snapshot/snapshot-format.ts';
import { type ObjectsOfState, stateDifference } from './snapshot-difference.ts';

const password = 'aHVudGVyMg==';

/** A state with these objects, by their keys; a text is a value as it lies there. */
function stateOf(objects: Readonly<Record<string, object | string>>, layout = '3'): ObjectsOfState {
  const all = { '/coxswain/layout': layout, '/coxswain/store-id': 'x', ...objects };
  return {
    async *items(): AsyncGenerator<SnapshotItem> {
      for (const [key, value] of Object.entries(all)) {
        const text = typeof value === 'string' ? value : JSON.stringify(value);
        yield { key, value: Buffer.from(text), modRevision: 1, expiresMs: 0 };
      }
    },
  };
}

const objectOf = (kind: string, name: string, more: object = {}, apiVersion = 'v1') => ({
  kind,
  apiVersion,
  metadata: { name, namespace: 'shop' },
  ...more,
});
const configMap = (name: string, text: string) => objectOf('ConfigMap', name, { data: { text } });
const secret = (data: object, annotation = 'x') => ({
  ...objectOf('Secret', 'key', { data }),
  metadata: {
    name: 'key',
    namespace: 'shop',
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': annotation },
  },
});
const differ = (before: Parameters<typeof stateOf>[0], after: Parameters<typeof stateOf>[0], all = false) =>
  stateDifference(stateOf(before), stateOf(after), { all });

test('objects that came, went and changed, in the order of their keys', async () => {
  const before = {
    '/registry/configmaps/shop/b': configMap('b', '1'),
    '/registry/configmaps/shop/a': configMap('a', '1'),
  };
  const after = {
    '/registry/configmaps/shop/c': configMap('c', '1'),
    '/registry/configmaps/shop/b': configMap('b', '2'),
  };
  const name = (of: string) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    namespace: 'shop',
    name: of,
    key: `/registry/configmaps/shop/${of}`,
  });
  expect(await differ(before, after)).toEqual({
    added: [name('c')],
    removed: [name('a')],
    changed: [{ ...name('b'), fields: [{ path: 'data[text]', before: '1', after: '2' }] }],
  });
  expect(await differ(before, before)).toEqual({ added: [], removed: [], changed: [] });
});

test('built-in kinds are compared by their schemas, others by what their items are called', async () => {
  const list = (image: string) => ({ spec: { containers: [{ name: 'web', image }] } });
  for (const apiVersion of ['v1', 'example.com/v1']) {
    const key = '/registry/pods/shop/web';
    const { changed } = await differ(
      { [key]: objectOf('Pod', 'web', list('v1'), apiVersion) },
      { [key]: objectOf('Pod', 'web', list('v2'), apiVersion) },
    );
    expect(changed[0]?.fields.map(({ path }) => path)).toEqual(['spec.containers[name=web].image']);
  }
});

test('no value of a Secret is told, in whatever field', async () => {
  const key = '/registry/secrets/shop/key';
  const before = { [key]: secret({}) };
  const after = { [key]: secret({ password }, JSON.stringify({ data: { password } })) };
  for (const [one, other] of [
    [before, after],
    [after, before],
    [{}, after],
    [after, {}],
    [after, { [key]: objectOf('Secret', 'key') }],
  ] as const) {
    const found = await differ(one, other, true);
    expect(found.added.length + found.removed.length + found.changed.length).toBe(1);
    expect(JSON.stringify(found)).not.toContain(password);
  }
  expect((await differ(before, after)).changed[0]?.fields).toEqual([
    { path: 'metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]', isHidden: true },
    { path: 'data[password]', isHidden: true },
  ]);
});

test('of what is encrypted it is only said that it is another', async () => {
  const key = '/registry/secrets/shop/key';
  const sealed = (text: string) => `k8s:enc:aescbc:v1:key1:${text}`;
  const { changed, added } = await differ(
    { [key]: sealed('a'), [`${key}-same`]: sealed('x') },
    { [key]: sealed('b'), [`${key}-same`]: sealed('x'), [`${key}-new`]: sealed('y') },
  );
  expect(changed).toEqual([{ key, fields: [], isEncrypted: true }]);
  expect(added).toEqual([{ key: `${key}-new` }]);
});

test('what only says that somebody lives is passed over unless it is asked for', async () => {
  const node = (time: string) => ({
    ...objectOf('Node', 'n', {
      status: { conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: time }] },
    }),
    metadata: { name: 'n', managedFields: [{ manager: 'kubelet', time }] },
  });
  const stateAt = (time: string) => ({
    '/registry/minions/n': node(time),
    [`/registry/events/shop/e-${time}`]: objectOf('Event', `e-${time}`),
    '/registry/leases/kube-node-lease/n': objectOf(
      'Lease',
      'n',
      { spec: { renewTime: time } },
      'coordination.k8s.io/v1',
    ),
  });
  expect(await differ(stateAt('1'), stateAt('2'))).toEqual({ added: [], removed: [], changed: [] });
  const all = await differ(stateAt('1'), stateAt('2'), true);
  expect([
    all.added.length,
    all.removed.length,
    all.changed.map(({ kind, fields }) => [kind, fields.map(({ path }) => path)]),
  ]).toEqual([
    1,
    1,
    [
      ['Lease', ['spec.renewTime']],
      ['Node', ['metadata.managedFields[0].time', 'status.conditions[type=Ready].lastHeartbeatTime']],
    ],
  ]);
});

test('states whose keys are laid out differently are no states of one kind', async () => {
  await expect(stateDifference(stateOf({}, '2'), stateOf({}), { all: false })).rejects.toThrow(
    'Cannot compare the states as their keys are laid out as in versions 2 and 3: restore the older one, start it, and save it again',
  );
});
