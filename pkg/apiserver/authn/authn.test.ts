import { expect, test } from 'vitest';
import type { ApiRequest, HttpHeaders } from '#pkg/apimachinery/http.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import { alwaysAllow, mastersOr } from '../authz/authorizer.ts';
import { startTestServer } from '../testing/test-server.ts';
import { bearerTokens } from './bearer-tokens.ts';
import { impersonate } from './impersonation.ts';
import { parseTokenFile, tokenFileAuthenticator } from './token-file.ts';

function request(headers: HttpHeaders): ApiRequest {
  return { method: 'GET', path: '/', query: '', headers, peer: { address: '' }, signal: new AbortController().signal };
}

test('a token file has a token, a user, a uid and groups on a line', () => {
  expect([...parseTokenFile('# comment\nt1,ann,1,"a,b"\n\nt2,bob,2,c\nt3,eve,3\n')]).toEqual([
    ['t1', { name: 'ann', uid: '1', groups: ['a', 'b', 'system:authenticated'] }],
    ['t2', { name: 'bob', uid: '2', groups: ['c', 'system:authenticated'] }],
    ['t3', { name: 'eve', uid: '3', groups: ['system:authenticated'] }],
  ]);
  expect(() => parseTokenFile('only-a-token')).toThrow('Cannot read line 1');
});

test('a token that the file does not know is left to others', async () => {
  const tokens = bearerTokens([tokenFileAuthenticator(parseTokenFile('t1,ann,1'), ['api'])], ['api']);
  expect(await tokens.authenticate(request({ authorization: 'Bearer t1' }))).toMatchObject({ name: 'ann' });
  expect(await tokens.authenticate(request({ authorization: 'Bearer no' }))).toBeUndefined();
  expect(tokens.authenticate(request({ authorization: 'Basic x' }))).toBeUndefined();
  expect(await tokens.review('t1', ['other'])).toEqual({ error: 'unable to match the requested audiences' });
});

test.each([
  ['other, base64url.bearer.authorization.k8s.io.dDE', 'ann'],
  ['base64url.bearer.authorization.k8s.io.dDE,other', 'ann'],
  ['base64url.bearer.authorization.k8s.io.dDE', undefined],
  ['base64url.bearer.authorization.k8s.io.dDE, base64url.bearer.authorization.k8s.io.dDE, other', undefined],
  ['base64url.bearer.authorization.k8s.io.d+E, other', undefined],
])('a WebSocket that offers the protocols %s is of %s', async (protocols, name) => {
  const tokens = bearerTokens([tokenFileAuthenticator(parseTokenFile('t1,ann,1'), ['api'])], ['api']);
  expect(await tokens.authenticate(request({ 'sec-websocket-protocol': protocols }))).toEqual(
    name === undefined ? undefined : expect.objectContaining({ name }),
  );
});

test.each([
  [{ 'sec-websocket-protocol': 'base64url.bearer.authorization.k8s.io.dDE' }, 401],
  [{ 'sec-websocket-protocol': 'other' }, 200],
  [{ authorization: 'Bearer bad' }, 401],
  [{ authorization: 'bearer  bad' }, 401],
  [{ authorization: 'Basic eDp5' }, 200],
  [{ authorization: 'Bearer ' }, 200],
])('%j without another credential is answered %i', async (headers, expected) => {
  const { call } = await startTestServer();
  const { status, body } = await call('GET', '/version', { headers, anonymous: true });
  expect(status).toBe(expected);
  if (status !== 401) return;
  expect(body).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'Unauthorized',
    reason: 'Unauthorized',
    code: 401,
  });
});

test('whom a certificate names needs no token that is known', async () => {
  const { call } = await startTestServer();
  expect((await call('GET', '/api/v1/nodes', { headers: { authorization: 'Bearer bad' } })).status).toBe(200);
});

/** Lets ann impersonate users and one group. */
const authorizer: Authorizer = {
  authorize: ({ user, resource, name }) => {
    const allowed = user.name === 'ann' && (resource === 'users' || name === 'devs');
    return { decision: allowed ? 'allow' : 'no opinion' };
  },
};
const ann = { name: 'ann', groups: ['system:authenticated'] };

test('a caller acts as somebody else when allowed to', async () => {
  const headers = { 'impersonate-user': 'bob', 'impersonate-group': 'devs' };
  expect(await impersonate(ann, headers, authorizer)).toEqual({
    name: 'bob',
    groups: ['devs', 'system:authenticated'],
  });
});

test('what else a caller is acted as comes by its own keys, decoded where that can be', async () => {
  const all: Authorizer = { authorize: () => ({ decision: 'allow' }) };
  const headers = {
    'impersonate-user': 'bob',
    'impersonate-uid': 'u',
    'impersonate-extra-a%2fb': 'x, y',
    'impersonate-extra-%zz': 'z',
    'impersonate-extra-__proto__': 'p',
  };
  const { extra, ...user } = await impersonate(ann, headers, all);
  expect(user).toEqual({ name: 'bob', uid: 'u', groups: ['system:authenticated'] });
  expect(Object.entries(extra!)).toEqual([
    ['a/b', ['x', 'y']],
    ['%zz', ['z']],
    ['__proto__', ['p']],
  ]);
});

const refusals: readonly [name: string, headers: HttpHeaders, message: string][] = [
  ['a group without a user', { 'impersonate-group': 'devs' }, 'requested impersonation without impersonating a user'],
  [
    'a group that is not allowed',
    { 'impersonate-user': 'bob', 'impersonate-group': 'system:masters' },
    'groups "system:masters" is forbidden: User "ann" cannot impersonate resource "groups" in API group "" at the cluster scope',
  ],
  [
    'a service account that is not allowed',
    { 'impersonate-user': 'system:serviceaccount:ns:sa' },
    'serviceaccounts "sa" is forbidden: User "ann" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "ns"',
  ],
];

test.each(refusals)('%s is refused', async (_name, headers, message) => {
  await expect(impersonate(ann, headers, authorizer)).rejects.toThrow(message);
});

test('the server knows a caller as who they act as', async () => {
  const { call } = await startTestServer();
  const headers = { 'impersonate-user': 'bob' };
  const { body } = await call('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { object: {}, headers });
  expect(body.status.userInfo).toEqual({ username: 'bob', groups: ['system:authenticated'] });
});

test('masters may do everything, whatever the authorizer says', async () => {
  const none = mastersOr({ authorize: () => ({ decision: 'deny' }) });
  const ask = (groups: string[]) =>
    none.authorize({
      user: { name: 'x', groups },
      verb: 'get',
      group: '',
      version: 'v1',
      resource: 'pods',
      subresource: '',
      namespace: '',
      name: '',
      path: '',
    });
  expect([ask(['system:masters']), ask(['system:authenticated'])]).toEqual([
    { decision: 'allow' },
    { decision: 'deny' },
  ]);
});

test('reviews answer what the authorizer says', async () => {
  const { call } = await startTestServer({ authorizer: alwaysAllow() });
  const review = async (groups: string[]) => {
    const object = { spec: { user: 'x', groups, resourceAttributes: { verb: 'get', resource: 'pods' } } };
    return (await call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', { object })).body.status;
  };
  expect([await review(['devs']), await review(['system:unauthenticated'])]).toEqual([
    { allowed: true },
    { allowed: false },
  ]);
});
