import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { encodeProtobuf } from '#pkg/api/protobuf/codec.ts';
import type { WatchFrame } from '#pkg/apimachinery/http.ts';
import { startTestServer, type TestServer } from './testing/test-server.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const blueprint = 'kubernetes.io/initial-events-list-blueprint';

/** A server with configmaps of these names; the first has resourceVersion 6. */
async function withMaps(...names: string[]): Promise<TestServer> {
  const server = await startTestServer();
  for (const name of names) await add(server, name);
  return server;
}

function add(server: TestServer, name: string, labels: object = {}) {
  return server.call('POST', maps, { object: { metadata: { name, labels } } });
}

function relabel(server: TestServer, name: string, labels: object) {
  const headers = { 'content-type': 'application/merge-patch+json' };
  return server.call('PATCH', `${maps}/${name}`, { object: { metadata: { labels } }, headers });
}

function namesOf(list: { items: { metadata: { name: string } }[] }): string[] {
  return list.items.map(({ metadata }) => metadata.name);
}

test('a list is the object of its kind, and its items carry no type', async () => {
  const { call } = await withMaps('a');
  const { body } = await call('GET', maps);
  expect(body).toEqual({
    kind: 'ConfigMapList',
    apiVersion: 'v1',
    metadata: { resourceVersion: '6' },
    items: [{ metadata: expect.objectContaining({ name: 'a', resourceVersion: '6' }) }],
  });
});

test('pages are parts of one state, however the objects change in between', async () => {
  const server = await withMaps('a', 'b', 'c', 'd', 'e');
  const first = (await server.call('GET', `${maps}?limit=2`)).body;
  expect([namesOf(first), first.metadata.remainingItemCount, first.metadata.resourceVersion]).toEqual([
    ['a', 'b'],
    3,
    '10',
  ]);
  await server.call('DELETE', `${maps}/c`);
  await add(server, 'bb');
  const second = (await server.call('GET', `${maps}?limit=2&continue=${first.metadata.continue}`)).body;
  expect([namesOf(second), second.metadata.remainingItemCount, second.metadata.resourceVersion]).toEqual([
    ['c', 'd'],
    1,
    '10',
  ]);
  const third = (await server.call('GET', `${maps}?limit=2&continue=${second.metadata.continue}`)).body;
  expect([namesOf(third), third.metadata]).toEqual([['e'], { resourceVersion: '10' }]);
});

test('a page of a state that is forgotten says so, and offers to go on with the newest state', async () => {
  const server = await withMaps('a', 'b', 'c');
  const first = (await server.call('GET', `${maps}?limit=1`)).body;
  await add(server, 'd');
  await server.store.compact(9);
  const { status, body } = await server.call('GET', `${maps}?limit=1&continue=${first.metadata.continue}`);
  expect([status, body.reason]).toEqual([410, 'Expired']);
  const rest = (await server.call('GET', `${maps}?continue=${body.metadata.continue}`)).body;
  expect([namesOf(rest), rest.metadata.resourceVersion]).toEqual([['b', 'c', 'd'], '9']);
});

test('limits count what the selector selects, and do not tell what is left', async () => {
  const server = await startTestServer();
  for (const name of ['a', 'b', 'c', 'd']) await add(server, name, { odd: String(name === 'a' || name === 'c') });
  const first = (await server.call('GET', `${maps}?limit=1&labelSelector=odd%3Dtrue`)).body;
  expect([namesOf(first), first.metadata.remainingItemCount]).toEqual([['a'], undefined]);
  const second = (await server.call('GET', `${maps}?labelSelector=odd%3Dtrue&continue=${first.metadata.continue}`))
    .body;
  expect([namesOf(second), second.metadata.continue]).toEqual([['c'], undefined]);
});

test('a name as field selector is one object', async () => {
  const { call } = await withMaps('a', 'ab');
  expect(namesOf((await call('GET', `${maps}?fieldSelector=metadata.name%3Da`)).body)).toEqual(['a']);
  expect(namesOf((await call('GET', '/api/v1/configmaps?fieldSelector=metadata.name%3Da')).body)).toEqual(['a']);
});

test('a resourceVersion is the state exactly, or one that is not older', async () => {
  const { call } = await withMaps('a', 'b', 'c');
  const list = async (query: string) => {
    const { body } = await call('GET', `${maps}?${query}`);
    return [body.metadata.resourceVersion, ...namesOf(body)].join(' ');
  };
  expect(await list('resourceVersion=7&resourceVersionMatch=Exact')).toBe('7 a b');
  expect(await list('resourceVersion=7&limit=9')).toBe('7 a b');
  expect(await list('resourceVersion=7&resourceVersionMatch=NotOlderThan')).toBe('8 a b c');
  expect(await list('resourceVersion=7')).toBe('8 a b c');
  expect(await list('resourceVersion=0')).toBe('8 a b c');
  expect(await list('resourceVersion=0&limit=1')).toBe('8 a b c');
});

test('a resourceVersion from the future is waited for, and then refused', async () => {
  const { call, clock } = await withMaps('a');
  const reached = call('GET', `${maps}?resourceVersion=7`);
  await call('POST', maps, { object: { metadata: { name: 'b' } } });
  await clock.advance(1_000);
  expect(namesOf((await reached).body)).toEqual(['a', 'b']);
  const refused = call('GET', `${maps}?resourceVersion=99`);
  await clock.advance(3_000);
  const { status, body } = await refused;
  expect([status, body.reason, body.message, body.details.causes[0].reason]).toEqual([
    504,
    'Timeout',
    'Timeout: Too large resource version: 99, current: 7',
    'ResourceVersionTooLarge',
  ]);
});

test('a watch begins with what there is, or after a resourceVersion', async () => {
  const server = await withMaps('a', 'b');
  expect(await (await server.watch(`${maps}?watch=1`)).next()).toEqual(['ADDED a', 'ADDED b']);
  expect(await (await server.watch(`${maps}?watch=1&resourceVersion=0`)).next()).toEqual(['ADDED a', 'ADDED b']);
  const later = await server.watch(`${maps}?watch=1&resourceVersion=6`);
  expect(await later.next()).toEqual(['ADDED b']);
  await server.call('DELETE', `${maps}/a`);
  expect(await later.next()).toEqual(['DELETED a']);
});

test('objects that enter or leave a selection are added and deleted', async () => {
  const server = await startTestServer();
  const watch = await server.watch(`${maps}?watch=1&labelSelector=in%3Dyes`);
  await add(server, 'a', { in: 'no' });
  await add(server, 'b', { in: 'yes' });
  await relabel(server, 'a', { in: 'yes' });
  await relabel(server, 'a', { in: 'yes', more: 'x' });
  await relabel(server, 'b', { in: 'no' });
  await server.call('DELETE', `${maps}/b`);
  await server.call('DELETE', `${maps}/a`);
  const frames = await watch.frames();
  const seen = frames.map(
    (f) =>
      `${f.type} ${f.object.metadata?.name} ${f.object.metadata?.labels?.in} ${f.object.metadata?.resourceVersion}`,
  );
  expect(seen).toEqual(['ADDED b yes 7', 'ADDED a yes 8', 'MODIFIED a yes 9', 'DELETED b yes 10', 'DELETED a yes 12']);
});

test('watchers of everything share one encoding of each event', async () => {
  const server = await startTestServer();
  const watches = [await server.watch(`${maps}?watch=1`), await server.watch(`${maps}?watch=1`)];
  await add(server, 'a');
  const [first, second] = (await Promise.all(watches.map((watch) => watch.frames()))).map(
    (frames) => frames[0] as WatchFrame,
  );
  expect(first).toBe(second);
  expect(first!.bytes()).toBe(second!.bytes());
  const line = Buffer.from(first!.bytes()).toString();
  expect(JSON.parse(line)).toEqual({ type: 'ADDED', object: first!.object });
  expect(line.endsWith('}\n')).toBe(true);
});

test('initial events end with a bookmark that says so', async () => {
  const server = await withMaps('a');
  const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  const [added, end] = await (await server.watch(`${maps}?${query}`)).frames();
  expect([added!.type, end!.type]).toEqual(['ADDED', 'BOOKMARK']);
  expect(end!.object).toEqual({
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: {
      resourceVersion: '6',
      creationTimestamp: null,
      annotations: { 'k8s.io/initial-events-end': 'true', [blueprint]: expect.any(String) },
    },
  });
});

test.each([
  ['application/json', '{"kind":"ConfigMapList","apiVersion":"v1","metadata":{},"items":null}\n'],
  [
    'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
    '{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{},"items":null}\n',
  ],
  [
    'application/vnd.kubernetes.protobuf',
    Buffer.from(encodeProtobuf({ kind: 'ConfigMapList', apiVersion: 'v1', metadata: {} })!).toString(),
  ],
])('the end of initial events as %s tells how their list looks', async (accept, text) => {
  const server = await startTestServer();
  const query = '?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  const { body } = await server.raw('GET', maps + query, { headers: { accept } });
  if (body.kind !== 'watch') throw new Error('Cannot watch');
  const { value } = await body.batches[Symbol.asyncIterator]().next();
  const { annotations } = (value as readonly WatchFrame[])[0]!.object.metadata!;
  expect(Buffer.from(annotations![blueprint]!, 'base64').toString()).toBe(text);
});

test('bookmarks tell about once a minute how far the watch has come, to those who allow them', async () => {
  const server = await withMaps('a');
  const bookmarked = await server.watch(`${maps}?watch=1&resourceVersion=6&allowWatchBookmarks=true`);
  const plain = await server.watch(`${maps}?watch=1&resourceVersion=6`);
  await server.call('POST', '/api/v1/namespaces', { object: { metadata: { name: 'n' } } });
  await server.clock.advance(61_000);
  const [mark] = await bookmarked.frames();
  expect([mark!.type, mark!.object.metadata?.resourceVersion]).toEqual(['BOOKMARK', '7']);
  await add(server, 'b');
  expect(await plain.next()).toEqual(['ADDED b']);
});

test('a watch ends after its time, and when its reader leaves', async () => {
  const server = await startTestServer();
  const timed = await server.watch(`${maps}?watch=1&resourceVersion=5&timeoutSeconds=10`);
  const leave = new AbortController();
  const { body } = await server.raw('GET', `${maps}?watch=1&resourceVersion=5`, { signal: leave.signal });
  if (body.kind !== 'watch') throw new Error('Cannot go on as this is no watch');
  const left = body.batches[Symbol.asyncIterator]().next();
  leave.abort();
  expect(await left).toEqual({ value: undefined, done: true });
  const ended = timed.next();
  await server.clock.advance(10_000);
  expect(await ended).toEqual([]);
});

test('a watch from before what is remembered is told to list again', async () => {
  const server = await withMaps('a', 'b', 'c');
  await server.call('GET', maps);
  await server.store.compact(8);
  const fresh = await startTestServer({ store: server.store });
  const [frame] = await (await fresh.watch(`${maps}?watch=1&resourceVersion=6`)).frames();
  expect([frame!.type, frame!.object]).toEqual([
    'ERROR',
    expect.objectContaining({
      kind: 'Status',
      code: 410,
      reason: 'Expired',
      message: expect.stringContaining('too old resource version: 6'),
    }),
  ]);
});

test('a watch of one name hears of that object only', async () => {
  const server = await withMaps('a', 'ab');
  const watch = await server.watch(`${maps}?watch=1&fieldSelector=metadata.name%3Da`);
  await relabel(server, 'ab', { x: 'y' });
  await relabel(server, 'a', { x: 'y' });
  expect(await watch.next()).toEqual(['ADDED a', 'MODIFIED a']);
});

test('watches by the value of a field hear of what has or had it, from wherever they begin', async () => {
  const server = await startTestServer({
    strategies: [
      {
        group: '',
        resource: 'pods',
        selectableFields: (pod) => ({
          'spec.nodeName': (pod as { spec?: { nodeName?: string } }).spec?.nodeName ?? '',
        }),
      },
    ],
  });
  const path = '/api/v1/namespaces/default/pods';
  const pod = (name: string, nodeName?: string) => ({
    object: { metadata: { name }, spec: { containers: [{ name: 'c', image: 'i' }], ...(nodeName && { nodeName }) } },
  });
  const on = (node: string, version: number) =>
    server.watch(`/api/v1/pods?watch=1&resourceVersion=${version}&fieldSelector=spec.nodeName%3D${node}`);
  const early = [await on('n1', 5), await on('n2', 5), await on('', 5)];
  await server.call('POST', path, pod('a'));
  await server.call('PUT', `${path}/a`, pod('a', 'n1'));
  await server.call('POST', path, pod('b', 'n2'));
  const late = [await on('n1', 6), await on('n2', 7)];
  await server.call('DELETE', `${path}/a`);
  await server.call('PUT', `${path}/b`, pod('b', 'n1'));
  expect(await Promise.all([...early, ...late].map((watch) => watch.next()))).toEqual([
    ['ADDED a', 'DELETED a', 'ADDED b'],
    ['ADDED b', 'DELETED b'],
    ['ADDED a', 'DELETED a'],
    ['ADDED a', 'DELETED a', 'ADDED b'],
    ['ADDED b', 'DELETED b'],
  ]);
});

test('the server stops its watches when it stops', async () => {
  const server = await startTestServer();
  const stop = new AbortController();
  const running = server.server.run(stop.signal);
  const watch = await server.watch(`${maps}?watch=1&resourceVersion=5`);
  const ended = watch.next();
  stop.abort();
  await running;
  expect(await ended).toEqual([]);
});

test('watches come as tables too, with columns in the first event only', async () => {
  const server = await withMaps('a');
  const headers = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
  const { body } = await server.raw('GET', `${maps}?watch=1`, { headers });
  if (body.kind !== 'watch') throw new Error('Cannot go on as this is no watch');
  const batches = body.batches[Symbol.asyncIterator]();
  const first = (await batches.next()).value?.[0]?.object;
  await add(server, 'b');
  const second = (await batches.next()).value?.[0]?.object;
  expect(first).toMatchObject({
    kind: 'Table',
    columnDefinitions: expect.any(Array),
    rows: [{ object: { metadata: { name: 'a' } } }],
  });
  expect(second).toMatchObject({
    kind: 'Table',
    columnDefinitions: null,
    rows: [{ object: { metadata: { name: 'b' } } }],
  });
});

test('a list in slices has the bytes and the length that it says, also in another version of the resource', async () => {
  const { call, raw } = await startTestServer();
  const involvedObject = { kind: 'Pod', name: 'p', namespace: 'default' };
  for (let i = 0; i < 12; i++) {
    const object = { metadata: { name: `e${i}` }, involvedObject, message: 'ü'.repeat(i * 20_000) };
    expect((await call('POST', '/api/v1/namespaces/default/events', { object })).status).toBe(201);
  }
  for (const path of ['/api/v1/events', '/apis/events.k8s.io/v1/events', '/api/v1/namespaces/none/events']) {
    const { body } = await raw('GET', path);
    if (body.kind !== 'object' || body.sliced === undefined) throw new Error('The list is not in slices');
    const { length, slices } = body.sliced();
    const whole = Buffer.concat([...slices((bytes) => Buffer.allocUnsafe(bytes))]);
    expect([path, whole.length, Buffer.compare(whole, body.bytes())]).toEqual([path, length, 0]);
  }
});

test.each(['configmaps', 'events'])(
  'a watch of %s from the future is silent until then (fault 19)',
  async (resource) => {
    const server = await startTestServer();
    const path = `/api/v1/namespaces/default/${resource}`;
    const involved = resource === 'events' ? { involvedObject: { namespace: 'default' } } : {};
    const create = async (name: string): Promise<number> => {
      const { body } = await server.call('POST', path, { object: { metadata: { name }, ...involved } });
      return Number(body.metadata.resourceVersion);
    };
    const now = await create('a');
    const watch = await server.watch(`${path}?watch=1&resourceVersion=${now + 2}`);
    await create('b');
    await create('c');
    await create('d');
    expect(await watch.next()).toEqual(['ADDED d']);
  },
);

test('a warning comes with a refusal too (fault 20)', async () => {
  const server = await startTestServer();
  const object = { metadata: { name: 'Not A Name' }, bogus: 1 };
  const { status, headers } = await server.call('POST', `${maps}?fieldValidation=Warn`, {
    text: JSON.stringify(object),
    headers: { 'content-type': 'application/json' },
  });
  expect([status, headers.warning]).toEqual([422, '299 - "unknown field \\"bogus\\""']);
});
