/** Users by JWTs of issuers, by a server that knows tokens, and anonymous ones at some paths: what counts, and what is refused. Keys are real. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { readAuthenticationConfiguration } from '#pkg/registry/authentication/authentication-configuration.ts';
import type { CallWebhook, WebhookRequest } from '#pkg/registry/remote/call-webhook.ts';
import { readerOf } from '#pkg/registry/testing.ts';
import { createAuthentication } from './authentication.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const issuer = 'https://issuer.example.com';
const own = 'https://kubernetes.default.svc.cluster.local';

let clock: VirtualClock;
/** What is at an address. */
let sites: Record<string, object>;
let asked: string[];
/** What the server that knows tokens answers; undefined: it is not there. */
let review: ((spec: { readonly token: string; readonly audiences: readonly string[] }) => object) | undefined;

const jwk = (key: KeyObject, more: object) => ({ ...key.export({ format: 'jwk' }), use: 'sig', ...more });

beforeEach(() => {
  clock = new VirtualClock();
  asked = [];
  review = undefined;
  sites = {
    [`${issuer}/.well-known/openid-configuration`]: { issuer, jwks_uri: `${issuer}/keys` },
    [`${issuer}/keys`]: {
      keys: [
        jwk(rsa.publicKey, { kid: 'r', alg: 'RS256' }),
        jwk(ec.publicKey, { kid: 'e' }),
        { kty: 'oct', k: 'AAAA', kid: 'h' },
      ],
    },
  };
});

const call: CallWebhook = async ({ method = 'POST', url, body }: WebhookRequest) => {
  asked.push(`${method} ${url}`);
  if (method === 'GET') {
    const found = sites[url];
    return found === undefined ? { status: 404, text: '' } : { status: 200, text: JSON.stringify(found) };
  }
  const { spec, ...sent } = JSON.parse(body);
  if (review === undefined) throw new Error('connect ECONNREFUSED');
  return { status: 200, text: JSON.stringify({ ...sent, status: review(spec) }) };
};

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

interface Signing {
  readonly alg?: string;
  readonly kid?: string;
  readonly key?: KeyObject;
}

function token(claims: object = {}, { alg = 'ES256', kid = 'e', key = ec.privateKey }: Signing = {}): string {
  const now = Math.floor(clock.nowMs() / 1_000);
  const text = `${encoded({ alg, kid })}.${encoded({ iss: issuer, aud: 'k8s', sub: 'alice', exp: now + 60, ...claims })}`;
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

const base = {
  issuer: { url: issuer, audiences: ['k8s'] },
  claimMappings: { username: { claim: 'sub', prefix: 'oidc:' } },
};

function config(jwt: object = base, more: object = {}) {
  const file = { apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration', jwt: [jwt], ...more };
  return readAuthenticationConfiguration(JSON.stringify(file), [own]);
}

function authentication(jwt: object = base, more: object = {}) {
  const made = createAuthentication({ clock }, { configuration: config(jwt, more) }, call);
  made.connect(readerOf({}));
  return made;
}

const whoIs = async (text: string, jwt: object = base) => authentication(jwt).tokens.review(text, [own]);

test('a token of the issuer is its user, signed with RSA or on a curve', async () => {
  const user = { name: 'oidc:alice', groups: ['system:authenticated'] };
  expect(await whoIs(token())).toEqual({ user, audiences: [own] });
  expect(await whoIs(token({ aud: ['x', 'k8s'] }, { alg: 'RS256', kid: 'r', key: rsa.privateKey }))).toEqual({
    user,
    audiences: [own],
  });
});

test('keys are read once, and again when one is missing, but not for every token that nobody can check', async () => {
  const { tokens } = authentication();
  for (let i = 0; i < 3; i++) expect(await tokens.review(token(), [own])).toHaveProperty('user');
  expect(asked).toHaveLength(2);
  await clock.advance(20_000);
  for (let i = 0; i < 5; i++) await tokens.review(token({}, { kid: 'new', key: other.privateKey }), [own]);
  expect(asked).toHaveLength(4);
  await clock.advance(20_000);
  sites[`${issuer}/keys`] = { keys: [jwk(other.publicKey, { kid: 'new' })] };
  expect(await tokens.review(token({}, { kid: 'new', key: other.privateKey }), [own])).toHaveProperty('user');
  sites = {};
  await clock.advance(20_000);
  expect(await tokens.review(token(), [own])).toHaveProperty('error');
  expect(await tokens.review(token({}, { kid: 'new', key: other.privateKey }), [own])).toHaveProperty('user');
});

const unsigned = 'oidc: verify token: failed to verify signature: failed to verify id token signature';
test.each<readonly [string, () => string, string | undefined]>([
  ['of another issuer', () => token({ iss: 'https://other.example.com' }), undefined],
  [
    'for somebody else',
    () => token({ aud: ['x'] }),
    'oidc: verify token: oidc: expected audience in ["k8s"] got ["x"]',
  ],
  [
    'that has expired',
    () => token({ exp: 1 }),
    'oidc: verify token: oidc: token is expired (Token Expiry: 1970-01-01T00:00:01.000Z)',
  ],
  [
    'that never expires',
    () => token({ exp: undefined }),
    'oidc: verify token: oidc: token is expired (Token Expiry: 1970-01-01T00:00:00.000Z)',
  ],
  [
    'of the future',
    () => token({ nbf: Math.floor(clock.nowMs() / 1_000) + 1_000 }),
    'oidc: verify token: oidc: current time',
  ],
  ['signed by somebody else', () => token({}, { key: other.privateKey }), unsigned],
  [
    'that is not signed',
    () => `${encoded({ alg: 'none' })}.${encoded({ iss: issuer, aud: 'k8s', sub: 'alice', exp: 1e10 })}.`,
    unsigned,
  ],
  ['signed with the public key as a secret', () => token({}, { alg: 'HS256', kid: 'h' }), unsigned],
  ['whose key is of another kind', () => token({}, { alg: 'RS256', kid: 'e' }), unsigned],
  ['without a user', () => token({ sub: undefined }), 'oidc: parse username claims "sub": claim not present'],
  ['whose user is no text', () => token({ sub: ['x'] }), 'oidc: parse username claims "sub": it is no string'],
])('a token %s is nobody’s', async (_, make, error) => {
  const found = await whoIs(make());
  expect(found).not.toHaveProperty('user');
  if (error === undefined) expect(found).toEqual({ error });
  else expect(found).toEqual({ error: expect.stringContaining(error) });
});

test('an issuer that is not there, or says that it is another, has no users until it is found', async () => {
  const good = sites;
  sites = {};
  const { tokens } = authentication();
  expect(await tokens.review(token(), [own])).toEqual({
    error: expect.stringContaining('oidc: authenticator not initialized'),
  });
  sites = {
    ...good,
    [`${issuer}/.well-known/openid-configuration`]: { issuer: 'https://x', jwks_uri: `${issuer}/keys` },
  };
  await clock.advance(10_000);
  expect(await tokens.review(token(), [own])).toEqual({
    error: expect.stringContaining('issuer did not match the issuer returned by provider'),
  });
  sites = good;
  await clock.advance(10_000);
  expect(await tokens.review(token(), [own])).toHaveProperty('user');
});

test('claims become users by expressions, with groups, uid, extra and the id of the token', async () => {
  const jwt = {
    ...base,
    claimMappings: {
      username: { expression: "claims.email + '@' + claims.org.name" },
      groups: { expression: "claims.roles.map(role, 'team:' + role)" },
      uid: { claim: 'oid' },
      extra: [
        { key: 'example.org/admin', valueExpression: 'claims.?admin.orValue(false) ? "yes" : ""' },
        { key: 'example.org/none', valueExpression: '[]' },
      ],
    },
    claimValidationRules: [
      { claim: 'hd', requiredValue: 'example.com' },
      { expression: 'claims.?email_verified.orValue(true) == true', message: 'not verified' },
    ],
    userValidationRules: [{ expression: "!user.username.startsWith('system:')", message: 'reserved' }],
  };
  const claims = {
    email: 'a',
    org: { name: 'o' },
    roles: ['x', 'y'],
    oid: '7',
    admin: true,
    hd: 'example.com',
    jti: 'j',
  };
  const { user } = { user: undefined, ...(await whoIs(token(claims), jwt)) };
  expect(user).toEqual({
    name: 'a@o',
    uid: '7',
    groups: ['team:x', 'team:y', 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': ['JTI=j'], 'example.org/admin': ['yes'] },
  });
  const refused = async (more: object) => whoIs(token({ ...claims, ...more }), jwt);
  expect(await refused({ hd: 'x' })).toEqual({
    error: 'oidc: required claim hd value does not match. Got = x, want = example.com',
  });
  expect(await refused({ email_verified: false })).toEqual({
    error:
      "oidc: error evaluating claim validation expression: validation expression 'claims.?email_verified.orValue(true) == true' failed: not verified",
  });
  expect(await refused({ email: 'system:x' })).toEqual({
    error:
      "oidc: error evaluating user info validation rule: validation expression '!user.username.startsWith('system:')' failed: reserved",
  });
  expect(await refused({ roles: 'x' })).toEqual({
    error: expect.stringContaining('oidc: error evaluating group claim expression'),
  });
});

test('an address that is not verified is nobody’s', async () => {
  const jwt = { ...base, claimMappings: { username: { claim: 'email', prefix: '' } } };
  expect(await whoIs(token({ email: 'a@x', email_verified: false }), jwt)).toEqual({
    error: 'oidc: email not verified',
  });
  expect(await whoIs(token({ email: 'a@x' }), jwt)).toMatchObject({ user: { name: 'a@x' } });
});

const refusals: readonly (readonly [object, string])[] = [
  [{ ...base, x: 1 }, 'strict decoding error: unknown field "jwt[0].x"'],
  [
    { ...base, issuer: { url: issuer, audiences: 'k8s' } },
    'json: cannot unmarshal string into field jwt[0].issuer.audiences',
  ],
  [
    { ...base, issuer: { url: 'http://x', audiences: ['a', 'a'] } },
    'jwt[0].issuer.url: Invalid value: "http://x": URL scheme must be https',
  ],
  [{ ...base, issuer: { url: own, audiences: ['a'] } }, 'URL must not overlap with disallowed issuers'],
  [{ ...base, issuer: { url: issuer, audiences: ['a', 'a'] } }, 'jwt[0].issuer.audiences[1]: Duplicate value: "a"'],
  [{ ...base, claimMappings: {} }, 'jwt[0].claimMappings.username: Required value: claim or expression is required'],
  [{ ...base, claimMappings: { username: { claim: 'sub' } } }, 'jwt[0].claimMappings.username.prefix: Required value'],
  [
    { ...base, claimMappings: { username: { expression: 'claims.' } } },
    'jwt[0].claimMappings.username.expression: Invalid value: "claims.": compilation failed',
  ],
  [{ ...base, claimMappings: { username: { expression: 'claims.email' } } }, 'claims.email_verified must be used in'],
  [
    { ...base, claimValidationRules: [{ expression: "'x'" }] },
    'jwt[0].claimValidationRules[0].expression: Invalid value: "\'x\'": must evaluate to bool',
  ],
  [
    { ...base, claimValidationRules: [{}] },
    'jwt[0].claimValidationRules[0]: Required value: claim or expression is required',
  ],
  [
    { ...base, userValidationRules: [{ expression: 'user.nothing' }] },
    'jwt[0].userValidationRules[0].expression: Invalid value',
  ],
];
test.each(refusals)('the configuration %j is refused', (jwt, error) => {
  expect(() => config(jwt)).toThrow(error);
});

test('anonymous requests are let in at the paths that are named alone', () => {
  const made = authentication(base, { anonymous: { enabled: true, conditions: [{ path: '/livez' }] } });
  const ask = (path: string, headers = {}) =>
    made.authenticators
      .map((one) =>
        one.authenticate({
          method: 'GET',
          path,
          query: '',
          headers,
          peer: { address: '' },
          signal: AbortSignal.any([]),
        }),
      )
      .find((found) => found !== undefined);
  expect(made.allowsAnonymous).toBe(false);
  expect(ask('/livez')).toMatchObject({ name: 'system:anonymous' });
  expect(ask('/api')).toBeUndefined();
  expect(ask('/livez', { authorization: 'Bearer x' })).toBeUndefined();
  expect(authentication(base, { anonymous: { enabled: false } }).allowsAnonymous).toBe(false);
  expect(() => config(base, { anonymous: { enabled: false, conditions: [{ path: '/x' }] } })).toThrow(
    'enabled should be set to true when conditions are defined',
  );
});

function knownElsewhere() {
  const server = { url: 'https://tokens.example.com/review' };
  const made = createAuthentication({ clock }, { tokenWebhook: { server, ttlMs: 120_000, version: 'v1' } }, call);
  made.connect(readerOf({}));
  return made.tokens;
}

test('a server that knows tokens is asked once in a while, and only what it says counts', async () => {
  const tokens = knownElsewhere();
  review = (spec) =>
    spec.token === 'good'
      ? { authenticated: true, user: { username: 'bob', uid: '1', groups: ['g'], extra: { 'x.io/y': ['z'] } } }
      : { authenticated: false, error: spec.token === 'old' ? 'too old' : '' };
  const found = {
    user: { name: 'bob', uid: '1', groups: ['g', 'system:authenticated'], extra: { 'x.io/y': ['z'] } },
    audiences: [own],
  };
  expect(await tokens.review('good', [own])).toEqual(found);
  expect(await tokens.review('good', [own])).toEqual(found);
  expect(await tokens.review('bad', [own])).toEqual({ error: undefined });
  expect(await tokens.review('old', [own])).toEqual({ error: 'too old' });
  expect(asked).toHaveLength(3);
  expect(await tokens.review('good', ['somebody-else'])).toEqual({ error: undefined });
  await clock.advance(120_000);
  expect(await tokens.review('good', [own])).toEqual(found);
  expect(asked).toHaveLength(5);
});

test('one that is not there knows nobody, is asked again a few times, and nothing of that is kept', async () => {
  const tokens = knownElsewhere();
  const asking = tokens.review('good', [own]);
  await clock.advance(10_000);
  expect(await asking).toEqual({ error: 'Post "https://tokens.example.com/review": connect ECONNREFUSED' });
  expect(asked).toHaveLength(5);
  review = () => ({ authenticated: true, user: { username: 'bob' } });
  expect(await tokens.review('good', [own])).toMatchObject({ user: { name: 'bob' } });
});
