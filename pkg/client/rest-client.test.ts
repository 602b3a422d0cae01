import { expect, test } from 'vitest';
import { deployments, nodes, pods } from '#pkg/api/types/refs.ts';
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { expired, StatusError, tooManyRequests } from '#pkg/apimachinery/status-error.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createClient } from './rest-client.ts';

function setUp(answer: Partial<ApiResponse> = {}) {
  const requests: ApiRequest[] = [];
  const transport = {
    request: (request: ApiRequest): Promise<ApiResponse> => {
      requests.push(request);
      return Promise.resolve({ status: 200, headers: {}, body: { kind: 'empty' }, ...answer });
    },
  };
  const client = createClient({ transport, userAgent: 'test/1' });
  const line = () => {
    const { method, path, query, headers } = requests.at(-1)!;
    const type = headers['content-type'];
    return `${method} ${path}${query && `?${query}`}${type === undefined ? '' : ` ${type}`}`;
  };
  return { client, line, requests };
}

test('each verb becomes the request that the API expects', async () => {
  const { client, line } = setUp();
  const pod = { metadata: { name: 'a', namespace: 'x' } };
  await client.resource(pods).get('a', { namespace: 'x' });
  expect(line()).toBe('GET /api/v1/namespaces/x/pods/a');
  await client.resource(pods).list({ labelSelector: 'app in (a,b)', limit: 5 });
  expect(line()).toBe('GET /api/v1/pods?labelSelector=app%20in%20(a%2Cb)&limit=5');
  await client.resource(nodes).list({ resourceVersion: '0' });
  expect(line()).toBe('GET /api/v1/nodes?resourceVersion=0');
  await client.resource(pods).create(pod, { fieldManager: 'me' });
  expect(line()).toBe('POST /api/v1/namespaces/x/pods?fieldManager=me application/json');
  await client.resource(pods).update(pod, { subresource: 'status' });
  expect(line()).toBe('PUT /api/v1/namespaces/x/pods/a/status application/json');
  await client.resource(deployments).patch('d', {}, { namespace: 'x', type: 'strategic', dryRun: true });
  expect(line()).toBe(
    'PATCH /apis/apps/v1/namespaces/x/deployments/d?dryRun=All application/strategic-merge-patch+json',
  );
  await client.resource(deployments).patch('d', {}, { namespace: 'x', type: 'apply', force: true, fieldManager: 'me' });
  expect(line()).toBe(
    'PATCH /apis/apps/v1/namespaces/x/deployments/d?fieldManager=me&force=true application/apply-patch+yaml',
  );
  await client.resource(pods).delete('a', { namespace: 'x' });
  expect(line()).toBe('DELETE /api/v1/namespaces/x/pods/a application/json');
  await client.resource(pods).createSubresource('a', 'binding', { kind: 'Binding' }, { namespace: 'x' });
  expect(line()).toBe('POST /api/v1/namespaces/x/pods/a/binding application/json');
});

test('objects are sent with their kind, deletions with their options', async () => {
  const { client, requests } = setUp();
  await client.resource(pods).create({ metadata: { name: 'a', namespace: 'x' } });
  expect(requests.at(-1)!.body).toEqual({
    kind: 'object',
    object: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'x' } },
  });
  await client.resource(pods).delete('a', {
    namespace: 'x',
    gracePeriodSeconds: 0,
    propagationPolicy: 'Foreground',
    preconditions: { uid: 'u' },
  });
  expect(requests.at(-1)!.body).toEqual({
    kind: 'object',
    object: {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      gracePeriodSeconds: 0,
      propagationPolicy: 'Foreground',
      preconditions: { uid: 'u' },
    },
  });
});

test('a Status becomes a StatusError; an answer without one too', async () => {
  const { status } = expired('too old');
  const bytes = new TextEncoder().encode(JSON.stringify(status));
  const told = setUp({ status: 410, body: { kind: 'bytes', bytes } });
  await expect(told.client.resource(pods).list()).rejects.toMatchObject({ code: 410, reason: 'Expired' });
  const mute = setUp({ status: 503, body: { kind: 'bytes', bytes: new TextEncoder().encode('<html>') } });
  await expect(mute.client.resource(pods).list()).rejects.toMatchObject({ code: 503, reason: 'ServiceUnavailable' });
});

test('a watch read from bytes gives events in batches, and throws its ERROR after what came before', async () => {
  const lines = [
    `{"type":"ADDED","object":{"metadata":{"name":"ä"}}}\n{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}}\n{"ty`,
    `pe":"DELETED","object":{"metadata":{"name":"b"}}}\n`,
    `${JSON.stringify({ type: 'ERROR', object: expired('too old').status })}\n`,
  ];
  const encoded = Buffer.from(lines.join(''));
  const cut = encoded.indexOf('ä') + 1;
  async function* chunks() {
    yield encoded.subarray(0, cut);
    yield encoded.subarray(cut, Buffer.byteLength(lines[0]!));
    yield encoded.subarray(Buffer.byteLength(lines[0]!));
  }
  const { client } = setUp({ body: { kind: 'stream', chunks: chunks() } });
  const batches: unknown[] = [];
  const reading = (async () => {
    for await (const batch of client.resource(pods).watch()) batches.push(batch);
  })();
  await expect(reading).rejects.toBeInstanceOf(StatusError);
  expect(batches).toEqual([
    [
      { type: 'ADDED', object: { metadata: { name: 'ä' } } },
      { type: 'BOOKMARK', resourceVersion: '7', initialEventsEnd: true },
    ],
    [{ type: 'DELETED', object: { metadata: { name: 'b' } } }],
  ]);
});

test('leaving a watch aborts its request; an aborted call rejects with the reason', async () => {
  async function* forever() {
    for (;;) yield Buffer.from('{"type":"ADDED","object":{}}\n');
  }
  const { client, requests } = setUp({ body: { kind: 'stream', chunks: forever() } });
  for await (const _ of client.resource(pods).watch()) break;
  expect(requests.at(-1)!.signal.aborted).toBe(true);
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(client.resource(pods).list({ signal })).rejects.toThrow('enough');
});

test('a request that is turned away for now is sent again when the server says, given a clock', async () => {
  const clock = new VirtualClock();
  const atMs: number[] = [];
  const turnedAway = tooManyRequests('the server has received too many requests', 2).status;
  const transport = {
    request: (): Promise<ApiResponse> => {
      atMs.push(clock.monotonicMs());
      const object = atMs.length < 3 ? turnedAway : { kind: 'PodList', items: [] };
      const status = atMs.length < 3 ? 429 : 200;
      return Promise.resolve({ status, headers: {}, body: { kind: 'object', object, bytes: () => new Uint8Array() } });
    },
  };
  const listing = createClient({ transport, userAgent: 'test/1', clock }).resource(pods).list();
  await clock.advance(10_000);
  expect(await listing).toMatchObject({ items: [] });
  expect(atMs).toEqual([0, 2_000, 4_000]);
  const impatient = createClient({ transport: setUp({ status: 429 }).client.transport, userAgent: 'test/1' });
  await expect(impatient.resource(pods).list()).rejects.toMatchObject({ code: 429 });
});

test('a request that is refused for good as one too many is not sent again', async () => {
  const clock = new VirtualClock();
  const { client } = setUp({ status: 429 });
  const patient = createClient({ transport: client.transport, userAgent: 'test/1', clock });
  await expect(patient.resource(pods).list()).rejects.toMatchObject({ code: 429 });
});

test('an answer without a Status is understood by its code, and Retry-After is heeded', async () => {
  const clock = new VirtualClock();
  const atMs: number[] = [];
  const answers = [
    { status: 503, headers: { 'retry-after': '3' } },
    { status: 429, headers: { 'retry-after': '4' } },
    { status: 403, headers: {} },
  ];
  const transport = {
    request: (): Promise<ApiResponse> => {
      const answer = answers[atMs.length]!;
      atMs.push(clock.monotonicMs());
      return Promise.resolve({ ...answer, body: { kind: 'bytes', bytes: Buffer.from('Try again later.\n') } });
    },
  };
  const listing = createClient({ transport, userAgent: 'test/1', clock }).resource(pods).list();
  const outcome = listing.catch((error: unknown) => error);
  await clock.advance(10_000);
  expect(await outcome).toMatchObject({ code: 403, reason: 'Forbidden' });
  expect(atMs).toEqual([0, 3_000, 7_000]);
});
