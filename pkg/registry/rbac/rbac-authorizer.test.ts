import { expect, test } from 'vitest';
import type { PolicyRule, Subject } from '#pkg/api/types/rbac-v1.ts';
import type { AccessAttributes } from '#pkg/apiserver/authz/authorizer.ts';
import { describeRules, rulesOf, uncoveredRules } from './policy-rule.ts';
import { RbacAuthorizer } from './rbac-authorizer.ts';

const binding = (name: string, role: string, subjects: readonly Subject[], namespace = '') => ({
  metadata: { name, namespace },
  subjects,
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
});

function authorizer(): RbacAuthorizer {
  const rbac = new RbacAuthorizer();
  const role = (name: string, ...rules: readonly PolicyRule[]): void =>
    rbac.sinks.clusterroles.set({ metadata: { name }, rules });
  role('reader', { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods', 'pods/log'] });
  role('one', { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['mine'] });
  role('scales', { verbs: ['*'], apiGroups: ['*'], resources: ['*/scale'] });
  role('health', { verbs: ['get'], nonResourceURLs: ['/healthz', '/livez/*'] });
  const { clusterrolebindings: cluster, rolebindings: own } = rbac.sinks;
  cluster.set(binding('read', 'reader', [{ kind: 'Group', name: 'readers' }]));
  cluster.set(binding('health', 'health', [{ kind: 'User', name: 'ann' }]));
  own.set(binding('own', 'one', [{ kind: 'ServiceAccount', name: 'robot' }], 'a'));
  own.set(binding('scale', 'scales', [{ kind: 'User', name: 'ann' }], 'a'));
  own.set(binding('nothing', 'gone', [{ kind: 'User', name: 'bob' }], 'a'));
  return rbac;
}

function asked(user: string, verb: string, what: string, more: Partial<AccessAttributes> = {}): AccessAttributes {
  const [resource = '', subresource = ''] = what.startsWith('/') ? [] : what.split('/');
  const path = what.startsWith('/') ? what : '';
  const named = { user: { name: user, groups: [] }, verb, resource, subresource, path };
  return { group: '', version: 'v1', namespace: '', name: '', ...named, ...more };
}

const reader = { user: { name: 'x', groups: ['readers'] } };

test.each<[string, AccessAttributes, string]>([
  ['a group gives its members its rights', asked('x', 'list', 'pods', reader), 'allow'],
  [
    'in every namespace where the binding is of the cluster',
    asked('x', 'get', 'pods', { ...reader, namespace: 'b' }),
    'allow',
  ],
  ['of subresources those that are named', asked('x', 'get', 'pods/log', reader), 'allow'],
  ['and no others', asked('x', 'get', 'pods/exec', reader), 'no opinion'],
  ['a verb that is not named is not given', asked('x', 'delete', 'pods', reader), 'no opinion'],
  ['nor another group of the API', asked('x', 'get', 'pods', { ...reader, group: 'apps' }), 'no opinion'],
  ['nor anything to others', asked('x', 'get', 'pods'), 'no opinion'],
  [
    'a name limits a rule',
    asked('system:serviceaccount:a:robot', 'get', 'secrets', { namespace: 'a', name: 'mine' }),
    'allow',
  ],
  [
    'to that object',
    asked('system:serviceaccount:a:robot', 'get', 'secrets', { namespace: 'a', name: 'yours' }),
    'no opinion',
  ],
  [
    'in the namespace of the binding',
    asked('system:serviceaccount:a:robot', 'get', 'secrets', { namespace: 'b', name: 'mine' }),
    'no opinion',
  ],
  [
    'a star before a subresource means it of all',
    asked('ann', 'update', 'deployments/scale', { group: 'apps', namespace: 'a' }),
    'allow',
  ],
  [
    'not the resources themselves',
    asked('ann', 'update', 'deployments', { group: 'apps', namespace: 'a' }),
    'no opinion',
  ],
  ['a path is allowed as it is', asked('ann', 'get', '/healthz'), 'allow'],
  ['or by its beginning', asked('ann', 'get', '/livez/ping'), 'allow'],
  ['and not otherwise', asked('ann', 'get', '/healthz/ping'), 'no opinion'],
])('%s', (_rule, attributes, decision) => {
  expect(authorizer().authorize(attributes).decision).toBe(decision);
});

test('it says by which binding, and which role it did not find', () => {
  const rbac = authorizer();
  expect(rbac.authorize(asked('x', 'get', 'pods', reader)).reason).toBe(
    'RBAC: allowed by ClusterRoleBinding "read" of ClusterRole "reader" to Group "readers"',
  );
  const robot = asked('system:serviceaccount:a:robot', 'get', 'secrets', { namespace: 'a', name: 'mine' });
  expect(rbac.authorize(robot).reason).toBe(
    'RBAC: allowed by RoleBinding "own/a" of ClusterRole "one" to ServiceAccount "robot/a"',
  );
  expect(rbac.authorize(asked('bob', 'get', 'pods', { namespace: 'a' }))).toEqual({
    decision: 'no opinion',
    reason: 'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found',
  });
});

test('what is changed or gone counts no more', () => {
  const rbac = authorizer();
  const may = (): string => rbac.authorize(asked('x', 'get', 'pods', reader)).decision;
  rbac.sinks.clusterrolebindings.set(binding('read', 'reader', [{ kind: 'Group', name: 'others' }]));
  expect(may()).toBe('no opinion');
  rbac.sinks.clusterrolebindings.set(binding('read', 'reader', [{ kind: 'Group', name: 'readers' }]));
  expect(may()).toBe('allow');
  rbac.sinks.clusterroles.remove({ metadata: { name: 'reader' } });
  expect(may()).toBe('no opinion');
  rbac.sinks.clusterrolebindings.remove(binding('read', 'reader', []));
  expect(rbac.authorize(asked('x', 'get', 'pods', reader)).reason).toBeUndefined();
});

test('rules cover others by stars, subresources and names', () => {
  const rules = (...list: readonly object[]) => rulesOf({ rules: list });
  const owned = rules(
    { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods', '*/log'] },
    { verbs: ['*'], apiGroups: ['apps'], resources: ['*'] },
    { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['a'] },
    { verbs: ['get'], nonResourceURLs: ['/api/*'] },
  );
  const missing = (...list: readonly object[]) => describeRules(uncoveredRules(owned, rules(...list)));
  expect(missing({ verbs: ['get'], apiGroups: [''], resources: ['pods', 'pods/log'] })).toEqual([]);
  expect(missing({ verbs: ['delete'], apiGroups: ['apps'], resources: ['deployments/scale'] })).toEqual([]);
  expect(missing({ verbs: ['get', 'watch', 'delete'], apiGroups: [''], resources: ['pods'] })).toEqual([
    '{APIGroups:[""], Resources:["pods"], Verbs:["watch" "delete"]}',
  ]);
  expect(missing({ verbs: ['get'], apiGroups: [''], resources: ['secrets'] })).toEqual([
    '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
  ]);
  expect(missing({ verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['a', 'b'] })).toEqual([
    '{APIGroups:[""], Resources:["secrets"], ResourceNames:["b"], Verbs:["get"]}',
  ]);
  expect(missing({ verbs: ['get'], nonResourceURLs: ['/api/v1', '/apis'] })).toEqual([
    '{NonResourceURLs:["/apis"], Verbs:["get"]}',
  ]);
});
