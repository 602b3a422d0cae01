/** When the server reads a body, and when it leaves it with its client (fault 59). */
import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import type { ApiRequest, ApiResponse, UnreadBody } from '#pkg/apimachinery/http.ts';
import { StatusError, tooLarge } from '#pkg/apimachinery/status-error.ts';
import { startTestServer, type TestServer } from './testing/test-server.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const admin = { commonName: 'admin', organizations: ['system:masters'] };

/** A body that notes what is done with it. */
function bodyOf(text: string, { arrived, failure }: { arrived?: Promise<void>; failure?: Error } = {}) {
  const log: string[] = [];
  const body: UnreadBody = {
    kind: 'unread',
    lengthBytes: text.length,
    async read({ limitBytes }) {
      log.push(`read ${limitBytes}`);
      if (failure !== undefined) throw failure;
      await arrived;
      return Buffer.from(text);
    },
    async *chunks() {
      log.push('chunks');
      yield Buffer.from(text);
    },
  };
  return { body, log };
}

type Ask = Partial<Pick<ApiRequest, 'method' | 'path' | 'headers' | 'body'>> & { readonly anonymous?: boolean };

async function ask(
  { server }: TestServer,
  { anonymous, ...asked }: Ask,
): Promise<{ status: number; message?: string }> {
  const identified: string[] = [];
  const answer: ApiResponse = await server.handle({
    method: 'POST',
    path: maps,
    query: '',
    headers: {},
    peer: {
      address: '192.0.2.1',
      ...(anonymous === true ? {} : { certificate: admin }),
      identified: (name) => void identified.push(name),
    },
    signal: new AbortController().signal,
    ...asked,
  });
  expect(identified).toEqual(anonymous === true ? [] : ['admin']);
  const { body } = answer;
  const object = body.kind === 'object' ? (body.object as { readonly message?: string }) : {};
  return { status: answer.status, ...(object.message === undefined ? {} : { message: object.message }) };
}

const denyAnonymous = {
  authorizer: {
    authorize: ({ user }: { readonly user: { readonly name: string } }) =>
      user.name === 'system:anonymous' ? { decision: 'deny' as const } : { decision: 'allow' as const },
  },
};

test('the body of a write is read once', async () => {
  const server = await startTestServer();
  const { body, log } = bodyOf('{"metadata":{"name":"a"}}');
  expect(await ask(server, { body })).toEqual({ status: 201 });
  expect(log).toEqual(['read 3145728']);
});

test.each<[what: string, status: number, asked: Ask]>([
  ['who may not write', 403, { anonymous: true }],
  ['who shows a token that nobody knows', 401, { anonymous: true, headers: { authorization: 'Bearer x' } }],
  ['a read', 200, { method: 'GET' }],
  ['a page', 405, { path: '/readyz', method: 'PUT' }],
  ['a page that is not there', 404, { path: '/x' }],
])('the body of %s is left where it is', async (_what, status, asked) => {
  const server = await startTestServer(denyAnonymous);
  const { body, log } = bodyOf('{}');
  expect((await ask(server, { ...asked, body })).status).toBe(status);
  expect(log).toEqual([]);
});

test.each<[what: string, status: number, asked: Ask]>([
  ['a resource that is not there', 404, { path: '/api/v1/nothings' }],
  ['a method that it does not have', 405, { path: '/api/v1/nodes/a/status', method: 'POST' }],
  ['a form that there is not', 406, { headers: { accept: 'text/html' } }],
])('the body for %s is not read', async (_what, status, asked) => {
  const server = await startTestServer();
  const { body, log } = bodyOf('{}');
  expect((await ask(server, { ...asked, body })).status).toBe(status);
  expect(log).toEqual([]);
});

test.each([
  ['too long', tooLarge('Request entity too large: limit is 3145728'), 413],
  ['too late', new StatusError({ code: 408, reason: 'Timeout', message: 'late', details: {} }), 408],
  ['one too many', new StatusError({ code: 429, reason: 'TooManyRequests', message: 'many', details: {} }), 429],
])('a body that is %s is answered as it says', async (_what, failure, status) => {
  const server = await startTestServer();
  const { body } = bodyOf('{}', { failure });
  expect(await ask(server, { body })).toEqual({ status, message: failure.message });
});

test('whose body does not come takes no place in flight', async () => {
  const server = await startTestServer({ limits: { writeInFlightMax: 1 } });
  const rest = Promise.withResolvers<void>();
  const waiting = ask(server, { body: bodyOf('{"metadata":{"name":"a"}}', { arrived: rest.promise }).body });
  expect(await ask(server, { body: bodyOf('{"metadata":{"name":"b"}}').body })).toEqual({ status: 201 });
  rest.resolve();
  expect(await waiting).toEqual({ status: 201 });
});
