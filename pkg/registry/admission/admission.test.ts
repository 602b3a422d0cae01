import { expect, test } from 'vitest';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { AdmissionAttributes, RegistryReader } from '#pkg/apiserver/strategy.ts';
import { readerOf, testContext } from '../testing.ts';
import { createAdmissionPlugins } from './table.ts';

interface Given {
  readonly resource: string;
  readonly subresource?: string;
  readonly draft: object;
  readonly objects?: Readonly<Record<string, readonly object[]>>;
}

const account = { metadata: { name: 'default', namespace: 'default' } };

const kinds: Readonly<Record<string, string>> = {
  binding: 'Binding',
  nodes: 'Node',
  persistentvolumeclaims: 'PersistentVolumeClaim',
  pods: 'Pod',
  resize: 'Pod',
};

function requestOf({ resource, subresource = '', draft }: Given): AdmissionAttributes {
  return {
    operation: 'CREATE',
    group: '',
    version: 'v1',
    resource,
    subresource,
    kind: kinds[subresource || resource] ?? '',
    namespace: 'default',
    name: 'x',
    draft: structuredClone(draft) as JsonObject,
    old: undefined,
  };
}

function readerWith(objects: Given['objects'] = {}): RegistryReader {
  return readerOf({ namespaces: [{ metadata: { name: 'default' } }], serviceaccounts: [account], ...objects });
}

/** Takes a draft through every plugin, as the server does; returns it, or the message of the refusal. */
async function admit(given: Given): Promise<JsonObject | string> {
  const attributes = requestOf(given);
  const context = testContext();
  const reader = readerWith(given.objects);
  const plugins = createAdmissionPlugins().filter((plugin) => plugin.handles(attributes, context.user));
  try {
    for (const plugin of plugins) await plugin.admit?.(attributes, context, reader);
    for (const plugin of plugins) await plugin.validate?.(attributes, context, reader);
  } catch (error) {
    return (error as Error).message;
  }
  return attributes.draft ?? {};
}

test('no plugin that a new pod goes through waits for what the server has at hand', () => {
  const attributes = requestOf({ resource: 'pods', draft: pod({ priorityClassName: 'high' }) });
  const context = testContext();
  const objects = {
    priorityclasses: [{ metadata: { name: 'high' }, value: 7 }],
    limitranges: [{ spec: { limits: [] } }],
  };
  const reader = readerWith(objects);
  const waiting = createAdmissionPlugins()
    .filter((plugin) => plugin.handles(attributes, context.user))
    .filter(
      (plugin) =>
        plugin.admit?.(attributes, context, reader) !== undefined ||
        plugin.validate?.(attributes, context, reader) !== undefined,
    );
  expect(waiting.map((plugin) => plugin.name)).toEqual([]);
});

function pod(spec: object = {}): object {
  return { metadata: { name: 'x' }, spec: { containers: [{ name: 'c', image: 'i' }], ...spec } };
}

test('a pod gets the service account, the priority and the tolerations that every pod has', async () => {
  const admitted = await admit({ resource: 'pods', draft: pod({ automountServiceAccountToken: false }) });
  const toleration = { operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 };
  expect(admitted).toEqual(
    pod({
      automountServiceAccountToken: false,
      serviceAccountName: 'default',
      serviceAccount: 'default',
      priority: 0,
      preemptionPolicy: 'PreemptLowerPriority',
      tolerations: [
        { key: 'node.kubernetes.io/not-ready', ...toleration },
        { key: 'node.kubernetes.io/unreachable', ...toleration },
      ],
    }),
  );
});

const accessPath = '/var/run/secrets/kubernetes.io/serviceaccount';

test('a pod gets the volume with its token, mounted in every container that has none there', async () => {
  const own = [{ name: 'own', mountPath: accessPath }];
  const containers = [
    { name: 'c', image: 'i' },
    { name: 'd', image: 'i', volumeMounts: own },
  ];
  const { spec } = (await admit({ resource: 'pods', draft: pod({ containers }) })) as { spec: JsonObject };
  const [{ name }] = spec.volumes as [{ name: string }];
  expect(name).toMatch(/^kube-api-access-[a-z0-9]{5}$/);
  const fieldRef = { apiVersion: 'v1', fieldPath: 'metadata.namespace' };
  expect(spec.volumes).toEqual([
    {
      name,
      projected: {
        sources: [
          { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
          { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
          { downwardAPI: { items: [{ path: 'namespace', fieldRef }] } },
        ],
        defaultMode: 420,
      },
    },
  ]);
  const [first, second] = spec.containers as [JsonObject, JsonObject];
  expect([first.volumeMounts, second.volumeMounts]).toEqual([[{ name, readOnly: true, mountPath: accessPath }], own]);
});

const listed = { ...account, secrets: [{ name: 'mine' }] };
const enforcing = {
  ...listed,
  metadata: { ...account.metadata, annotations: { 'kubernetes.io/enforce-mountable-secrets': 'true' } },
};
const withSecret = (secretName: string): object => pod({ volumes: [{ name: 'v', secret: { secretName } }] });

test.each<[string, object, object, string | undefined]>([
  ['a Secret that the account lists', enforcing, withSecret('mine'), undefined],
  [
    'another one',
    enforcing,
    withSecret('yours'),
    'volume with secret.secretName="yours" is not allowed because service account default does not reference that secret',
  ],
  ['another one where the account does not say so', listed, withSecret('yours'), undefined],
  [
    'a token of a pod that is only shown',
    listed,
    {
      ...pod({ serviceAccountName: 'x' }),
      metadata: { name: 'x', annotations: { 'kubernetes.io/config.mirror': '' } },
    },
    'a mirror pod may not reference service accounts',
  ],
])('%s', async (_what, of, draft, problem) => {
  const admitted = await admit({ resource: 'pods', draft, objects: { serviceaccounts: [of] } });
  if (problem === undefined) expect(admitted).toMatchObject({ metadata: { name: 'x' } });
  else expect(admitted).toBe(`pods "x" is forbidden: ${problem}`);
});

test('a toleration of its own is left as it is', async () => {
  const tolerations = [{ operator: 'Exists' }];
  expect(await admit({ resource: 'pods', draft: pod({ tolerations }) })).toMatchObject({ spec: { tolerations } });
});

const fast = { metadata: { name: 'fast' }, value: 1000, preemptionPolicy: 'Never' };

test.each<[string, object, object]>([
  ['by name', { priorityClassName: 'fast' }, { priority: 1000, preemptionPolicy: 'Never' }],
  ['by default', {}, { priority: 7, priorityClassName: 'usual' }],
])('a pod gets its priority %s', async (_how, spec, wanted) => {
  const usual = { metadata: { name: 'usual' }, value: 7, globalDefault: true };
  const admitted = await admit({ resource: 'pods', draft: pod(spec), objects: { priorityclasses: [fast, usual] } });
  expect(admitted).toMatchObject({ spec: wanted });
});

test.each<[string, object, string]>([
  ['a class that does not exist', { priorityClassName: 'none' }, 'no PriorityClass with name none was found'],
  [
    'a number of its own',
    { priority: 5 },
    'the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name',
  ],
])('a pod with %s is refused', async (_what, spec, why) => {
  expect(await admit({ resource: 'pods', draft: pod(spec) })).toBe(`pods "x" is forbidden: ${why}`);
});

const placed = {
  metadata: {
    name: 'n1',
    namespace: '',
    labels: { 'topology.kubernetes.io/zone': 'z1', 'topology.kubernetes.io/region': 'r1', 'example.com/rack': '7' },
  },
};
const place = { 'topology.kubernetes.io/zone': 'z1', 'topology.kubernetes.io/region': 'r1' };

test('a binding, or a new pod that names its node, gets zone and region of the node, over its own (fault 28)', async () => {
  const objects = { nodes: [placed] };
  const labels = { app: 'web', 'topology.kubernetes.io/zone': 'mine' };
  const binding = (kind: string, name: string) => ({ metadata: { name: 'x', labels }, target: { kind, name } });
  const bind = (draft: object) => admit({ resource: 'pods', subresource: 'binding', draft, objects });
  expect(await bind(binding('Node', 'n1'))).toMatchObject({ metadata: { labels: { app: 'web', ...place } } });
  for (const draft of [binding('Node', 'n2'), binding('', 'n1')]) expect(await bind(draft)).toEqual(draft);
  const create = (spec: object) => admit({ resource: 'pods', draft: pod(spec), objects });
  expect(await create({ nodeName: 'n1' })).toMatchObject({ metadata: { labels: place } });
  expect(await create({})).toMatchObject({ metadata: { name: 'x' } });
  expect(((await create({})) as { metadata: object }).metadata).toEqual({ name: 'x' });
});

test('a new node is tainted until it is ready', async () => {
  expect(await admit({ resource: 'nodes', draft: { metadata: { name: 'n' } } })).toEqual({
    metadata: { name: 'n' },
    spec: { taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }] },
  });
});

const range = {
  spec: {
    limits: [{ type: 'Container', default: { cpu: '500m' }, defaultRequest: { cpu: '100m' }, max: { cpu: '1' } }],
  },
};

test('a limit range fills in what containers leave open', async () => {
  const admitted = await admit({ resource: 'pods', draft: pod(), objects: { limitranges: [range] } });
  const resources = { limits: { cpu: '500m' }, requests: { cpu: '100m' } };
  expect(admitted).toMatchObject({ spec: { containers: [{ resources }] } });
});

test('a limit range refuses what is beyond it', async () => {
  const draft = pod({ containers: [{ name: 'c', image: 'i', resources: { limits: { cpu: '2' } } }] });
  expect(await admit({ resource: 'pods', draft, objects: { limitranges: [range] } })).toBe(
    'pods "x" is forbidden: maximum cpu usage per Container is 1, but limit is 2',
  );
});

test('a limit range says in an annotation what it has filled in (fault 24)', async () => {
  const draft = pod({ initContainers: [{ name: 'i', image: 'i', resources: { limits: { cpu: '1' } } }] });
  const limits = [{ type: 'Container', default: { memory: '1Gi', cpu: '1' }, defaultRequest: { memory: '1' } }];
  const admitted = await admit({ resource: 'pods', draft, objects: { limitranges: [{ spec: { limits } }] } });
  expect(admitted).toMatchObject({
    metadata: {
      annotations: {
        'kubernetes.io/limit-ranger':
          'LimitRanger plugin set: memory request for container c; cpu, memory limit for container c; ' +
          'memory request for init container i; memory limit for init container i',
      },
    },
  });
  const whole = pod({
    containers: [{ name: 'c', image: 'i', resources: { limits: { cpu: '1' }, requests: { cpu: '1' } } }],
  });
  expect(await admit({ resource: 'pods', draft: whole, objects: { limitranges: [range] } })).not.toHaveProperty(
    'metadata.annotations',
  );
});

const container = (name: string, requests: object, limits: object, more: object = {}): object => ({
  name,
  image: 'i',
  resources: { requests, limits },
  ...more,
});

test.each<[string, object, object, string]>([
  [
    'a limit far above its request',
    { type: 'Container', maxLimitRequestRatio: { cpu: '3' } },
    { containers: [container('c', { cpu: '100m' }, { cpu: '500m' })] },
    'cpu max limit to request ratio per Container is 3, but provided ratio is 5.000000',
  ],
  [
    'a limit near its request',
    { type: 'Container', maxLimitRequestRatio: { cpu: '2500m' } },
    { containers: [container('c', { cpu: '200m' }, { cpu: '500m' })] },
    '',
  ],
  [
    'a ratio of nothing',
    { type: 'Container', maxLimitRequestRatio: { memory: '2' } },
    { containers: [container('c', { memory: '0' }, { memory: '1' })] },
    'memory max limit to request ratio per Container is 2, but no request is specified or request is 0',
  ],
  [
    'a ratio to nothing',
    { type: 'Pod', maxLimitRequestRatio: { memory: '2' } },
    { containers: [container('c', { memory: '1' }, {})] },
    'memory max limit to request ratio per Pod is 2, but no limit is specified or limit is 0',
  ],
  [
    'sidecars, which run beside the containers',
    { type: 'Pod', max: { cpu: '2' } },
    {
      containers: [container('c', { cpu: '1' }, { cpu: '1500m' })],
      initContainers: [container('s', { cpu: '1' }, { cpu: '1' }, { restartPolicy: 'Always' })],
    },
    'maximum cpu usage per Pod is 2, but limit is 2500m',
  ],
  [
    'an init container that needs more than all containers',
    { type: 'Pod', max: { cpu: '2' } },
    {
      containers: [container('c', { cpu: '1' }, { cpu: '1' })],
      initContainers: [
        container('s', { cpu: '1' }, { cpu: '1' }, { restartPolicy: 'Always' }),
        container('i', { cpu: '2' }, { cpu: '2' }),
      ],
    },
    'maximum cpu usage per Pod is 2, but limit is 3',
  ],
  [
    'what the pod itself asks for',
    { type: 'Pod', min: { memory: '1Gi' } },
    {
      containers: [container('c', { memory: '2Gi' }, { memory: '2Gi' })],
      resources: { requests: { memory: '512Mi' }, limits: { memory: '2Gi' } },
    },
    'minimum memory usage per Pod is 1Gi, but request is 512Mi',
  ],
  [
    'a limit below the minimum',
    { type: 'Container', min: { cpu: '1' } },
    { containers: [container('c', { cpu: '1' }, { cpu: '500m' })] },
    'minimum cpu usage per Container is 1, but limit is 500m',
  ],
])('a limit range and %s (fault 24)', async (_what, limit, spec, why) => {
  const admitted = await admit({
    resource: 'pods',
    draft: pod(spec),
    objects: { limitranges: [{ spec: { limits: [limit] } }] },
  });
  if (why === '') expect(admitted).toHaveProperty('spec');
  else expect(admitted).toBe(`pods "x" is forbidden: ${why}`);
});

test('a claim without a class gets the default one, and stays while it is used', async () => {
  const standard = {
    metadata: { name: 'standard', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  };
  const given = { metadata: { name: 'x' }, spec: {} };
  const admitted = await admit({
    resource: 'persistentvolumeclaims',
    draft: given,
    objects: { storageclasses: [standard] },
  });
  const metadata = { name: 'x', finalizers: ['kubernetes.io/pvc-protection'] };
  expect(admitted).toEqual({ metadata, spec: { storageClassName: 'standard' } });
});

const heavy = {
  metadata: { name: 'heavy', namespace: '' },
  handler: 'h',
  overhead: { podFixed: { cpu: '10m' } },
  scheduling: { nodeSelector: { disk: 'fast' }, tolerations: [{ key: 'heavy', operator: 'Exists' }] },
};
const light = { metadata: { name: 'light', namespace: '' }, handler: 'l' };
const classes = { runtimeclasses: [heavy, light] };

test('a pod takes overhead, node selector and tolerations of its runtime class', async () => {
  const covered = { key: 'heavy', operator: 'Equal', value: 'v', effect: 'NoSchedule' };
  const draft = pod({ runtimeClassName: 'heavy', nodeSelector: { zone: 'a' }, tolerations: [covered] });
  const admitted = (await admit({ resource: 'pods', draft, objects: classes })) as { spec: JsonObject };
  expect(admitted.spec).toMatchObject({ overhead: { cpu: '10m' }, nodeSelector: { zone: 'a', disk: 'fast' } });
  const keys = (admitted.spec.tolerations as { key: string }[]).map(({ key }) => key);
  expect(keys.filter((key) => !key.startsWith('node.'))).toEqual(['heavy']);
  expect(admitted.spec.tolerations).toContainEqual({ key: 'heavy', operator: 'Exists' });
  expect(
    await admit({ resource: 'pods', draft: pod({ runtimeClassName: 'light' }), objects: classes }),
  ).not.toHaveProperty('spec.overhead');
});

test.each<[string, object, string]>([
  ['of an unknown class', { runtimeClassName: 'x' }, 'pod rejected: RuntimeClass "x" not found'],
  [
    'with another overhead than its class',
    { runtimeClassName: 'heavy', overhead: { cpu: '20m' } },
    "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
  ],
  [
    'with an overhead that its class does not have',
    { runtimeClassName: 'light', overhead: { cpu: '20m' } },
    'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead',
  ],
  [
    'with an overhead and no class',
    { overhead: { cpu: '20m' } },
    'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead',
  ],
  [
    'for other nodes than its class',
    { runtimeClassName: 'heavy', nodeSelector: { disk: 'slow' } },
    'conflict: runtimeClass.scheduling.nodeSelector[disk] = fast; pod.spec.nodeSelector[disk] = slow',
  ],
])('a pod %s is refused', async (_what, spec, why) => {
  const refusal = await admit({ resource: 'pods', draft: pod(spec), objects: classes });
  expect(refusal).toBe(`pods "x" is forbidden: ${why}`);
});
