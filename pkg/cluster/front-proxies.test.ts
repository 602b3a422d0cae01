/** Proxies that name users in headers, at the API server's port: whose certificates count for what. Source: apiserver `headerrequest` tests. */
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestHeaderDefaults } from '#pkg/apiserver/authn/request-header.ts';
import { startTestServer } from '#pkg/apiserver/testing/test-server.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';
import { createHttpsServer } from '#pkg/serving/https-server.ts';
import { createAuthentication } from './authentication.ts';

const clock = new SystemClock();
const issued = { nowMs: clock.nowMs() - 86_400_000, validDays: 100 };
const [clients, proxies, strangers] = ['kubernetes', 'front-proxy-ca', 'other'].map((commonName) =>
  issueAuthority({ ...issued, subject: { commonName } }),
);
const of = (authority: CertificatePair | undefined, commonName: string): CertificatePair => {
  if (authority === undefined) throw new Error('there are three authorities');
  const subject = { commonName, organizations: ['system:masters'] };
  return issueLeaf(authority, { ...issued, subject, usage: 'client' });
};

let port: number;
let running: Promise<unknown>;
const stop = new AbortController();

beforeAll(async () => {
  const clientCa = clients?.certificate ?? '';
  const requestHeader = { ...requestHeaderDefaults, authority: proxies?.certificate ?? '', clientCa };
  const { authenticators } = createAuthentication({ clock }, { requestHeader });
  const api = await startTestServer({ authenticators });
  const { certificate: cert, key } = issueLeaf(clients ?? of(clients, ''), {
    ...issued,
    subject: { commonName: 'server' },
    usage: 'server',
  });
  const authorities = [clientCa, requestHeader.authority].join('\n');
  const server = createHttpsServer({
    handler: api.server.handle,
    cert,
    key,
    clientCa: authorities,
    clock,
    log: silentLogger,
  });
  ({ port } = await server.listen({ host: '127.0.0.1', port: 0 }));
  running = server.run(stop.signal);
});

afterAll(async () => {
  stop.abort();
  await running;
});

const named = {
  'x-remote-user': 'ann',
  'x-remote-uid': '7',
  'x-remote-group': 'dev, ops',
  'x-remote-extra-example.com%2fscope': 'a',
};

/** Who the server says that it is, or the status. */
async function whoIs(pair: CertificatePair | undefined, headers: Readonly<Record<string, string>>): Promise<unknown> {
  const identity = pair === undefined ? {} : { cert: pair.certificate, key: pair.key };
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const address = { host: '127.0.0.1', port, path, method: 'POST', rejectUnauthorized: false, agent: false };
  return new Promise((resolve, reject) => {
    const all = { 'content-type': 'application/json', ...headers };
    const sent = request({ ...address, ...identity, headers: all }, async (response) => {
      const body = JSON.parse(await text(response));
      resolve(response.statusCode === 201 ? body.status.userInfo : response.statusCode);
    });
    sent.on('error', reject);
    sent.end('{}');
  });
}

test('a proxy says for whom it asks', async () => {
  expect(await whoIs(of(proxies, 'front-proxy-client'), named)).toEqual({
    username: 'ann',
    uid: '7',
    groups: ['dev', 'ops', 'system:authenticated'],
    extra: { 'example.com/scope': ['a'] },
  });
});

test('nobody else is believed', async () => {
  expect(await whoIs(of(clients, 'bob'), named)).toMatchObject({ username: 'bob' });
  expect(await whoIs(of(clients, 'front-proxy-client'), named)).toMatchObject({ username: 'front-proxy-client' });
  // Anonymous, who may not review anything here.
  expect(await whoIs(undefined, named)).toBe(403);
  expect(await whoIs(of(strangers, 'front-proxy-client'), named)).toBe(401);
});

test("a certificate of the proxies' authority is nobody's own, whatever it says", async () => {
  expect(await whoIs(of(proxies, 'front-proxy-client'), {})).toBe(401);
  expect(await whoIs(of(proxies, 'system:apiserver'), named)).toBe(401);
  expect(await whoIs(of(proxies, 'system:apiserver'), {})).toBe(401);
});
