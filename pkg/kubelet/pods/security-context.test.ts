import { expect, test } from 'vitest';
import type { Container, Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { unenforced, unmetWishes } from '../runtime/requirements.ts';
import { makeContainerConfig, makeSandboxConfig } from '../testing/configs.ts';
import { namespacesOf, rootProblem, securityContextOf } from './security-context.ts';

const app: Container = { name: 'app', image: 'a' };
const podOf = (spec: Partial<PodSpec>): Pod => ({
  metadata: { name: 'p', namespace: 'd', uid: 'u' },
  spec: { containers: [app], ...spec },
});

test("a container's own context comes before its pod's", () => {
  const pod = podOf({
    securityContext: { runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000, supplementalGroups: [4000] },
  });
  const securityContext = { runAsUser: 7, capabilities: { add: ['CAP_NET_ADMIN'], drop: ['all'] } };
  expect(securityContextOf(pod, { ...app, securityContext })).toEqual({
    runAsUser: 7,
    runAsGroup: 3000,
    supplementalGroups: [4000, 2000],
    addCapabilities: ['NET_ADMIN'],
    dropCapabilities: ['ALL'],
  });
});

const where = '(pod: "p_d(u)", container: app)';
test.each([
  [
    'root by the pod',
    { runAsNonRoot: true, runAsUser: 0 },
    { uid: 5 },
    `container's runAsUser breaks non-root policy ${where}`,
  ],
  [
    'root by the image',
    { runAsNonRoot: true },
    { uid: 0 },
    `container has runAsNonRoot and image will run as root ${where}`,
  ],
  [
    'a name',
    { runAsNonRoot: true },
    { name: 'app' },
    `container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root ${where}`,
  ],
  ['another by the pod', { runAsNonRoot: true, runAsUser: 5 }, { uid: 0 }, undefined],
  ['another by the image', { runAsNonRoot: true }, { uid: 5 }, undefined],
  ['root where that is allowed', { runAsNonRoot: false }, { uid: 0 }, undefined],
] as const)('nobody is root where nobody may be: %s (fault 35)', (_name, securityContext, user, problem) => {
  expect(rootProblem(podOf({ securityContext }), app, { user })).toBe(problem);
});

const none = { name: 'plain', version: '1', features: new Set<never>(), identity: { uid: 1000, gid: 1000 } };
test.each<[string, Partial<PodSpec>, Partial<Container>, readonly string[]]>([
  ['nothing', {}, {}, []],
  ['who it is anyway', { securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 } }, {}, []],
  ['another user', { securityContext: { runAsUser: 0 } }, {}, ['runAsUser 0']],
  ['other groups', { securityContext: { fsGroup: 5 } }, {}, ['supplementalGroups and fsGroup 5']],
  ['a read-only root', {}, { securityContext: { readOnlyRootFilesystem: true } }, ['readOnlyRootFilesystem']],
  ['all rights', {}, { securityContext: { privileged: true } }, ['privileged']],
  ['more rights', {}, { securityContext: { capabilities: { add: ['NET_ADMIN'] } } }, ['capabilities.add']],
  ['fewer rights than none', {}, { securityContext: { capabilities: { drop: ['ALL'] } } }, []],
  ["the runtime's profile", { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } }, {}, []],
  [
    'a profile of its own',
    { securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'p.json' } } },
    {},
    ['seccompProfile'],
  ],
  ['no profile', { securityContext: { seccompProfile: { type: 'Unconfined' } } }, {}, []],
  ['users of its own', { hostUsers: false }, {}, ['hostUsers: false']],
  ["the node's processes", { hostPID: true, hostIPC: true }, {}, []],
])('what a runtime cannot do is named: %s (fault 35)', (_name, spec, fields, unmet) => {
  const pod = podOf(spec);
  const sandbox = makeSandboxConfig({ namespaces: namespacesOf(pod) });
  const container = makeContainerConfig({ image: 'a', security: securityContextOf(pod, { ...app, ...fields }) });
  expect(unmetWishes({ sandbox, container }, none)).toEqual(unmet);
});

test('root cannot drop rights that its runtime would not take from it (fault 35)', () => {
  const security = securityContextOf(podOf({}), { ...app, securityContext: { capabilities: { drop: ['ALL'] } } });
  const wishes = { sandbox: makeSandboxConfig({}), container: makeContainerConfig({ image: 'a', security }) };
  expect(unmetWishes(wishes, { ...none, identity: { uid: 0, gid: 0 } })).toEqual(['capabilities.drop']);
});

test('limits and escalation that are left to the node are named and not refused', () => {
  const security = securityContextOf(podOf({}), { ...app, securityContext: { allowPrivilegeEscalation: false } });
  const container = makeContainerConfig({ image: 'a', security, resources: { cpuQuotaUs: 1_000 } });
  expect(unmetWishes({ sandbox: makeSandboxConfig({}), container }, none)).toEqual([]);
  expect(unenforced(container, none)).toEqual(['limits.cpu', 'allowPrivilegeEscalation: false']);
});
