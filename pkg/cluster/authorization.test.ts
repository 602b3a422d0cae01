import { afterAll, beforeAll, expect, test } from 'vitest';
import { startUsersApi, type UsersApi } from './testing-users.ts';

const rbac = '/apis/rbac.authorization.k8s.io/v1';
let users: UsersApi;

beforeAll(async () => {
  users = await startUsersApi();
  const readsPods = { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] };
  const makesRoles = {
    verbs: ['create', 'update', 'patch'],
    apiGroups: ['rbac.authorization.k8s.io'],
    resources: ['roles', 'rolebindings', 'clusterroles'],
  };
  await users.make(`${rbac}/clusterroles`, { metadata: { name: 'grants' }, rules: [readsPods, makesRoles] } as never);
  await users.make(`${rbac}/clusterroles`, { metadata: { name: 'reads' }, rules: [readsPods] } as never);
  await users.make(`${rbac}/clusterrolebindings`, bound('grants', 'grants', 'ann') as never);
});
afterAll(() => users.stop());

function bound(name: string, role: string, user: string): object {
  const apiGroup = 'rbac.authorization.k8s.io';
  return {
    metadata: { name },
    subjects: [{ kind: 'User', apiGroup, name: user }],
    roleRef: { apiGroup, kind: 'ClusterRole', name: role },
  };
}

test('who has no right is told so in the words of upstream', async () => {
  const ann = users.as('bob', 'devs');
  expect(await ann('GET', '/api/v1/namespaces/default/secrets/x')).toEqual({
    status: 403,
    body: {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message:
        'secrets "x" is forbidden: User "bob" cannot get resource "secrets" in API group "" in the namespace "default"',
      reason: 'Forbidden',
      details: { name: 'x', kind: 'secrets' },
      code: 403,
    },
  });
  expect((await ann('GET', '/metrics')).body.message).toBe('forbidden: User "bob" cannot get path "/metrics"');
});

test.each([
  ['/healthz', 200],
  ['/readyz', 200],
  ['/version', 200],
  ['/api', 403],
  ['/api/v1/namespaces', 403],
  ['/metrics', 403],
  ['/openapi/v2', 403],
])('who shows no credentials is answered at %s with %i', async (path, status) => {
  expect((await users.anybody('GET', path)).status).toBe(status);
});

test('the administrator is one by a binding, not by system:masters', async () => {
  expect((await users.admin('GET', '/api/v1/secrets')).status).toBe(200);
  expect((await users.admin('GET', '/metrics')).status).toBe(200);
  expect((await users.as('kubernetes-admin')('GET', '/api/v1/secrets')).status).toBe(403);
});

const role = (...rules: readonly object[]): object => ({ metadata: { name: 'r' }, rules });

test('nobody makes a role of rights that they do not have', async () => {
  const ann = users.as('ann');
  const object = role({ verbs: ['get', 'delete'], apiGroups: [''], resources: ['pods', 'secrets'] });
  const { status, body } = await ann('POST', `${rbac}/namespaces/default/roles`, { object });
  expect([status, body.message]).toEqual([
    403,
    'roles.rbac.authorization.k8s.io "r" is forbidden: user "ann" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n' +
      '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete"]}',
  ]);
  const own = role({ verbs: ['get'], apiGroups: [''], resources: ['pods'] });
  expect((await ann('POST', `${rbac}/namespaces/default/roles`, { object: own })).status).toBe(201);
  const more = role({ verbs: ['*'], apiGroups: ['*'], resources: ['*'] });
  expect((await ann('PUT', `${rbac}/namespaces/default/roles/r`, { object: more })).status).toBe(403);
});

test('nobody binds a role whose rights they do not have, or that is not there', async () => {
  const ann = users.as('ann');
  const bind = (name: string) =>
    ann('POST', `${rbac}/namespaces/default/rolebindings`, { object: bound(`to-${name}`, name, 'ann') });
  expect((await bind('cluster-admin')).status).toBe(403);
  expect((await bind('none')).body.message).toBe('clusterrole.rbac.authorization.k8s.io "none" not found');
  expect((await bind('reads')).status).toBe(201);
});

test('the verbs bind and escalate let them', async () => {
  const may = (verb: string, resources: readonly string[]): object => ({
    verbs: [verb],
    apiGroups: ['rbac.authorization.k8s.io'],
    resources,
  });
  await users.make(`${rbac}/clusterroles`, {
    metadata: { name: 'lets' },
    rules: [may('bind', ['clusterroles']), may('escalate', ['roles']), may('create', ['roles', 'rolebindings'])],
  } as never);
  await users.make(`${rbac}/clusterrolebindings`, bound('lets', 'lets', 'eve') as never);
  const eve = users.as('eve');
  const everything = { metadata: { name: 'all' }, rules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }] };
  expect((await eve('POST', `${rbac}/namespaces/default/roles`, { object: everything })).status).toBe(201);
  expect(
    (await eve('POST', `${rbac}/namespaces/default/rolebindings`, { object: bound('admins', 'cluster-admin', 'eve') }))
      .status,
  ).toBe(201);
  expect((await eve('GET', '/api/v1/namespaces/default/secrets')).status).toBe(200);
  expect((await eve('GET', '/api/v1/namespaces/kube-system/secrets')).status).toBe(403);
});

test('a role that gathers others takes all rights to make', async () => {
  const object = {
    metadata: { name: 'gathers' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] },
  };
  const { body } = await users.as('ann')('POST', `${rbac}/clusterroles`, { object });
  expect(body.message).toBe(
    'clusterroles.rbac.authorization.k8s.io "gathers" is forbidden: must have cluster-admin privileges to use the aggregationRule',
  );
  expect((await users.admin('POST', `${rbac}/clusterroles`, { object })).status).toBe(201);
});

test('a review of the own rules lists them', async () => {
  const object = { spec: { namespace: 'default' } };
  const { body } = await users.as('cy')('POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', { object });
  expect(body.status).toEqual({
    resourceRules: [
      {
        verbs: ['create'],
        apiGroups: ['authorization.k8s.io'],
        resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
      },
      { verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'] },
    ],
    nonResourceRules: [
      {
        verbs: ['get'],
        nonResourceURLs: [
          '/api',
          '/api/*',
          '/apis',
          '/apis/*',
          '/healthz',
          '/livez',
          '/openapi',
          '/openapi/*',
          '/readyz',
          '/version',
          '/version/',
        ],
      },
      { verbs: ['get'], nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version', '/version/'] },
    ],
    incomplete: false,
  });
});

test('default roles that lost something have it again at the next start, and keep what was added', async () => {
  const { store } = await withStore();
  const first = await startUsersApi({ store });
  const url = `${rbac}/clusterroles/system:node-problem-detector`;
  const { body: before } = await first.admin('GET', url);
  const extra = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
  await first.admin('PUT', url, { object: { ...before, rules: [before.rules[0], extra] } });
  const left = `${rbac}/clusterroles/system:kube-dns`;
  const { body: dns } = await first.admin('GET', left);
  const annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'false' };
  await first.admin('PUT', left, { object: { ...dns, metadata: { ...dns.metadata, annotations }, rules: [] } });
  await first.stop();
  const second = await startUsersApi({ store });
  const { body: after } = await second.admin('GET', url);
  expect(after.rules.slice(0, 2)).toEqual([before.rules[0], extra]);
  const { body: review } = await second.admin('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    object: { spec: { user: 'x', resourceAttributes: { verb: 'get', resource: 'pods' } } },
  });
  expect(review.status.allowed).toBe(false);
  expect(after.rules).toHaveLength(9);
  expect((await second.admin('GET', left)).body.rules).toBeNull();
  await second.stop();
});

async function withStore() {
  const { createMemoryStore } = await import('#pkg/storage/drivers/memory/memory-store.ts');
  const { VirtualClock } = await import('#pkg/base/virtual-clock.ts');
  return { store: createMemoryStore({ clock: new VirtualClock() }) };
}
