/** What client certificates are worth at the API server's port. */
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bearerTokens } from '#pkg/apiserver/authn/bearer-tokens.ts';
import { clientCertificateAuthenticator } from '#pkg/apiserver/authn/client-certificate.ts';
import { parseTokenFile, tokenFileAuthenticator } from '#pkg/apiserver/authn/token-file.ts';
import { startTestServer } from '#pkg/apiserver/testing/test-server.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { issueAuthority, issueLeaf, type LeafOptions } from '#pkg/pki/certificate.ts';
import type { CertificatePair } from '#pkg/pki/pair.ts';
import { createHttpsServer } from '#pkg/serving/https-server.ts';

const clock = new SystemClock();
const nowMs = clock.nowMs();
const dayMs = 86_400_000;
const authorityOf = (commonName: string) =>
  issueAuthority({ subject: { commonName }, nowMs: nowMs - 10 * dayMs, validDays: 100 });
const authority = authorityOf('kubernetes');
const leaf = (signer: CertificatePair, options: Partial<LeafOptions> = {}): CertificatePair => {
  const subject = { commonName: 'ann', organizations: ['system:masters'] };
  return issueLeaf(signer, { subject, nowMs, validDays: 1, usage: 'client', ...options });
};

let port: number;
let running: Promise<unknown>;
const stop = new AbortController();

beforeAll(async () => {
  const tokens = bearerTokens([tokenFileAuthenticator(parseTokenFile('known,bob,1'), ['api'])], ['api']);
  const api = await startTestServer({ authenticators: [clientCertificateAuthenticator(clock)], tokens });
  const { certificate: cert, key } = leaf(authority, { usage: 'server' });
  const options = { handler: api.server.handle, cert, key, clientCa: authority.certificate };
  const server = createHttpsServer({ ...options, clock, log: silentLogger });
  ({ port } = await server.listen({ host: '127.0.0.1', port: 0 }));
  running = server.run(stop.signal);
});

afterAll(async () => {
  stop.abort();
  await running;
});

/** Who the server says that it is, or the status. */
async function whoIs(pair: CertificatePair | undefined, token?: string): Promise<number | string> {
  const identity = pair === undefined ? {} : { cert: pair.certificate, key: pair.key };
  const headers = {
    'content-type': 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const address = { host: '127.0.0.1', port, path, method: 'POST', rejectUnauthorized: false, agent: false };
  return new Promise((resolve, reject) => {
    const sent = request({ ...address, headers, ...identity }, async (response) => {
      const body = JSON.parse(await text(response));
      resolve(response.statusCode === 201 ? body.status.userInfo.username : response.statusCode!);
    });
    sent.on('error', reject);
    sent.end('{}');
  });
}

const refused: readonly (readonly [string, CertificatePair])[] = [
  ['of another authority', leaf(authorityOf('kubernetes'))],
  ['that has expired', leaf(authority, { nowMs: nowMs - 5 * dayMs })],
  ['that is not valid yet', leaf(authority, { nowMs: nowMs + 5 * dayMs })],
  ['of a server', leaf(authority, { usage: 'server' })],
];

test.each(refused)(
  'a client certificate %s is 401, unless something else proves who asks (fault 62)',
  async (_name, pair) => {
    expect(await whoIs(pair)).toBe(401);
    expect(await whoIs(pair, 'unknown')).toBe(401);
    expect(await whoIs(pair, 'known')).toBe('bob');
  },
);

test('a client certificate that is good names who asks, and without one everybody is anonymous (fault 62)', async () => {
  expect(await whoIs(leaf(authority))).toBe('ann');
  expect(await whoIs(undefined)).toBe(403);
});

test('a client certificate that expires while its connection lasts is 401 from then on (fault 62)', async () => {
  const { server, clock: virtual } = await startTestServer();
  const certificate = { commonName: 'ann', organizations: [], notAfterMs: virtual.nowMs() + 1_000 };
  const asked = { method: 'GET', path: '/api/v1/nodes', query: '', headers: {}, signal: stop.signal };
  const call = async () => (await server.handle({ ...asked, peer: { address: '10.0.0.1', certificate } })).status;
  expect(await call()).toBe(200);
  await virtual.advance(1_001);
  expect(await call()).toBe(401);
});
