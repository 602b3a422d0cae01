import { expect, test } from 'vitest';
import { parseRequestInfo } from '../request-info.ts';
import type { UserInfo } from '../user-info.ts';
import { type AuditRule, auditDecider } from './policy.ts';

const pod = '/api/v1/namespaces/blue/pods/web';
const bob: UserInfo = { name: 'bob', groups: ['dev'] };
const nobody: UserInfo = { name: '', groups: [] };

/** Whether a rule with these conditions fits a request. Source of the expectations: apiserver `audit/policy/checker_test.go`. */
function fits(rule: Omit<AuditRule, 'level'>, path: string, user = bob): boolean {
  const decide = auditDecider({ rules: [{ level: 'Metadata', ...rule }] });
  return decide(parseRequestInfo('GET', path, ''), user === nobody ? undefined : user).level === 'Metadata';
}

test.each<[Omit<AuditRule, 'level'>, string, boolean]>([
  [{}, pod, true],
  [{ users: ['bob'] }, pod, true],
  [{ users: ['alice'] }, pod, false],
  [{ userGroups: ['ops', 'dev'] }, pod, true],
  [{ userGroups: ['ops'] }, pod, false],
  [{ verbs: ['get'] }, pod, true],
  [{ verbs: ['list'] }, pod, false],
  [{ namespaces: ['blue'] }, pod, true],
  [{ namespaces: [''] }, pod, false],
  [{ namespaces: [''] }, '/api/v1/nodes/n', true],
  [{ namespaces: [''] }, '/healthz', false],
  [{ resources: [{}] }, pod, true],
  [{ resources: [{}] }, '/apis/apps/v1/deployments', false],
  [{ resources: [{ group: '*' }] }, '/apis/apps/v1/deployments', true],
  [{ resources: [{ resources: ['pods'] }] }, pod, true],
  [{ resources: [{ resources: ['pods'] }] }, `${pod}/log`, false],
  [{ resources: [{ resources: ['pods/log'] }] }, `${pod}/log`, true],
  [{ resources: [{ resources: ['pods/*'] }] }, `${pod}/log`, true],
  [{ resources: [{ resources: ['pods/*'] }] }, pod, true],
  [{ resources: [{ resources: ['*/log'] }] }, `${pod}/log`, true],
  [{ resources: [{ resources: ['*/log'] }] }, pod, false],
  [{ resources: [{ resources: ['*'] }] }, `${pod}/log`, true],
  [{ resources: [{ resources: ['pods'], resourceNames: ['web'] }] }, pod, true],
  [{ resources: [{ resources: ['pods'], resourceNames: ['db'] }] }, pod, false],
  [{ resources: [{ resources: ['pods'] }] }, '/healthz', false],
  [{ nonResourceURLs: ['/healthz*'] }, '/healthz/etcd', true],
  [{ nonResourceURLs: ['/healthz'] }, '/healthz/etcd', false],
  [{ nonResourceURLs: ['*'] }, '/version', true],
  [{ nonResourceURLs: ['*'] }, pod, false],
])('a rule %j fits %s: %s', (rule, path, expected) => {
  expect(fits(rule, path)).toBe(expected);
});

test('who is nobody fits no rule about users or groups', () => {
  expect(fits({ users: ['bob'] }, pod, nobody)).toBe(false);
  expect(fits({ userGroups: ['dev'] }, pod, nobody)).toBe(false);
  expect(fits({}, pod, nobody)).toBe(true);
});

test('the first rule that fits decides, stages that are left out add up, and its word on managed fields counts', () => {
  const decide = auditDecider({
    omitStages: ['RequestReceived'],
    omitManagedFields: true,
    rules: [
      { level: 'Request', verbs: ['get'], omitStages: ['Panic'], omitManagedFields: false },
      { level: 'Metadata', verbs: ['get', 'list'] },
    ],
  });
  expect(decide(parseRequestInfo('GET', pod, ''), bob)).toEqual({
    level: 'Request',
    omitStages: new Set(['RequestReceived', 'Panic']),
    omitManagedFields: false,
  });
  expect(decide(parseRequestInfo('GET', '/api/v1/pods', ''), bob)).toEqual({
    level: 'Metadata',
    omitStages: new Set(['RequestReceived']),
    omitManagedFields: true,
  });
  expect(decide(parseRequestInfo('DELETE', pod, ''), bob).level).toBe('None');
});
