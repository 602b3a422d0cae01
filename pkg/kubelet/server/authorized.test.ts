import { beforeEach, expect, test } from 'vitest';
import type { ApiHandler, ApiResponse } from '#pkg/apimachinery/http.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { clientCertificateAuthenticator } from '#pkg/apiserver/authn/client-certificate.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { authorized } from './authorized.ts';

interface Asked {
  readonly user: string;
  readonly groups: readonly string[];
  readonly resourceAttributes: { readonly subresource: string; readonly verb: string; readonly name: string };
}

let asked: Asked[];
/** Parts of the node that may be used. */
let granted: Set<string>;
let answers: boolean;
let clock: VirtualClock;
let handler: ApiHandler;

beforeEach(() => {
  asked = [];
  granted = new Set();
  answers = true;
  clock = new VirtualClock();
  const server: ApiHandler = async ({ body }) => {
    if (!answers) throw new StatusError({ code: 503, reason: 'ServiceUnavailable', message: 'away' });
    const { spec } = (body as { readonly object: { readonly spec: Asked } }).object;
    asked.push(spec);
    const object = { spec, status: { allowed: granted.has(spec.resourceAttributes.subresource) } };
    const bytes = (): Uint8Array => new TextEncoder().encode(JSON.stringify(object));
    return { status: 201, headers: {}, body: { kind: 'object', object, bytes } };
  };
  const done: ApiHandler = async () => ({ status: 200, headers: {}, body: { kind: 'empty' } });
  const authenticator = clientCertificateAuthenticator(clock);
  const client = createClient({ transport: { request: server }, userAgent: 'kubelet', clock });
  handler = authorized(done, {
    client,
    clock,
    nodeName: 'one',
    userOf: (request) => authenticator.authenticate(request),
  });
});

const ann = { commonName: 'ann', organizations: ['admins'] };

async function call(method: string, path: string, peer: object = { certificate: ann }): Promise<ApiResponse> {
  const { signal } = new AbortController();
  return handler({ method, path, query: '', headers: {}, peer: { address: '', ...peer }, signal });
}

test('who shows no certificate, or one that is good no more, is not asked about', async () => {
  expect((await call('GET', '/pods', {})).status).toBe(401);
  expect((await call('GET', '/pods', { certificate: { ...ann, notAfterMs: -1 } })).status).toBe(401);
  expect((await call('GET', '/pods', { certificate: { ...ann, commonName: '' } })).status).toBe(401);
  expect(asked).toEqual([]);
});

test.each([
  ['GET', '/stats/summary', 'get', ['stats']],
  ['GET', '/metrics/resource', 'get', ['metrics']],
  ['GET', '/containerLogs/default/web/main', 'get', ['proxy']],
  ['POST', '/exec/default/web/main', 'create', ['proxy']],
  ['GET', '/pods', 'get', ['pods', 'proxy']],
  ['DELETE', '/constructor', 'delete', ['proxy']],
])('%s %s wants the verb %s on one of %j', async (method, path, verb, parts) => {
  const { status, body } = await call(method, path);
  const why = body.kind === 'bytes' ? Buffer.from(body.bytes).toString() : '';
  expect([status, why]).toEqual([
    403,
    `Forbidden (user=ann, verb=${verb}, resource=nodes, subresource(s)=[${parts.join(' ')}])\n`,
  ]);
  expect(asked).toEqual(
    parts.map((subresource) => ({
      user: 'ann',
      groups: ['admins', 'system:authenticated'],
      resourceAttributes: { version: 'v1', resource: 'nodes', name: 'one', subresource, verb },
    })),
  );
  await clock.advance(60_000);
  granted.add(parts.at(-1)!);
  expect((await call(method, path)).status).toBe(200);
});

test('an answer holds for a while: five minutes when it is yes, half a minute when it is no', async () => {
  expect((await call('GET', '/stats/summary')).status).toBe(403);
  granted.add('stats');
  await clock.advance(29_000);
  expect([(await call('GET', '/stats/summary')).status, asked.length]).toEqual([403, 1]);
  await clock.advance(2_000);
  expect([(await call('GET', '/stats/summary')).status, asked.length]).toEqual([200, 2]);
  granted.clear();
  await clock.advance(299_000);
  expect([(await call('GET', '/stats/summary')).status, asked.length]).toEqual([200, 2]);
  await clock.advance(2_000);
  expect([(await call('GET', '/stats/summary')).status, asked.length]).toEqual([403, 3]);
});

test('without an answer nobody is let in, and the next is asked about again', async () => {
  granted.add('stats');
  answers = false;
  expect((await call('GET', '/stats/summary')).status).toBe(500);
  answers = true;
  expect((await call('GET', '/stats/summary')).status).toBe(200);
});
