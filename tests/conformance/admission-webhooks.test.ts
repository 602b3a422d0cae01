/** Admission webhooks: servers of others that judge and change objects. The webhooks answer in this process, in place of a network. */
import { expect } from 'vitest';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { CallWebhook } from '#pkg/registry/remote/call-webhook.ts';
import { behaviour, type Stage } from './behaviour.ts';

const title = '[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin]';
const registrations = '/apis/admissionregistration.k8s.io/v1';
const validating = `${registrations}/validatingwebhookconfigurations`;
const mutating = `${registrations}/mutatingwebhookconfigurations`;

// biome-ignore lint/suspicious/noExplicitAny: reviews of every shape.
type Review = any;

const patch = (...operations: readonly object[]) => ({
  allowed: true,
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
});

/** What upstream's test image answers, by path. */
const answers: Readonly<Record<string, (request: Review) => object>> = {
  '/always-deny': () => ({ allowed: false, status: { message: 'this webhook denies all requests' } }),
  '/configmaps': ({ object, oldObject }) =>
    (object ?? oldObject)?.data?.['webhook-e2e-test'] === 'webhook-disallow'
      ? { allowed: false, status: { message: 'the configmap contains unwanted key and value' } }
      : { allowed: true },
  '/pods': ({ object }) =>
    object.metadata.labels?.['webhook-e2e-test'] === 'webhook-disallow'
      ? { allowed: false, status: { message: 'the pod contains unwanted label' } }
      : { allowed: true },
  '/pods/attach': ({ name }) =>
    name === 'to-be-attached-pod'
      ? { allowed: false, status: { message: "attaching to pod 'to-be-attached-pod' is not allowed" } }
      : { allowed: true },
  '/custom-resource': ({ object, oldObject }) =>
    (object ?? oldObject)?.data?.['webhook-e2e-test'] === 'webhook-disallow'
      ? { allowed: false, status: { message: 'the custom resource contains unwanted data' } }
      : { allowed: true },
  '/crd': ({ object }) =>
    object.metadata.labels?.['webhook-e2e-test'] === 'webhook-disallow'
      ? { allowed: false, status: { message: 'the crd contains unwanted label' } }
      : { allowed: true },
  '/mutating-1': ({ object }) =>
    object.data?.['mutation-start'] === 'yes'
      ? patch({ op: 'add', path: '/data/mutation-stage-1', value: 'yes' })
      : { allowed: true },
  '/mutating-2': ({ object }) =>
    object.data?.['mutation-stage-1'] === 'yes'
      ? patch({ op: 'add', path: '/data/mutation-stage-2', value: 'yes' })
      : { allowed: true },
  '/mutating-pods': () =>
    patch({
      op: 'add',
      path: '/spec/initContainers',
      value: [{ image: 'webhook-added-image', name: 'webhook-added-init-container' }],
    }),
  '/label': () => patch({ op: 'add', path: '/metadata/labels', value: { 'webhook-added': 'yes' } }),
};

const callWebhook: CallWebhook = async ({ url, body, signal }) => {
  const { pathname } = new URL(url);
  const review = JSON.parse(body);
  if (pathname === '/never') {
    await new Promise((_, reject) =>
      signal.addEventListener('abort', () => reject(new Error('ended')), { once: true }),
    );
  }
  const answer = answers[pathname];
  if (answer === undefined) throw new Error('connect ECONNREFUSED');
  const response = { uid: review.request.uid, ...answer(review.request) };
  return { status: 200, text: JSON.stringify({ kind: review.kind, apiVersion: review.apiVersion, response }) };
};

function webhook(path: string, rules: object, more: object = {}) {
  return {
    name: `${path.slice(1).replaceAll('/', '-')}.k8s.io`,
    clientConfig: { url: `https://hooks.example.com${path}` },
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], ...rules }],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    namespaceSelector: inThisNamespace,
    ...more,
  };
}

const inThisNamespace = { matchLabels: { 'kubernetes.io/metadata.name': 'conformance' } };
const ofMaps = { resources: ['configmaps'], operations: ['CREATE', 'UPDATE'] };

async function register(stage: Stage, path: string, webhooks: readonly object[], name = 'hooks'): Promise<void> {
  const kind = path === mutating ? 'MutatingWebhookConfiguration' : 'ValidatingWebhookConfiguration';
  const body = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind,
    metadata: { name, labels: { test: 'yes' } },
    webhooks,
  };
  const answer = await stage.request('POST', path, { body });
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
}

function createMap(stage: Stage, name: string, data: object, namespace = stage.namespace) {
  return stage.request('POST', `/api/v1/namespaces/${namespace}/configmaps`, {
    body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data },
  });
}

function createPod(stage: Stage, name: string, labels: object = {}) {
  return stage.request('POST', `/api/v1/namespaces/${stage.namespace}/pods`, {
    body: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    },
  });
}

function merge(stage: Stage, path: string, body: object) {
  return stage.request('PATCH', path, { body, headers: { 'content-type': 'application/merge-patch+json' } });
}

const disallowed = { 'webhook-e2e-test': 'webhook-disallow' };
const options = { callWebhook };

behaviour(
  `${title} should be able to deny pod and configmap creation`,
  async (stage) => {
    const pods = webhook('/pods', { resources: ['pods'] });
    await register(stage, validating, [
      pods,
      webhook('/configmaps', ofMaps),
      webhook('/never', { resources: ['secrets'] }),
    ]);
    const pod = await createPod(stage, 'a', disallowed);
    expect(pod.status).toBe(400);
    expect(pod.body.message).toBe(
      'admission webhook "pods.k8s.io" denied the request: the pod contains unwanted label',
    );
    const map = await createMap(stage, 'a', disallowed);
    expect(map.body.message).toBe(
      'admission webhook "configmaps.k8s.io" denied the request: the configmap contains unwanted key and value',
    );
    expect((await createMap(stage, 'a', { x: 'y' })).status).toBe(201);
    const path = `/api/v1/namespaces/${stage.namespace}/configmaps/a`;
    const now: JsonObject = (await stage.request('GET', path)).body;
    const put = await stage.request('PUT', path, { body: { ...now, data: disallowed } });
    expect(put.body.message).toContain('the configmap contains unwanted key and value');
    expect((await merge(stage, path, { data: disallowed })).body.message).toContain('unwanted key and value');
    expect((await createMap(stage, 'b', disallowed, 'default')).status).toBe(201);
  },
  options,
);

behaviour(
  `${title} should be able to deny attaching pod`,
  async (stage) => {
    await register(stage, validating, [
      webhook('/pods/attach', { resources: ['pods/attach'], operations: ['CONNECT'] }),
    ]);
    expect((await createPod(stage, 'to-be-attached-pod')).status).toBe(201);
    const path = `/api/v1/namespaces/${stage.namespace}/pods/to-be-attached-pod/attach`;
    const answer = await stage.request('POST', path, { query: 'container=c&stdout=true' });
    expect(answer.body.message).toContain("attaching to pod 'to-be-attached-pod' is not allowed");
  },
  options,
);

const group = 'stable.example.com';

/** Defines a resource whose objects have `data`. */
async function define(stage: Stage, schema: object = {}, versions: readonly object[] = []): Promise<string> {
  const data = { type: 'object', additionalProperties: { type: 'string' }, ...schema };
  const version = (name: string) => ({
    name,
    served: true,
    storage: name === 'v1',
    schema: { openAPIV3Schema: { type: 'object', properties: { data } } },
  });
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const body = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `things.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [version('v1'), ...(versions.length === 0 ? [] : [version('v2')])],
    },
  };
  expect((await stage.request('POST', crds, { body })).status).toBe(201);
  await stage.cluster.until(async () => {
    const { body: found } = await stage.request('GET', `${crds}/things.${group}`);
    return (
      JSON.stringify(found).includes('"type":"Established","status":"True"') ||
      JSON.stringify(found).includes('InitialNamesAccepted')
    );
  });
  return `/apis/${group}/v1/namespaces/${stage.namespace}/things`;
}

const ofThings = {
  apiGroups: [group],
  apiVersions: ['*'],
  resources: ['things'],
  operations: ['CREATE', 'UPDATE', 'DELETE'],
};
const thing = (name: string, data: object, version = 'v1') => ({
  apiVersion: `${group}/${version}`,
  kind: 'Thing',
  metadata: { name },
  data,
});

behaviour(
  `${title} should be able to deny custom resource creation, update and deletion`,
  async (stage) => {
    const things = await define(stage);
    await register(stage, validating, [webhook('/custom-resource', ofThings)]);
    const refused = await stage.request('POST', things, { body: thing('a', disallowed) });
    expect(refused.body.message).toContain('the custom resource contains unwanted data');
    expect((await stage.request('POST', things, { body: thing('a', {}) })).status).toBe(201);
    expect((await merge(stage, `${things}/a`, { data: disallowed })).body.message).toContain('unwanted data');
    await stage.request('DELETE', `${validating}/hooks`);
    expect((await merge(stage, `${things}/a`, { data: disallowed })).status).toBe(200);
    await register(stage, validating, [webhook('/custom-resource', ofThings)]);
    expect((await stage.request('DELETE', `${things}/a`)).body.message).toContain('unwanted data');
    expect((await merge(stage, `${things}/a`, { data: { 'webhook-e2e-test': 'fine' } })).status).toBe(200);
    expect((await stage.request('DELETE', `${things}/a`)).status).toBe(200);
  },
  options,
);

behaviour(
  `${title} should unconditionally reject operations on fail closed webhook`,
  async (stage) => {
    await register(stage, validating, [webhook('/nobody-there', { resources: ['configmaps'] })]);
    const answer = await createMap(stage, 'a', {});
    expect(answer.status).toBe(500);
    expect(answer.body.message).toBe(
      'Internal error occurred: failed calling webhook "nobody-there.k8s.io": failed to call webhook: Post "https://hooks.example.com/nobody-there?timeout=10s": connect ECONNREFUSED',
    );
  },
  options,
);

behaviour(
  `${title} should mutate configmap`,
  async (stage) => {
    await register(stage, mutating, [webhook('/mutating-1', ofMaps), webhook('/mutating-2', ofMaps)]);
    const { body } = await createMap(stage, 'a', { 'mutation-start': 'yes' });
    expect(body).toMatchObject({
      data: { 'mutation-start': 'yes', 'mutation-stage-1': 'yes', 'mutation-stage-2': 'yes' },
    });
    expect(body).toHaveProperty('metadata.uid');
  },
  options,
);

behaviour(
  `${title} should mutate pod and apply defaults after mutation`,
  async (stage) => {
    await register(stage, mutating, [webhook('/mutating-pods', { resources: ['pods'] })]);
    const { body } = await createPod(stage, 'a');
    expect(body).toMatchObject({
      spec: {
        initContainers: [
          {
            name: 'webhook-added-init-container',
            terminationMessagePolicy: 'File',
            terminationMessagePath: '/dev/termination-log',
          },
        ],
      },
    });
  },
  options,
);

behaviour(
  `${title} should not be able to mutate or prevent deletion of webhook configuration objects`,
  async (stage) => {
    const all = { apiGroups: ['*'], resources: ['*'], operations: ['CREATE', 'UPDATE', 'DELETE'], apiVersions: ['*'] };
    const everywhere = { namespaceSelector: {} };
    await register(
      stage,
      validating,
      [webhook('/always-deny', { ...all, apiGroups: ['admissionregistration.k8s.io'] }, everywhere)],
      'deny',
    );
    await register(
      stage,
      mutating,
      [webhook('/label', { ...all, apiGroups: ['admissionregistration.k8s.io'] }, everywhere)],
      'label',
    );
    for (const path of [validating, mutating]) {
      await register(stage, path, [webhook('/nobody-there', { resources: ['secrets'] })], 'dummy');
      const { body } = await stage.request('GET', `${path}/dummy`);
      expect(body).toMatchObject({ metadata: { labels: { test: 'yes' } } });
      expect(JSON.stringify(body)).not.toContain('webhook-added');
      expect((await stage.request('DELETE', `${path}/dummy`)).status).toBe(200);
    }
  },
  options,
);

behaviour(
  `${title} should mutate custom resource`,
  async (stage) => {
    const things = await define(stage);
    await register(stage, mutating, [webhook('/mutating-1', ofThings), webhook('/mutating-2', ofThings)]);
    const { body } = await stage.request('POST', things, { body: thing('a', { 'mutation-start': 'yes' }) });
    expect(body).toMatchObject({
      data: { 'mutation-start': 'yes', 'mutation-stage-1': 'yes', 'mutation-stage-2': 'yes' },
    });
  },
  options,
);

behaviour(
  `${title} should mutate custom resource with pruning`,
  async (stage) => {
    const properties = { 'mutation-start': { type: 'string' }, 'mutation-stage-1': { type: 'string' } };
    const things = await define(stage, { additionalProperties: undefined, properties });
    await register(stage, mutating, [webhook('/mutating-1', ofThings), webhook('/mutating-2', ofThings)]);
    const { body } = await stage.request('POST', things, { body: thing('a', { 'mutation-start': 'yes' }) });
    expect(body).toMatchObject({ data: { 'mutation-start': 'yes', 'mutation-stage-1': 'yes' } });
    expect(JSON.stringify(body)).not.toContain('"mutation-stage-2"');
  },
  options,
);

behaviour(
  `${title} should mutate custom resource with different stored version`,
  async (stage) => {
    const things = await define(stage, {}, [{}]);
    await register(stage, mutating, [webhook('/mutating-1', ofThings)]);
    expect((await stage.request('POST', things, { body: thing('a', { x: 'y' }) })).status).toBe(201);
    const other = things.replace('/v1/', '/v2/');
    const { body } = await merge(stage, `${other}/a`, { data: { 'mutation-start': 'yes' } });
    expect(body).toMatchObject({ apiVersion: `${group}/v2`, data: { 'mutation-stage-1': 'yes', x: 'y' } });
    expect((await stage.request('GET', `${things}/a`)).body).toMatchObject({
      apiVersion: `${group}/v1`,
      data: { 'mutation-stage-1': 'yes' },
    });
  },
  options,
);

behaviour(
  `${title} should deny crd creation`,
  async (stage) => {
    const rule = { apiGroups: ['apiextensions.k8s.io'], apiVersions: ['*'], resources: ['customresourcedefinitions'] };
    await register(stage, validating, [webhook('/crd', rule, { namespaceSelector: {} })]);
    const schema = { openAPIV3Schema: { type: 'object' } };
    const answer = await stage.request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
      body: {
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name: `others.${group}`, labels: disallowed },
        spec: {
          group,
          scope: 'Cluster',
          names: { plural: 'others', kind: 'Other' },
          versions: [{ name: 'v1', served: true, storage: true, schema }],
        },
      },
    });
    expect(answer.body.message).toContain('the crd contains unwanted label');
  },
  options,
);

behaviour(
  `${title} should honor timeout`,
  async (stage) => {
    const never = (more: object) => [webhook('/never', { resources: ['configmaps'] }, more)];
    await register(stage, validating, never({ timeoutSeconds: 1 }), 'fail');
    const [refused] = await Promise.all([createMap(stage, 'a', {}), stage.cluster.advance(2_000)]);
    expect(refused.body.message).toContain('?timeout=1s": context deadline exceeded');
    await stage.request('DELETE', `${validating}/fail`);
    await register(stage, validating, never({ timeoutSeconds: 1, failurePolicy: 'Ignore' }), 'ignore');
    const [passed] = await Promise.all([createMap(stage, 'a', {}), stage.cluster.advance(2_000)]);
    expect(passed.status).toBe(201);
    await stage.request('DELETE', `${validating}/ignore`);
    await register(stage, validating, never({}), 'default');
    const [late] = await Promise.all([createMap(stage, 'b', {}), stage.cluster.advance(11_000)]);
    expect(late.body.message).toContain('?timeout=10s": context deadline exceeded');
  },
  options,
);

behaviour(
  `${title} patching/updating a validating webhook should work`,
  async (stage) => {
    await register(stage, validating, [webhook('/configmaps', ofMaps)]);
    expect((await createMap(stage, 'a', disallowed)).status).toBe(400);
    const body: JsonObject = (await stage.request('GET', `${validating}/hooks`)).body;
    const webhooks = [webhook('/configmaps', { ...ofMaps, operations: ['UPDATE'] })];
    expect((await stage.request('PUT', `${validating}/hooks`, { body: { ...body, webhooks } })).status).toBe(200);
    expect((await createMap(stage, 'a', disallowed)).status).toBe(201);
    expect((await merge(stage, `${validating}/hooks`, { webhooks: [webhook('/configmaps', ofMaps)] })).status).toBe(
      200,
    );
    expect((await createMap(stage, 'b', disallowed)).status).toBe(400);
  },
  options,
);

behaviour(
  `${title} patching/updating a mutating webhook should work`,
  async (stage) => {
    await register(stage, mutating, [webhook('/mutating-1', ofMaps)]);
    const body: JsonObject = (await stage.request('GET', `${mutating}/hooks`)).body;
    const webhooks = [webhook('/mutating-1', { ...ofMaps, operations: ['UPDATE'] })];
    expect((await stage.request('PUT', `${mutating}/hooks`, { body: { ...body, webhooks } })).status).toBe(200);
    expect(JSON.stringify((await createMap(stage, 'a', { 'mutation-start': 'yes' })).body.data)).not.toContain(
      'stage-1',
    );
    expect((await merge(stage, `${mutating}/hooks`, { webhooks: [webhook('/mutating-1', ofMaps)] })).status).toBe(200);
    expect((await createMap(stage, 'b', { 'mutation-start': 'yes' })).body).toMatchObject({
      data: { 'mutation-stage-1': 'yes' },
    });
  },
  options,
);

behaviour(
  `${title} listing validating webhooks should work`,
  async (stage) => {
    for (const name of ['a', 'b', 'c']) await register(stage, validating, [webhook('/configmaps', ofMaps)], name);
    const { body } = await stage.request('GET', validating, { query: 'labelSelector=test%3Dyes' });
    expect(body.items).toHaveLength(3);
    expect((await createMap(stage, 'a', disallowed)).status).toBe(400);
    expect((await stage.request('DELETE', validating, { query: 'labelSelector=test%3Dyes' })).status).toBe(200);
    expect((await createMap(stage, 'a', disallowed)).status).toBe(201);
  },
  options,
);

behaviour(
  `${title} listing mutating webhooks should work`,
  async (stage) => {
    for (const name of ['a', 'b', 'c']) await register(stage, mutating, [webhook('/mutating-1', ofMaps)], name);
    const { body } = await stage.request('GET', mutating, { query: 'labelSelector=test%3Dyes' });
    expect(body.items).toHaveLength(3);
    const start = { 'mutation-start': 'yes' };
    expect((await createMap(stage, 'a', start)).body).toMatchObject({ data: { 'mutation-stage-1': 'yes' } });
    expect((await stage.request('DELETE', mutating, { query: 'labelSelector=test%3Dyes' })).status).toBe(200);
    expect((await createMap(stage, 'b', start)).body.data).toEqual(start);
  },
  options,
);

behaviour(
  `${title} should mutate everything except 'skip-me' configmaps`,
  async (stage) => {
    const matchConditions = [{ name: 'skip-me', expression: "object.metadata.name != 'skip-me'" }];
    await register(stage, mutating, [webhook('/mutating-1', ofMaps, { matchConditions })]);
    const start = { 'mutation-start': 'yes' };
    expect((await createMap(stage, 'other', start)).body).toMatchObject({ data: { 'mutation-stage-1': 'yes' } });
    expect((await createMap(stage, 'skip-me', start)).body.data).toEqual(start);
  },
  options,
);

for (const [name, path] of [
  ['validating', validating],
  ['mutating', mutating],
] as const) {
  behaviour(
    `${title} should reject ${name} webhook configurations with invalid match conditions`,
    async (stage) => {
      const matchConditions = [{ name: 'broken', expression: '... [] bad expression' }];
      const kind = `${name === 'mutating' ? 'Mutating' : 'Validating'}WebhookConfiguration`;
      const { status, body } = await stage.request('POST', path, {
        body: {
          apiVersion: 'admissionregistration.k8s.io/v1',
          kind,
          metadata: { name: 'hooks' },
          webhooks: [webhook('/configmaps', ofMaps, { matchConditions })],
        },
      });
      expect(status).toBe(422);
      expect(body.message).toContain(
        'webhooks[0].matchConditions[0].expression: Invalid value: "... [] bad expression": compilation failed',
      );
    },
    options,
  );
}
