import { Buffer } from 'node:buffer';
import { beforeAll, expect, test } from 'vitest';
import { decodeProtobuf, encodeProtobuf } from '#pkg/api/protobuf/codec.ts';
import { startTestServer, type TestServer } from './testing/test-server.ts';

const type = 'application/vnd.kubernetes.protobuf';
const maps = '/api/v1/namespaces/default/configmaps';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { x: '1' } };
  const headers = { 'content-type': type, accept: type };
  const answer = await server.raw('POST', maps, { text: encodeProtobuf(map)!, headers });
  expect([answer.status, answer.headers['content-type']]).toEqual([201, type]);
});

async function asked(
  accept: string,
  method: string,
  target: string,
): Promise<{ type?: string | undefined; object: unknown }> {
  const { headers, body } = await server.raw(method, target, { headers: { accept } });
  const bytes = body.kind === 'object' ? body.bytes() : Buffer.alloc(0);
  const found = headers['content-type'];
  if (found !== type) return { type: found, object: JSON.parse(Buffer.from(bytes).toString()) };
  const decoded = decodeProtobuf(bytes);
  return { type: found, object: decoded.ok ? decoded.object : decoded.error };
}

test.each([
  ['an object', `${maps}/a`],
  ['a list', '/api/v1/namespaces'],
])('%s is the same in both forms', async (_name, target) => {
  const { object } = await asked('application/json', 'GET', target);
  const { type: sent, object: found } = await asked(`${type},application/json`, 'GET', target);
  expect(sent).toBe(type);
  expect(found).toEqual(object);
});

test('tables are JSON where that is accepted, as metadata of an older version is', async () => {
  expect((await asked(type, 'GET', `${maps}/none`)).object).toMatchObject({ kind: 'Status', code: 404 });
  const table = `${type};as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1;g=meta.k8s.io`;
  expect((await asked(table, 'GET', maps)).object).toMatchObject({ kind: 'Table' });
  expect((await asked(`${type};as=Table;v=v1;g=meta.k8s.io`, 'GET', maps)).object).toMatchObject({ code: 406 });
  const older = 'as=PartialObjectMetadata;v=v1beta1;g=meta.k8s.io';
  const found = await asked(`${type};${older},application/json;${older}`, 'GET', `${maps}/a`);
  expect(found).toMatchObject({ type: 'application/json', object: { kind: 'PartialObjectMetadata' } });
});

test.each([
  ['of an object', `${maps}/a`, 'PartialObjectMetadata'],
  ['of a list', maps, 'PartialObjectMetadataList'],
])('metadata %s is the same in both forms', async (_name, target, kind) => {
  const transform = `as=${kind};v=v1;g=meta.k8s.io`;
  const { object } = await asked(`application/json;${transform}`, 'GET', target);
  const found = await asked(`${type};${transform},application/json;${transform}`, 'GET', target);
  expect(object).toMatchObject({ kind, apiVersion: 'meta.k8s.io/v1' });
  expect(found.type).toBe(type);
  expect(withItemKinds(found.object)).toEqual(object);
});

/** In a list in protobuf the items do not say what they are. */
// biome-ignore lint/suspicious/noExplicitAny: answers of every shape.
function withItemKinds(object: any): unknown {
  const typed = { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' };
  return 'items' in object ? { ...object, items: object.items.map((item: object) => ({ ...typed, ...item })) } : object;
}

test('a watch of metadata has events in protobuf', async () => {
  const accept = `${type};as=PartialObjectMetadata;v=v1;g=meta.k8s.io;stream=watch`;
  const { headers, body } = await server.raw('GET', `${maps}?watch=1`, { headers: { accept } });
  expect(headers['content-type']).toBe(`${type};stream=watch`);
  if (body.kind !== 'watch') throw new Error('no watch');
  const { value } = await body.batches[Symbol.asyncIterator]().next();
  const frame = Buffer.from(value[0].bytes());
  const decoded = decodeProtobuf(frame.subarray(frame.indexOf('k8s\0')));
  expect(decoded.ok && decoded.object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'a' } });
  expect(decoded.ok && decoded.object).not.toHaveProperty('data');
});

test('a watch is framed by lengths', async () => {
  const { headers, body } = await server.raw('GET', `${maps}?watch=1`, { headers: { accept: `${type};stream=watch` } });
  expect(headers['content-type']).toBe(`${type};stream=watch`);
  if (body.kind !== 'watch') throw new Error('no watch');
  const { value } = await body.batches[Symbol.asyncIterator]().next();
  const frame = Buffer.from(value[0].bytes());
  expect(frame.readUInt32BE(0)).toBe(frame.length - 4);
  expect(frame.subarray(4, 11).toString('latin1')).toBe('\n\x05ADDED');
  const decoded = decodeProtobuf(frame.subarray(frame.indexOf('k8s\0')));
  expect(decoded.ok && decoded.object).toMatchObject({ kind: 'ConfigMap', metadata: { name: 'a' }, data: { x: '1' } });
});

test('a deletion answers a Status', async () => {
  const { type: found, object } = await asked(type, 'DELETE', `${maps}/a?dryRun=All`);
  expect([found, object]).toEqual([type, expect.objectContaining({ kind: 'Status', status: 'Success' })]);
});
