/** Admission plugins as flags and files of the API server say them: what is refused before anything starts, and what runs then. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import type { CallWebhook } from '#pkg/registry/remote/call-webhook.ts';
import { type AdmissionSettings, admissionSettings } from './admission-flags.ts';
import { serverFlagValues } from './server-flags.ts';
import { startUsersApi, type UserAnswer, type UsersApi } from './testing-users.ts';

let users: UsersApi | undefined;
afterEach(async () => {
  await users?.stop();
  users = undefined;
});

const group = 'apiserver.config.k8s.io';

/** What `--admission-control-config-file` names: these plugins by these configurations, beside these files. */
function settings(
  plugins: Readonly<Record<string, unknown>> | readonly object[],
  flags: Readonly<Record<string, string>> = {},
  files: Readonly<Record<string, string>> = {},
): Promise<AdmissionSettings> {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-admission-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const path = join(folder, 'admission.yaml');
  const list = Array.isArray(plugins)
    ? plugins
    : Object.entries(plugins).map(([name, configuration]) => ({ name, configuration }));
  writeFileSync(path, JSON.stringify({ apiVersion: `${group}/v1`, kind: 'AdmissionConfiguration', plugins: list }));
  const set = { 'admission-control-config-file': path, ...flags };
  return admissionSettings(serverFlagValues({ 'kube-apiserver': set }));
}

/** A server with these, in which every namespace has what a pod needs. */
async function serverWith(admission: AdmissionSettings, callWebhook?: CallWebhook): Promise<UsersApi> {
  const calls = callWebhook === undefined ? {} : { callWebhook };
  const made = await startUsersApi({ admissionSettings: { ...admission, disabled: ['ServiceAccount'] }, ...calls });
  users = made;
  return made;
}

const enabled = (name: string): Readonly<Record<string, string>> => ({ 'enable-admission-plugins': name });
const podsOf = (namespace: string): string => `/api/v1/namespaces/${namespace}/pods`;
const pod = (spec: object = {}, metadata: object = { name: 'p' }): { object: object } => ({
  object: { metadata, spec: { containers: [{ name: 'c', image: 'i' }], ...spec } },
});
const said = ({ status, body }: UserAnswer): readonly unknown[] => [status, body.message];
const namespace = (name: string, annotations: object = {}): { object: object } => ({
  object: { metadata: { name, annotations } },
});

const podSecurity = (more: object): object => ({
  apiVersion: 'pod-security.admission.config.k8s.io/v1',
  kind: 'PodSecurityConfiguration',
  ...more,
});
const quota = (more: object): object => ({ apiVersion: `${group}/v1`, kind: 'ResourceQuotaConfiguration', ...more });
const events = (more: object): object => ({
  apiVersion: 'eventratelimit.admission.k8s.io/v1alpha1',
  kind: 'Configuration',
  ...more,
});
const tolerations = (more: object): object => ({
  apiVersion: 'podtolerationrestriction.admission.k8s.io/v1alpha1',
  kind: 'Configuration',
  ...more,
});

test('defaults and exemptions of PodSecurity hold where labels say nothing', async () => {
  const { admin, make } = await serverWith(
    await settings({
      PodSecurity: podSecurity({ defaults: { enforce: 'baseline' }, exemptions: { namespaces: ['kube-system'] } }),
    }),
  );
  await make('/api/v1/namespaces', {
    metadata: { name: 'open', labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } },
  });
  const host = pod({ hostNetwork: true });
  expect(said(await admin('POST', podsOf('default'), host))).toEqual([
    403,
    'pods "p" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)',
  ]);
  expect((await admin('POST', podsOf('default'), pod())).status).toBe(201);
  for (const other of ['kube-system', 'open']) expect((await admin('POST', podsOf(other), host)).status).toBe(201);
});

test('what is limited may be used only where a quota covers it', async () => {
  const { admin, make } = await serverWith(
    await settings({
      ResourceQuota: quota({
        limitedResources: [
          { resource: 'persistentvolumeclaims', matchContains: ['gold.storageclass.storage.k8s.io/'] },
          { resource: 'pods', matchScopes: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] },
        ],
      }),
    }),
  );
  await make('/apis/scheduling.k8s.io/v1/priorityclasses', { metadata: { name: 'high' }, ...{ value: 10 } });
  const claim = (name: string, storageClassName: string): { object: object } => ({
    object: {
      metadata: { name },
      spec: { storageClassName, accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    },
  });
  const claims = '/api/v1/namespaces/default/persistentvolumeclaims';
  expect((await admin('POST', claims, claim('plain', 'silver'))).status).toBe(201);
  const golden = 'gold.storageclass.storage.k8s.io/';
  expect(said(await admin('POST', claims, claim('fine', 'gold')))).toEqual([
    403,
    `persistentvolumeclaims "fine" is forbidden: insufficient quota to consume: ${golden}persistentvolumeclaims,${golden}requests.storage`,
  ]);
  const high = pod({ priorityClassName: 'high' });
  expect((await admin('POST', podsOf('default'), pod())).status).toBe(201);
  expect(said(await admin('POST', podsOf('default'), high))).toEqual([
    500,
    'insufficient quota to match these scopes: [{PriorityClass In [high]}]',
  ]);
  const hard = { [`${golden}persistentvolumeclaims`]: '1', [`${golden}requests.storage`]: '10Gi' };
  const used = { [`${golden}persistentvolumeclaims`]: '0', [`${golden}requests.storage`]: '0' };
  const scope = { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] };
  const quotas = '/api/v1/namespaces/default/resourcequotas';
  const specs = { gold: { hard }, high: { hard: { pods: '5' }, scopeSelector: scope } };
  for (const [name, spec] of Object.entries(specs)) {
    await make(quotas, { metadata: { name }, ...{ spec } });
    const status = { hard: spec.hard, used: name === 'gold' ? used : { pods: '0' } };
    await admin('PATCH', `${quotas}/${name}/status`, {
      object: { status },
      headers: { 'content-type': 'application/merge-patch+json' },
    });
  }
  expect((await admin('POST', claims, claim('fine', 'gold'))).status).toBe(201);
  expect((await admin('POST', podsOf('default'), pod({ priorityClassName: 'high' }, { name: 'h' }))).status).toBe(201);
});

test('a namespace that is not there is made with NamespaceAutoProvision', async () => {
  const { admin } = await serverWith(await settings({}, enabled('NamespaceAutoProvision,NamespaceExists')));
  const dry = await admin('POST', `${podsOf('soon')}?dryRun=All`, pod());
  expect(said(dry)).toEqual([404, 'namespaces "soon" not found']);
  expect((await admin('POST', podsOf('soon'), pod())).status).toBe(201);
  expect((await admin('GET', '/api/v1/namespaces/soon')).body.status).toEqual({ phase: 'Active' });
  expect(said(await admin('DELETE', `${podsOf('never')}/p`))[0]).toBe(404);
});

test('pods are kept to the nodes of their namespace with PodNodeSelector', async () => {
  const podNodeSelectorPluginConfig = { clusterDefaultNodeSelector: 'tier=front', west: 'region=west,tier=front' };
  const { admin } = await serverWith(
    await settings({ PodNodeSelector: { podNodeSelectorPluginConfig } }, enabled('PodNodeSelector')),
  );
  const annotation = { 'scheduler.alpha.kubernetes.io/node-selector': 'region=east' };
  for (const one of [namespace('east', annotation), namespace('west')]) await admin('POST', '/api/v1/namespaces', one);
  const selected = async (within: string, nodeSelector: object): Promise<unknown> => {
    const answer = await admin('POST', podsOf(within), pod({ nodeSelector }, { generateName: 'p-' }));
    return answer.status === 201 ? answer.body.spec.nodeSelector : answer.body.message;
  };
  expect(await selected('default', { disk: 'fast' })).toEqual({ tier: 'front', disk: 'fast' });
  expect(await selected('east', {})).toEqual({ region: 'east' });
  expect(await selected('east', { region: 'west' })).toContain(
    'pod node label selector conflicts with its namespace node label selector',
  );
  expect(await selected('west', { region: 'west' })).toEqual({ region: 'west', tier: 'front' });
  expect(await selected('west', { disk: 'fast' })).toContain(
    'pod node label selector labels conflict with its namespace whitelist',
  );
});

test('pods have the tolerations of their namespace, and only those with PodTolerationRestriction', async () => {
  const dedicated = { key: 'dedicated', operator: 'Equal', value: 'front', effect: 'NoSchedule' };
  const whitelist = [
    dedicated,
    ...['not-ready', 'unreachable', 'memory-pressure'].map((name) => ({
      key: `node.kubernetes.io/${name}`,
      operator: 'Exists',
    })),
  ];
  const { admin } = await serverWith(
    await settings(
      { PodTolerationRestriction: tolerations({ default: [dedicated], whitelist }) },
      enabled('PodTolerationRestriction'),
    ),
  );
  const made = await admin('POST', podsOf('default'), pod());
  expect(made.body.spec.tolerations).toContainEqual(dedicated);
  const other = { key: 'gpu', operator: 'Exists' };
  expect(said(await admin('POST', podsOf('default'), pod({ tolerations: [other] }, { name: 'q' })))).toEqual([
    500,
    'pod tolerations (possibly merged with namespace default tolerations) conflict with its cluster whitelist',
  ]);
  const own = { 'scheduler.alpha.kubernetes.io/tolerationsWhitelist': '[]' };
  await admin('POST', '/api/v1/namespaces', namespace('free', own));
  const free = await admin('POST', podsOf('free'), pod({ tolerations: [other] }));
  expect([free.status, free.body.spec.tolerations]).toEqual([201, expect.arrayContaining([other, dedicated])]);
});

test('events beyond the rate are refused, and pass again when time has', async () => {
  const limits = [
    { type: 'Namespace', qps: 1, burst: 2 },
    { type: 'User', qps: 10, burst: 20 },
  ];
  const { admin, clock } = await serverWith(
    await settings({ EventRateLimit: events({ limits }) }, enabled('EventRateLimit')),
  );
  const event = async (within: string, query = ''): Promise<readonly unknown[]> =>
    said(
      await admin('POST', `/api/v1/namespaces/${within}/events${query}`, {
        object: {
          metadata: { generateName: 'e-' },
          involvedObject: { namespace: within },
          reason: 'R',
          type: 'Normal',
        },
      }),
    );
  expect([await event('default'), await event('default', '?dryRun=All'), await event('default')]).toEqual(
    Array(3).fill([201, undefined]),
  );
  expect(await event('default')).toEqual([429, 'Too many requests: limit reached on type Namespace for key default']);
  expect(await event('kube-system')).toEqual([201, undefined]);
  await clock.advance(1_000);
  expect(await event('default')).toEqual([201, undefined]);
});

test('images are asked for anew with AlwaysPullImages', async () => {
  const { admin } = await serverWith(await settings({}, enabled('AlwaysPullImages')));
  const own = { containers: [{ name: 'c', image: 'i:1', imagePullPolicy: 'Never' }] };
  const made = await admin('POST', podsOf('default'), pod({ ...own, initContainers: [{ name: 'd', image: 'i:1' }] }));
  const { containers, initContainers } = made.body.spec;
  expect([...containers, ...initContainers].map(({ imagePullPolicy }) => imagePullPolicy)).toEqual([
    'Always',
    'Always',
  ]);
});

test('what pods and Services may not say is refused', async () => {
  const names = 'LimitPodHardAntiAffinityTopology,DenyServiceExternalIPs,ExtendedResourceToleration';
  const { admin } = await serverWith(await settings({}, enabled(names)));
  const term = { topologyKey: 'topology.kubernetes.io/zone', labelSelector: {} };
  const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
  expect(said(await admin('POST', podsOf('default'), pod({ affinity })))).toEqual([
    403,
    'pods "p" is forbidden: affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey topology.kubernetes.io/zone but only key kubernetes.io/hostname is allowed',
  ]);
  const services = '/api/v1/namespaces/default/services';
  const service = (externalIPs: readonly string[]): { object: object } => ({
    object: { metadata: { name: 's' }, spec: { ports: [{ port: 80 }], externalIPs } },
  });
  expect(said(await admin('POST', services, service(['10.1.1.1'])))).toEqual([
    403,
    'services "s" is forbidden: Use of external IPs is denied by admission control',
  ]);
  expect((await admin('POST', services, service([]))).status).toBe(201);
  const resources = { limits: { 'example.com/gpu': '1' }, requests: { 'example.com/gpu': '1', cpu: '1' } };
  const made = await admin('POST', podsOf('default'), pod({ containers: [{ name: 'c', image: 'i', resources }] }));
  expect(made.body.spec.tolerations).toContainEqual({
    key: 'example.com/gpu',
    operator: 'Exists',
    effect: 'NoSchedule',
  });
});

test('owners are changed by who may delete, and kept from going by who may finalize them', async () => {
  const { admin, as, make } = await serverWith(await settings({}, enabled('OwnerReferencesPermissionEnforcement')));
  const rules = [
    { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'create', 'update', 'patch'] },
    { apiGroups: ['apps'], resources: ['deployments/finalizers'], verbs: ['update'], resourceNames: ['mine'] },
  ];
  const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default';
  await make(`${rbac}/roles`, { metadata: { name: 'writer' }, ...{ rules } });
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'writer' };
  const subjects = [{ kind: 'User', name: 'jane', apiGroup: 'rbac.authorization.k8s.io' }];
  await make(`${rbac}/rolebindings`, { metadata: { name: 'writer' }, ...{ roleRef, subjects } });
  const jane = as('jane');
  const maps = '/api/v1/namespaces/default/configmaps';
  const owner = (name: string, more: object = {}): object => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    name,
    uid: name,
    ...more,
  });
  const map = (name: string, ...ownerReferences: readonly object[]): { object: object } => ({
    object: { metadata: { name, ownerReferences } },
  });
  const blocking = { blockOwnerDeletion: true };
  expect((await jane('POST', maps, map('a', owner('other')))).status).toBe(201);
  expect(said(await jane('PUT', `${maps}/a`, map('a', owner('another'))))).toEqual([
    403,
    `configmaps "a" is forbidden: cannot set an ownerRef on a resource you can't delete: , <nil>`,
  ]);
  expect((await jane('POST', maps, map('b', owner('mine', blocking)))).status).toBe(201);
  expect(said(await jane('POST', maps, map('c', owner('other', blocking))))).toEqual([
    403,
    `configmaps "c" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>`,
  ]);
  expect(said(await jane('POST', maps, map('d', { ...owner('x', blocking), kind: 'Nothing' })))).toEqual([
    403,
    `configmaps "d" is forbidden: cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion apps/v1 Kind Nothing: no matches for kind "Nothing" in version "apps/v1"`,
  ]);
  expect((await admin('PUT', `${maps}/a`, map('a', owner('other', blocking)))).status).toBe(200);
});

test('a server of somebody else’s says which images pods may have', async () => {
  const asked: object[] = [];
  const callWebhook: CallWebhook = async ({ body }) => {
    const review = JSON.parse(body);
    asked.push(review.spec);
    const isGood = review.spec.containers.every(({ image }: { image: string }) => image.startsWith('good/'));
    const status = isGood ? { allowed: true } : { allowed: false, reason: 'not of ours' };
    return { status: 200, text: JSON.stringify({ ...review, status }) };
  };
  const server = {
    'certificate-authority-data': Buffer.from('-').toString('base64'),
    server: 'https://images.example.com',
  };
  const kubeconfig = {
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: server }],
    users: [{ name: 'u', user: { token: 't' } }],
  };
  const { admin } = await serverWith(
    await settings([{ name: 'ImagePolicyWebhook', path: 'policy.yaml' }], enabled('ImagePolicyWebhook'), {
      'policy.yaml': 'imagePolicy: {kubeConfigFile: images.kubeconfig}',
      'images.kubeconfig': JSON.stringify(kubeconfig),
    }),
    callWebhook,
  );
  const of = (name: string, image: string): { object: object } =>
    pod({ containers: [{ name: 'c', image }] }, { name, annotations: { 'x.image-policy.k8s.io/why': 'y', z: 'z' } });
  expect((await admin('POST', podsOf('default'), of('a', 'good/i'))).status).toBe(201);
  expect((await admin('POST', podsOf('default'), of('b', 'good/i'))).status).toBe(201);
  expect(said(await admin('POST', podsOf('default'), of('c', 'bad/i')))).toEqual([
    403,
    'pods "c" is forbidden: image policy webhook backend denied one or more images: not of ours',
  ]);
  const spec = (image: string): object => ({
    ...{ containers: [{ image }], annotations: { 'x.image-policy.k8s.io/why': 'y' }, namespace: 'default' },
  });
  expect(asked).toEqual([spec('good/i'), spec('bad/i')]);
});

test.each<[readonly object[], Readonly<Record<string, string>>, string]>([
  [[{ name: 'Teleport' }], {}, 'plugins[0].name: Unsupported value: "Teleport": supported values: '],
  [[{ name: 'LimitRanger' }], {}, 'plugins[0].name: Unsupported value: "LimitRanger"'],
  [[{}], {}, 'plugins[0].name: Required value'],
  [[{ name: 'PodSecurity' }, { name: 'PodSecurity' }], {}, 'plugins[1].name: Duplicate value: "PodSecurity"'],
  [[{ name: 'PodSecurity', path: 'none.yaml' }], {}, 'plugins[0].path: /'],
  [[{ name: 'PodSecurity', config: {} }], {}, 'unknown field "plugins[0].config"'],
  [
    [{ name: 'PodSecurity', configuration: podSecurity({ defaults: { enforce: 'strict' } }) }],
    {},
    'plugins[0].configuration: defaults.enforce: Invalid value: "strict": must be one of privileged, baseline, restricted',
  ],
  [
    [{ name: 'PodSecurity', configuration: podSecurity({ exemptions: { namespaces: ['a', 'a'], usernames: [''] } }) }],
    {},
    'plugins[0].configuration: [exemptions.namespaces[1]: Duplicate value: "a", exemptions.usernames[0]: Invalid value: "": username must not be empty]',
  ],
  [
    [{ name: 'ResourceQuota', configuration: quota({ limitedResources: [{}] }) }],
    {},
    'plugins[0].configuration: limitedResources[0].resource: Required value',
  ],
  [
    [{ name: 'ResourceQuota', configuration: events({}) }],
    {},
    'plugins[0].configuration: it is no ResourceQuotaConfiguration of ',
  ],
  [
    [{ name: 'EventRateLimit', configuration: events({ limits: [{ type: 'All', qps: 1 }] }) }],
    {},
    'plugins[0].configuration: [limits[0].type: Unsupported value: "All": supported values: "Namespace", "Server", "SourceAndObject", "User", limits[0].burst: Invalid value: 0: must be positive]',
  ],
  [
    [{ name: 'PodNodeSelector', configuration: { podNodeSelectorPluginConfig: { a: 'b' } } }],
    {},
    'plugins[0].configuration: podNodeSelectorPluginConfig.a: invalid selector: [b]',
  ],
  [
    [{ name: 'PodTolerationRestriction', configuration: tolerations({ default: [{ operator: 'Is' }] }) }],
    {},
    'plugins[0].configuration: [default[0].operator: Invalid value: "Is": operator must be Exists when `key` is empty',
  ],
  [
    [{ name: 'ImagePolicyWebhook', configuration: { imagePolicy: { kubeConfigFile: 'x', allowTTL: 5_000 } } }],
    {},
    'plugins[0].configuration: imagePolicy.allowTTL: Invalid value: 5000: valid value is between 1 and 1800',
  ],
  [[], enabled('EventRateLimit'), '--enable-admission-plugins: EventRateLimit needs a configuration in '],
  [[], enabled('Teleport'), '--enable-admission-plugins: "Teleport" is none of AlwaysPullImages, '],
  [
    [],
    { ...enabled('Priority'), 'disable-admission-plugins': 'Priority' },
    '--enable-admission-plugins: Priority is in --disable-admission-plugins too',
  ],
  [
    [],
    { 'admission-control-config-file': '/none.yaml' },
    'Cannot read the file of --admission-control-config-file: /none.yaml (ENOENT)',
  ],
])('%j with %j is refused', async (plugins, flags, message) => {
  await expect(settings(plugins, flags)).rejects.toThrow(message);
});
