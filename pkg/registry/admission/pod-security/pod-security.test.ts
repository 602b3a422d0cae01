import { beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '#pkg/apiserver/testing/test-server.ts';
import { createStrategies } from '#pkg/registry/table.ts';
import { namespaceLifecyclePlugin } from '../namespace-lifecycle.ts';
import { createPodSecurityPlugin } from './pod-security.ts';
import { parsePolicy, privilegedPolicy, violationsOf } from './policy.ts';

let server: TestServer;
let serial = 0;

const exemptions = { usernames: ['robot'], namespaces: ['exempt'], runtimeClasses: ['sandboxed'] };

beforeAll(async () => {
  const admission = [namespaceLifecyclePlugin, createPodSecurityPlugin({ exemptions })];
  server = await startTestServer({ strategies: createStrategies(), admission });
});

const label = (mode: string): string => `pod-security.kubernetes.io/${mode}`;

function labels(modes: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(modes).map(([mode, value]) => [label(mode), value]));
}

/** A namespace of its own for each test. */
async function makeNamespace(modes: Readonly<Record<string, string>>, name = `ns-${serial++}`): Promise<string> {
  const object = { metadata: { name, labels: labels(modes) } };
  expect((await server.call('POST', '/api/v1/namespaces', { object })).status).toBe(201);
  return name;
}

const container = { name: 'c', image: 'i' };
const plain = { containers: [container] };
const strict = {
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [{ ...container, securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } }],
};

const create = (namespace: string, spec: object, name = `p-${serial++}`) =>
  server.call('POST', `/api/v1/namespaces/${namespace}/pods`, { object: { metadata: { name }, spec } });

const allOfRestricted =
  'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), ' +
  'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), ' +
  'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), ' +
  'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")';

test('a pod that violates what its namespace enforces is refused, and one that keeps to it is not (fault 25)', async () => {
  const namespace = await makeNamespace({ enforce: 'restricted' });
  const refused = await create(namespace, plain, 'p');
  expect([refused.status, refused.body.message]).toEqual([
    403,
    `pods "p" is forbidden: violates PodSecurity "restricted:latest": ${allOfRestricted}`,
  ]);
  expect((await create(namespace, strict)).status).toBe(201);
  expect((await create(await makeNamespace({}), plain)).status).toBe(201);
});

test('what a namespace warns of is a warning, and workloads are only warned of (fault 25)', async () => {
  const namespace = await makeNamespace({ warn: 'restricted', 'warn-version': 'v1.24' });
  const warned = await create(namespace, plain);
  expect([warned.status, warned.headers.warning]).toEqual([
    201,
    expect.stringContaining('would violate PodSecurity \\"restricted:v1.24\\": allowPrivilegeEscalation != false'),
  ]);
  const enforcing = await makeNamespace({ enforce: 'baseline' });
  const template = { metadata: { labels: { a: 'b' } }, spec: { ...plain, hostNetwork: true } };
  const spec = { selector: { matchLabels: { a: 'b' } }, template };
  const path = `/apis/apps/v1/namespaces/${enforcing}/deployments`;
  const deployment = await server.call('POST', path, { object: { metadata: { name: 'd' }, spec } });
  expect([deployment.status, deployment.headers.warning]).toEqual([
    201,
    expect.stringContaining('would violate PodSecurity \\"baseline:latest\\": host namespaces (hostNetwork=true)'),
  ]);
  const job = { template: { spec: { ...plain, hostPID: true, restartPolicy: 'Never' } } };
  const cron = { schedule: '@daily', jobTemplate: { spec: job } };
  const made = await server.call('POST', `/apis/batch/v1/namespaces/${enforcing}/cronjobs`, {
    object: { metadata: { name: 'c' }, spec: cron },
  });
  expect(made.headers.warning).toContain('host namespaces (hostPID=true)');
});

test.each([
  ['enforce', 'strict', 'must be one of privileged, baseline, restricted'],
  ['audit', '', 'must be one of privileged, baseline, restricted'],
  ['warn-version', '1.24', 'must be "latest" or "v1.x"'],
  ['enforce-version', 'v1.024', 'must be "latest" or "v1.x"'],
])('a namespace whose label %s is %j is refused, new or changed (fault 25)', async (mode, value, why) => {
  const message = `metadata.labels[${label(mode)}]: Invalid value: ${JSON.stringify(value)}: ${why}`;
  const object = { metadata: { name: 'wrong', labels: labels({ [mode]: value }) } };
  const refused = await server.call('POST', '/api/v1/namespaces', { object });
  expect([refused.status, refused.body.message]).toEqual([422, `Namespace "wrong" is invalid: ${message}`]);
  const namespace = await makeNamespace({});
  const changed = await server.call('PUT', `/api/v1/namespaces/${namespace}`, {
    object: { metadata: { name: namespace, labels: labels({ [mode]: value }) } },
  });
  expect(changed.status).toBe(422);
});

test('a stricter level warns of the pods that are there, and refuses none of them (fault 25)', async () => {
  const namespace = await makeNamespace({});
  for (const name of ['b', 'a', 'd']) await create(namespace, plain, name);
  await create(namespace, strict, 'c');
  await create(namespace, { ...plain, hostIPC: true }, 'e');
  const update = (modes: Readonly<Record<string, string>>) =>
    server.call('PUT', `/api/v1/namespaces/${namespace}`, {
      object: { metadata: { name: namespace, labels: labels(modes) } },
    });
  const { status, headers } = await update({ enforce: 'restricted' });
  const all = 'allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile';
  expect([status, headers.warning?.split(', 299').map((text) => text.replace(/^(299)? - "(.*)"$/, '$2'))]).toEqual([
    200,
    [
      `existing pods in namespace \\"${namespace}\\" violate the new PodSecurity enforce level \\"restricted:latest\\"`,
      `a (and 2 other pods): ${all}`,
      `e: host namespaces, ${all}`,
    ],
  ]);
  expect((await update({ enforce: 'baseline' })).headers.warning).toBeUndefined();
  expect((await update({})).headers.warning).toBeUndefined();
});

test('exempt namespaces, users and runtime classes are not looked at (fault 25)', async () => {
  const made = await server.call('POST', '/api/v1/namespaces', {
    object: { metadata: { name: 'exempt', labels: labels({ enforce: 'restricted' }) } },
  });
  expect(made.headers.warning).toContain(
    'namespace \\"exempt\\" is exempt from Pod Security, and the policy (enforce=restricted:latest) will be ignored',
  );
  expect((await create('exempt', { ...plain, hostNetwork: true })).status).toBe(201);
  const namespace = await makeNamespace({ enforce: 'restricted' });
  expect((await create(namespace, { ...plain, runtimeClassName: 'sandboxed' })).status).toBe(201);
  const headers = { 'impersonate-user': 'robot' };
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const object = { metadata: { name: 'by-robot' }, spec: plain };
  expect((await server.call('POST', path, { object, headers })).status).toBe(201);
});

test('a change of a pod is looked at when it is one of its images, or a container more (fault 25)', async () => {
  const namespace = await makeNamespace({});
  await create(namespace, plain, 'p');
  await server.call('PUT', `/api/v1/namespaces/${namespace}`, {
    object: { metadata: { name: namespace, labels: labels({ enforce: 'restricted' }) } },
  });
  const patch = (body: object, subresource = '') =>
    server.call('PATCH', `/api/v1/namespaces/${namespace}/pods/p${subresource}`, {
      headers: { 'content-type': 'application/strategic-merge-patch+json' },
      text: JSON.stringify(body),
    });
  expect((await patch({ metadata: { labels: { x: 'y' } } })).status).toBe(200);
  expect((await patch({ spec: { containers: [{ name: 'c', image: 'other' }] } })).status).toBe(403);
  const debug = { spec: { ephemeralContainers: [{ name: 'e', image: 'i' }] } };
  expect((await patch(debug, '/ephemeralcontainers')).status).toBe(403);
});

const inContainer = (securityContext: object): object => ({ containers: [{ ...container, securityContext }] });

test.each<[string, object, string]>([
  ['latest', { hostNetwork: true, hostPID: true }, 'host namespaces: hostNetwork=true, hostPID=true'],
  [
    'latest',
    inContainer({ privileged: true }),
    'privileged: container "c" must not set securityContext.privileged=true',
  ],
  [
    'latest',
    inContainer({ capabilities: { add: ['SYS_ADMIN', 'CHOWN', 'NET_RAW'] } }),
    'non-default capabilities: container "c" must not include "NET_RAW", "SYS_ADMIN" in securityContext.capabilities.add',
  ],
  ['latest', { volumes: [{ name: 'v', hostPath: { path: '/' } }] }, 'hostPath volumes: volume "v"'],
  [
    'latest',
    {
      containers: [
        { name: 'a', ports: [{ hostPort: 80 }] },
        { name: 'b', ports: [{ hostPort: 443 }] },
      ],
    },
    'hostPort: containers "a", "b" use hostPorts 443, 80',
  ],
  [
    'latest',
    { containers: [{ name: 'a', livenessProbe: { httpGet: { host: '10.0.0.1' } } }] },
    'probe or lifecycle host: container "a" uses probe or lifecycle host "10.0.0.1"',
  ],
  ['v1.33', { containers: [{ name: 'a', livenessProbe: { httpGet: { host: '10.0.0.1' } } }] }, ''],
  [
    'latest',
    inContainer({ procMount: 'Unmasked' }),
    'procMount: container "c" must not set securityContext.procMount to "Unmasked"',
  ],
  ['latest', { ...inContainer({ procMount: 'Unmasked' }), hostUsers: false }, ''],
  [
    'v1.34',
    { ...inContainer({ procMount: 'Unmasked' }), hostUsers: false },
    'procMount: container "c" must not set securityContext.procMount to "Unmasked"',
  ],
  [
    'latest',
    {
      securityContext: { seLinuxOptions: { type: 'spc_t', user: 'u' } },
      ...inContainer({ seLinuxOptions: { role: 'r' } }),
    },
    'seLinuxOptions: pod and container "c" set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set; role may not be set',
  ],
  [
    'v1.30',
    { securityContext: { seLinuxOptions: { type: 'container_engine_t' } } },
    'seLinuxOptions: pod set forbidden securityContext.seLinuxOptions: type "container_engine_t"',
  ],
  ['v1.31', { securityContext: { seLinuxOptions: { type: 'container_engine_t' } } }, ''],
  [
    'latest',
    { securityContext: { seccompProfile: { type: 'Unconfined' } } },
    'seccompProfile: pod must not set securityContext.seccompProfile.type to "Unconfined"',
  ],
  [
    'latest',
    inContainer({ appArmorProfile: { type: 'Unconfined' } }),
    'forbidden AppArmor profile: container "c" must not set AppArmor profile type to "Unconfined"',
  ],
  [
    'latest',
    { securityContext: { sysctls: [{ name: 'kernel.msgmax' }, { name: 'net.ipv4.tcp_rmem' }] } },
    'forbidden sysctls: kernel.msgmax',
  ],
  ['v1.31', { securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem' }] } }, 'forbidden sysctls: net.ipv4.tcp_rmem'],
  [
    'latest',
    { securityContext: { windowsOptions: { hostProcess: true } } },
    'hostProcess: pod must not set securityContext.windowsOptions.hostProcess=true',
  ],
  ['latest', strict, ''],
])('the baseline of %s of %j (fault 25)', (version, spec, expected) => {
  const violations = violationsOf({ level: 'baseline', version }, { annotations: {}, spec });
  expect(violations.map(({ reason, detail }) => `${reason}: ${detail}`).join()).toBe(expected);
});

const changed = (change: object): object => ({ ...strict, ...change });

test.each<[string, object, string]>([
  ['latest', strict, ''],
  [
    'latest',
    changed({
      volumes: [{ name: 'a', nfs: {} }, { name: 'b', hostPath: {} }, { name: 'c', emptyDir: {} }, { name: 'd' }],
    }),
    'restricted volume types: volumes "a", "b", "d" use restricted volume types "hostPath", "nfs", "unknown"',
  ],
  [
    'latest',
    changed({ securityContext: { ...strict.securityContext, runAsUser: 0 } }),
    'runAsUser=0: pod must not set runAsUser=0',
  ],
  ['v1.22', changed({ securityContext: { ...strict.securityContext, runAsUser: 0 } }), ''],
  [
    'latest',
    changed({ securityContext: { ...strict.securityContext, runAsNonRoot: false } }),
    'runAsNonRoot != true: pod must not set securityContext.runAsNonRoot=false',
  ],
  [
    'latest',
    changed({
      containers: [
        {
          ...container,
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE', 'CHOWN'] },
          },
        },
      ],
    }),
    'unrestricted capabilities: container "c" must not include "CHOWN" in securityContext.capabilities.add',
  ],
  ['v1.7', changed({ containers: [container] }), ''],
  ['latest', { os: { name: 'windows' }, securityContext: { runAsNonRoot: true }, containers: [container] }, ''],
  [
    'latest',
    changed({ hostUsers: false, ...inContainer({ ...strict.containers[0]!.securityContext, procMount: 'Unmasked' }) }),
    'procMount: container "c" must not set securityContext.procMount to "Unmasked"',
  ],
])('the restricted level of %s of %j (fault 25)', (version, spec, expected) => {
  const violations = violationsOf({ level: 'restricted', version }, { annotations: {}, spec });
  expect(violations.map(({ reason, detail }) => `${reason}: ${detail}`).join()).toBe(expected);
});

test('whoever enforces a level warns of it too, unless the labels say otherwise; what cannot be read is enforced strictly', () => {
  const levelsOf = (modes: Readonly<Record<string, string>>) => {
    const { enforce, audit, warn } = parsePolicy(labels(modes), privilegedPolicy).policy;
    return [enforce, audit, warn].map(({ level, version }) => `${level}:${version}`);
  };
  const none = 'privileged:latest';
  expect(levelsOf({})).toEqual([none, none, none]);
  expect(levelsOf({ enforce: 'baseline', 'enforce-version': 'v1.20' })).toEqual([
    'baseline:v1.20',
    none,
    'baseline:v1.20',
  ]);
  expect(levelsOf({ enforce: 'baseline', warn: 'privileged' })).toEqual(['baseline:latest', none, none]);
  expect(levelsOf({ enforce: 'x', audit: 'x', warn: 'x' })).toEqual(['restricted:latest', none, none]);
});
