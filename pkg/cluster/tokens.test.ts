import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readClaims, signingKey, signJwt } from '#pkg/pki/jwt.ts';
import { startUsersApi, type UserAnswer, type UsersApi } from './testing-users.ts';

const key = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
}).privateKey;
const inDefault = '/api/v1/namespaces/default';
const tokenUrl = `${inDefault}/serviceaccounts/robot/token`;
const issuer = 'https://kubernetes.default.svc.cluster.local';
let users: UsersApi;

beforeAll(async () => {
  users = await startUsersApi({ authentication: { serviceAccountKey: key } });
  await users.make(`${inDefault}/serviceaccounts`, { metadata: { name: 'robot' } });
  await users.make('/api/v1/nodes', { metadata: { name: 'n1' } });
});
afterAll(() => users.stop());

const ask = (spec: object = {}): Promise<UserAnswer> => users.admin('POST', tokenUrl, { object: { spec } });
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const whoIs = async (token: string): Promise<UserAnswer> =>
  users.anybody('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { object: {}, ...bearer(token) });
const review = async (token: string, audiences?: readonly string[]) => {
  const spec = { token, ...(audiences === undefined ? {} : { audiences }) };
  return (await users.admin('POST', '/apis/authentication.k8s.io/v1/tokenreviews', { object: { spec } })).body.status;
};

async function makePod(name: string, serviceAccountName = 'robot'): Promise<string> {
  const spec = { containers: [{ name: 'c', image: 'i' }], nodeName: 'n1', serviceAccountName };
  await users.make(`${inDefault}/pods`, { metadata: { name }, spec } as never);
  return (await users.admin('GET', `${inDefault}/pods/${name}`)).body.metadata.uid;
}

test('a token names its account, its audience and its time', async () => {
  const { status, body } = await ask();
  expect(status).toBe(201);
  expect(body).toMatchObject({
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name: 'robot', namespace: 'default' },
    spec: { audiences: [issuer], expirationSeconds: 3600, boundObjectRef: null },
  });
  const claims = readClaims(body.status.token)!;
  expect(Object.keys(claims)).toEqual(['aud', 'exp', 'iat', 'iss', 'jti', 'kubernetes.io', 'nbf', 'sub']);
  expect(claims).toMatchObject({ aud: [issuer], iss: issuer, sub: 'system:serviceaccount:default:robot' });
  expect((claims.exp as number) - (claims.iat as number)).toBe(3600);
  expect(Date.parse(body.status.expirationTimestamp)).toBe((claims.exp as number) * 1000);
  const { uid } = (claims['kubernetes.io'] as { serviceaccount: { uid: string } }).serviceaccount;
  expect((await whoIs(body.status.token)).body.status.userInfo).toEqual({
    username: 'system:serviceaccount:default:robot',
    uid,
    groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${claims.jti}`] },
  });
});

test("a pod's token says of which pod and node, and ends with the pod", async () => {
  const uid = await makePod('p1');
  const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'p1', uid };
  const { token } = (await ask({ boundObjectRef })).body.status;
  const node = (await users.admin('GET', '/api/v1/nodes/n1')).body.metadata.uid;
  const of = (name: string): string => `authentication.kubernetes.io/${name}`;
  expect((await whoIs(token)).body.status.userInfo.extra).toMatchObject({
    [of('pod-name')]: ['p1'],
    [of('pod-uid')]: [uid],
    [of('node-name')]: ['n1'],
    [of('node-uid')]: [node],
  });
  await users.admin('DELETE', `${inDefault}/pods/p1?gracePeriodSeconds=0`);
  expect((await whoIs(token)).status).toBe(401);
  expect(await review(token)).toEqual({ user: {}, error: 'service account token has been invalidated' });
  const again = await makePod('p1');
  expect((await whoIs(token)).status).toBe(401);
  expect((await review(token)).error).toBe(`pod UID (${again}) does not match service account pod ref claim (${uid})`);
});

test('a token of another audience is nobody here, and counts where it is asked for', async () => {
  const { token } = (await ask({ audiences: ['vault'] })).body.status;
  expect((await whoIs(token)).status).toBe(401);
  expect((await review(token)).error).toBe(
    `token audiences ["vault"] is invalid for the target audiences ["${issuer}"]`,
  );
  expect(await review(token, ['vault', 'other'])).toMatchObject({
    authenticated: true,
    user: { username: 'system:serviceaccount:default:robot' },
    audiences: ['vault'],
  });
});

test.each<[string, (claims: Record<string, unknown>, nowSeconds: number) => object, string]>([
  ['has expired', (claims, now) => ({ ...claims, exp: now - 61 }), 'service account token has expired'],
  ['counts later', (claims, now) => ({ ...claims, nbf: now + 61 }), 'service account token is not valid yet'],
  [
    'was issued in the future',
    (claims, now) => ({ ...claims, iat: now + 61 }),
    'service account token is issued in the future',
  ],
  [
    'is of an account of earlier',
    (claims) => ({
      ...claims,
      'kubernetes.io': { namespace: 'default', serviceaccount: { name: 'robot', uid: 'old' } },
    }),
    'does not match claim (old)',
  ],
  [
    'is of no account',
    (claims) => ({ ...claims, 'kubernetes.io': { namespace: 'default', serviceaccount: { name: 'none', uid: 'x' } } }),
    'serviceaccounts "none" not found',
  ],
])('a token that %s is refused', async (_what, change, error) => {
  const claims = readClaims((await ask()).body.status.token)! as Record<string, unknown>;
  const token = signJwt(signingKey(key), change(claims, Math.floor(users.clock.nowMs() / 1000)) as never);
  expect((await whoIs(token)).status).toBe(401);
  expect((await review(token)).error).toContain(error);
});

test('a token that somebody else signed, or that was changed, is refused', async () => {
  const { token } = (await ask()).body.status;
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
  const claims = readClaims(token)!;
  const [head = '', , tail = ''] = token.split('.');
  const changed = Buffer.from(JSON.stringify({ ...claims, sub: 'system:serviceaccount:kube-system:x' })).toString(
    'base64url',
  );
  const unsigned = Buffer.from('{"alg":"none"}').toString('base64url');
  for (const bad of [
    signJwt(signingKey(other), claims),
    `${head}.${changed}.${tail}`,
    `${unsigned}.${changed}.`,
    `${token}x`,
    'a.b.c',
  ])
    expect((await whoIs(bad)).status).toBe(401);
});

test.each([
  [
    { expirationSeconds: 599 },
    422,
    'spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes',
  ],
  [{ expirationSeconds: 2 ** 32 + 1 }, 422, 'may not specify a duration larger than 2^32 seconds'],
  [{ boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'none' } }, 404, 'pods "none" not found'],
  [
    { boundObjectRef: { kind: 'ConfigMap', apiVersion: 'v1', name: 'x' } },
    400,
    'cannot bind token to object of type /v1, Kind=ConfigMap',
  ],
  [
    { boundObjectRef: { kind: 'Node', apiVersion: 'v1', name: 'n1', uid: 'x' } },
    409,
    'the UID in the bound object reference (x) does not match',
  ],
])('a request for %j is answered %i', async (spec, status, message) => {
  const answer = await ask(spec);
  expect([answer.status, answer.body.message]).toEqual([status, expect.stringContaining(message)]);
});

test('a pod of another account gives no token', async () => {
  await users.make(`${inDefault}/serviceaccounts`, { metadata: { name: 'other' } });
  await makePod('p2', 'other');
  const { status, body } = await ask({ boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p2' } });
  expect([status, body.message]).toEqual([
    400,
    'cannot bind token for serviceaccount "robot" to pod running with different serviceaccount name.',
  ]);
});

test('a kubelet asks for tokens of its pods alone, bound to them', async () => {
  const uid = await makePod('p3');
  const node = users.as('system:node:n1', 'system:nodes');
  const asNode = (spec: object) => node('POST', tokenUrl, { object: { spec } });
  const ref = { kind: 'Pod', apiVersion: 'v1', name: 'p3' };
  expect((await asNode({ boundObjectRef: { ...ref, uid } })).status).toBe(201);
  expect((await asNode({})).body.message).toContain('node requested token not bound to a pod');
  expect((await asNode({ boundObjectRef: ref })).body.message).toContain(
    'node requested token with a pod binding without a uid',
  );
  const other = users.as('system:node:n2', 'system:nodes');
  expect((await other('POST', tokenUrl, { object: { spec: { boundObjectRef: { ...ref, uid } } } })).status).toBe(403);
});

test('others can check tokens by themselves', async () => {
  const { token } = (await ask()).body.status;
  const robot = (path: string) => users.anybody('GET', path, bearer(token));
  expect((await robot('/.well-known/openid-configuration')).body).toEqual({
    issuer,
    jwks_uri: 'https://127.0.0.1:6443/openid/v1/jwks',
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  });
  const { keys } = (await robot('/openid/v1/jwks')).body;
  const [head, claims, signature = ''] = token.split('.');
  const publicKey = createPublicKey({ key: keys[0], format: 'jwk' });
  const check = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const;
  expect(verify('sha256', Buffer.from(`${head}.${claims}`), check, Buffer.from(signature, 'base64url'))).toBe(true);
  expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toEqual({ alg: 'ES256', kid: keys[0].kid });
  expect((await users.anybody('GET', '/openid/v1/jwks')).status).toBe(403);
});
