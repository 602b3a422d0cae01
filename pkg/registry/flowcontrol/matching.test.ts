import { expect, test } from 'vitest';
import type { FlowSchema, PolicyRulesWithSubjects, Subject } from '#pkg/api/types/flowcontrol-v1.ts';
import { parseRequestInfo } from '#pkg/apiserver/request-info.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import { matcherFor } from './matching.ts';

const everybody: Subject = { kind: 'Group', group: { name: '*' } };
const ann: UserInfo = { name: 'ann', groups: ['devs', 'system:authenticated'] };

function matches(rule: Omit<PolicyRulesWithSubjects, 'subjects'>, method: string, path: string): boolean {
  const schema: FlowSchema = {
    spec: { priorityLevelConfiguration: { name: 'x' }, rules: [{ subjects: [everybody], ...rule }] },
  };
  return matcherFor(schema, ann)?.(parseRequestInfo(method, path, '')) === true;
}

// Source: apiserver `util/flowcontrol/rule.go`.
test.each<[subject: Subject, user: string, groups: string[], isMeant: boolean]>([
  [{ kind: 'User', user: { name: 'ann' } }, 'ann', [], true],
  [{ kind: 'User', user: { name: '*' } }, 'ann', [], true],
  [{ kind: 'User', user: { name: 'bob' } }, 'ann', [], false],
  [{ kind: 'Group', group: { name: 'devs' } }, 'ann', ['devs'], true],
  [{ kind: 'Group', group: { name: 'ops' } }, 'ann', ['devs'], false],
  [{ kind: 'Group', group: { name: '*' } }, 'ann', [], true],
  [{ kind: 'ServiceAccount', serviceAccount: { namespace: 'a', name: '*' } }, 'system:serviceaccount:a:b', [], true],
  [{ kind: 'ServiceAccount', serviceAccount: { namespace: 'a', name: 'b' } }, 'system:serviceaccount:a:b', [], true],
  [{ kind: 'ServiceAccount', serviceAccount: { namespace: 'a', name: 'c' } }, 'system:serviceaccount:a:b', [], false],
  [{ kind: 'ServiceAccount', serviceAccount: { namespace: 'a', name: '*' } }, 'system:serviceaccount:aa:b', [], false],
  [{ kind: 'User' }, 'ann', [], false],
])('%j means the user %s of %j: %s', (subject, name, groups, isMeant) => {
  const rules = [{ subjects: [subject], nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }] }];
  const schema: FlowSchema = { spec: { priorityLevelConfiguration: { name: 'x' }, rules } };
  expect(matcherFor(schema, { name, groups })?.(parseRequestInfo('GET', '/version', '')) === true).toBe(isMeant);
});

test.each<[rule: object, method: string, path: string, isMeant: boolean]>([
  [{ namespaces: ['*'] }, 'GET', '/api/v1/namespaces/a/pods/p', true],
  [{ namespaces: ['*'] }, 'GET', '/api/v1/nodes/n', false],
  [{ namespaces: [], clusterScope: true }, 'GET', '/api/v1/nodes/n', true],
  [{ namespaces: ['b'] }, 'GET', '/api/v1/namespaces/a/pods/p', false],
  [{ namespaces: ['*'], verbs: ['list'] }, 'GET', '/api/v1/namespaces/a/pods/p', false],
  [{ namespaces: ['*'], resources: ['pods'] }, 'GET', '/api/v1/namespaces/a/pods/p/log', false],
  [{ namespaces: ['*'], resources: ['pods/log'] }, 'GET', '/api/v1/namespaces/a/pods/p/log', true],
  [{ namespaces: ['*'], apiGroups: ['apps'] }, 'GET', '/api/v1/namespaces/a/pods/p', false],
  [{ namespaces: ['*'] }, 'GET', '/version', false],
])('the rule %j means %s %s: %s', (rule, method, path, isMeant) => {
  const resourceRule = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], ...rule };
  expect(matches({ resourceRules: [resourceRule] }, method, path)).toBe(isMeant);
});

test.each([
  ['/healthz', '/healthz', true],
  ['/healthz', '/healthz/ping', true],
  ['/healthz', '/healthzz', false],
  ['/healthz/*', '/healthz/ping', true],
  ['/healthz/*', '/healthz', false],
  ['*', '/anything', true],
])('the path %s means %s: %s', (rule, path, isMeant) => {
  expect(matches({ nonResourceRules: [{ verbs: ['get'], nonResourceURLs: [rule] }] }, 'GET', path)).toBe(isMeant);
});
