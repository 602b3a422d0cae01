import { expect, test } from 'vitest';
import type { ApiResponse, ResponseBody } from '#pkg/apimachinery/http.ts';
import { startTestServer } from '#pkg/apiserver/testing/test-server.ts';

const bytes = (text: string): ResponseBody => ({ kind: 'bytes', bytes: Buffer.from(text) });

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function logWith(status: number, body: ResponseBody) {
  const answer: ApiResponse = { status, headers: { 'content-type': 'text/plain' }, body };
  const { call } = await startTestServer({ kubelet: () => () => Promise.resolve(answer) });
  const spec = { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] };
  await call('POST', '/api/v1/namespaces/default/pods', { object: { metadata: { name: 'p' }, spec } });
  return call('GET', '/api/v1/namespaces/default/pods/p/log');
}

test('a log is passed on as it is', async () => {
  expect(await logWith(200, bytes('one\ntwo\n'))).toMatchObject({ status: 200, text: 'one\ntwo\n' });
});

test.each([
  ['in one piece', bytes('previous terminated container "c" in pod "p" not found')],
  ['in pieces', { kind: 'stream', chunks: chunks('previous terminated container "c"', ' in pod "p" not found\n') }],
] as const)('a bad request that the kubelet refuses %s is answered with its words', async (_name, body) => {
  expect((await logWith(400, body)).body).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'previous terminated container "c" in pod "p" not found',
    reason: 'BadRequest',
    code: 400,
  });
});

test.each([
  [404, 'NotFound', 'the server could not find the requested resource ( pods/log p)'],
  [500, 'InternalError', 'Internal error occurred: gone'],
  [503, 'ServiceUnavailable', 'gone'],
])('a kubelet that answers %i makes a Status of it', async (status, reason, message) => {
  const { body } = await logWith(status, bytes('gone'));
  expect([body.kind, body.code, body.reason, body.message]).toEqual(['Status', status, reason, message]);
});

const atMostOne = 'at most one of `sinceTime` or `sinceSeconds` may be specified';

test.each([
  ['tailLines=x', 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
  ['sinceTime=x', 400, 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'],
  ['tailLines=-1', 422, 'tailLines: Invalid value: -1: must be greater than or equal to 0'],
  ['limitBytes=0', 422, 'limitBytes: Invalid value: 0: must be greater than 0'],
  ['sinceSeconds=0', 422, 'sinceSeconds: Invalid value: 0: must be greater than 0'],
  ['sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z', 422, atMostOne],
  ['stream=x', 422, 'stream: Unsupported value: "x": supported values: "All", "Stderr", "Stdout"'],
  ['stream=Stdout&tailLines=1', 422, '`tailLines` and specific `stream` are mutually exclusive for now'],
])('%s is refused before the kubelet is asked', async (query, status, message) => {
  const { call } = await startTestServer({ kubelet: () => undefined });
  const { body } = await call('GET', `/api/v1/namespaces/default/pods/p/log?${query}`);
  expect([body.code, body.message]).toEqual([status, expect.stringContaining(message)]);
  if (status === 422) expect(body.details).toMatchObject({ name: 'p', kind: 'PodLogOptions' });
});
