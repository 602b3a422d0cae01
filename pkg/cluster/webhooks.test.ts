/** Webhooks that behave: who is asked what, in which order; and those that do not: each is refused in one clear line. */
import { beforeEach, expect, test } from 'vitest';
import { apiForEachTest } from './testing-api.ts';

// biome-ignore lint/suspicious/noExplicitAny: bodies of every shape.
type Body = any;

/** What is answered, by the path of the URL: a response, or the whole text. */
let answers: Record<string, (request: Body) => object | string>;
let asked: {
  readonly path: string;
  readonly request: Body;
  readonly address: unknown;
  readonly ca: string | undefined;
}[];

beforeEach(() => {
  answers = {};
  asked = [];
});

const api = apiForEachTest({
  callWebhook: async ({ url, body, address, caBundle }) => {
    const path = new URL(url).pathname;
    const review = JSON.parse(body);
    asked.push({ path, request: review.request, address, ca: caBundle });
    const answer = answers[path]?.(review.request) ?? { allowed: true };
    if (typeof answer === 'string') return { status: 200, text: answer };
    const { kind, apiVersion } = review;
    return {
      status: 200,
      text: JSON.stringify({ kind, apiVersion, response: { uid: review.request.uid, ...answer } }),
    };
  },
});

async function call(method: string, path: string, sent?: object, query = '') {
  const { status, body, warning } = await api.call(method, query === '' ? path : `${path}?${query}`, sent);
  const json: Body = body;
  return { status, body: json, warning: warning ?? '' };
}

const maps = '/api/v1/namespaces/default/configmaps';
const create = (name: string, data: object = {}, query = '') =>
  call('POST', maps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data }, query);

async function register(kind: 'Mutating' | 'Validating', names: readonly string[], more: object = {}) {
  const path = `/apis/admissionregistration.k8s.io/v1/${kind.toLowerCase()}webhookconfigurations`;
  const webhooks = names.map((name) => ({
    name: `${name}.example.com`,
    clientConfig: { url: `https://hooks.example.com/${name}` },
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['configmaps'] }],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    ...more,
  }));
  const made = await call('POST', path, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: `${kind}WebhookConfiguration`,
    metadata: { name: names.join('-') },
    webhooks,
  });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
}

const encode = (patch: unknown): string => Buffer.from(JSON.stringify(patch)).toString('base64');
const patch = (...operations: readonly object[]) => ({
  allowed: true,
  patchType: 'JSONPatch',
  patch: encode(operations),
});

test('the path of a webhook is asked without empty parts, as Go joins it', async () => {
  await register('Validating', ['look'], { clientConfig: { url: 'https://hooks.example.com//look/' } });
  answers['/look'] = () => ({ allowed: false });
  expect((await create('a')).status).toBe(400);
  expect(asked.map(({ path }) => path)).toEqual(['/look']);
});

test('a review says who wants what, and warnings of the answer reach the client', async () => {
  await register('Validating', ['look']);
  answers['/look'] = () => ({ allowed: true, warnings: ['take care'] });
  expect((await create('a', { x: '1' })).warning).toContain('take care');
  const [{ request } = { request: undefined }] = asked;
  expect(request).toMatchObject({
    kind: { group: '', version: 'v1', kind: 'ConfigMap' },
    resource: { group: '', version: 'v1', resource: 'configmaps' },
    name: 'a',
    namespace: 'default',
    operation: 'CREATE',
    userInfo: { username: 'admin', groups: ['system:masters', 'system:authenticated'] },
    object: { metadata: { name: 'a' }, data: { x: '1' } },
    oldObject: null,
    dryRun: false,
  });
  await call('DELETE', `${maps}/a`);
  expect(asked.at(-1)?.request).toMatchObject({ operation: 'DELETE', object: null, oldObject: { data: { x: '1' } } });
});

test('a dry run asks only those that have no side effects then', async () => {
  await register('Validating', ['some'], { sideEffects: 'NoneOnDryRun' });
  expect((await create('a', {}, 'dryRun=All')).status).toBe(201);
  expect(asked[0]?.request.dryRun).toBe(true);
});

test('one that asks for it is asked again after another has changed the object', async () => {
  await register('Mutating', ['first', 'second'], { reinvocationPolicy: 'IfNeeded' });
  answers['/first'] = ({ object }) => patch({ op: 'add', path: '/data/seen', value: Object.keys(object.data).join() });
  answers['/second'] = ({ object }) =>
    'b' in object.data ? { allowed: true } : patch({ op: 'add', path: '/data/b', value: 'x' });
  expect((await create('a', { a: '1' })).body.data).toEqual({ a: '1', b: 'x', seen: 'a,b,seen' });
  expect(asked.map(({ path }) => path)).toEqual(['/first', '/second', '/first']);
});

test('a service is asked at its address, under its name', async () => {
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'hook' }, spec: { ports: [{ port: 8443 }] } };
  const made = await call('POST', '/api/v1/namespaces/default/services', service);
  const clientConfig = {
    service: { name: 'hook', namespace: 'default', path: '/judge', port: 8443 },
    caBundle: Buffer.from('pem').toString('base64'),
  };
  await register('Validating', ['svc'], { clientConfig });
  expect((await create('a')).status).toBe(201);
  expect(asked[0]).toMatchObject({
    path: '/judge',
    address: { host: made.body.spec.clusterIP, port: 8443 },
    ca: 'pem',
  });
  await call('DELETE', '/api/v1/namespaces/default/services/hook');
  expect((await create('b')).body.message).toBe(
    'Internal error occurred: failed calling webhook "svc.example.com": failed to call webhook: Post "https://hook.default.svc:8443/judge?timeout=10s": service "hook" not found',
  );
});

test.each<readonly [string, (request: Body) => object | string, string]>([
  ['text', () => 'hello', 'received invalid webhook response: '],
  [
    'no response',
    () => '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}',
    'received invalid webhook response: webhook response was absent',
  ],
  [
    'another version',
    ({ uid }) =>
      JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v2', response: { uid, allowed: true } }),
    'expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got admission.k8s.io/v2, Kind=AdmissionReview',
  ],
  ['another request', () => ({ uid: 'x', allowed: true }), 'expected response.uid='],
  [
    'a patch of no type',
    () => ({ allowed: true, patch: encode([]) }),
    'response.patchType not set, but response.patch is',
  ],
  [
    'a patch of another type',
    () => ({ allowed: true, patch: encode([]), patchType: 'Merge' }),
    'unsupported patch type "Merge"',
  ],
  [
    'a patch that is none',
    () => ({ allowed: true, patch: 'e', patchType: 'JSONPatch' }),
    'response.patch is no JSON patch',
  ],
  [
    'a patch of what is not there',
    () => patch({ op: 'remove', path: '/data/none' }),
    'admission webhook "bad.example.com": ',
  ],
  [
    'another name',
    () => patch({ op: 'replace', path: '/metadata/name', value: 'b' }),
    'attempted to change metadata.name, which it may not',
  ],
  [
    'another namespace',
    () => patch({ op: 'replace', path: '/metadata/namespace', value: 'kube-system' }),
    'attempted to change metadata.namespace, which it may not',
  ],
  [
    'another kind',
    () => patch({ op: 'replace', path: '/kind', value: 'Secret' }),
    'attempted to change kind, which it may not',
  ],
  ['a wrong type', () => patch({ op: 'replace', path: '/data', value: 7 }), 'Internal error occurred: '],
  ['no object', () => patch({ op: 'replace', path: '', value: 7 }), 'made no object'],
])('a webhook that answers with %s changes nothing and is refused', async (_, answer, words) => {
  await register('Mutating', ['bad']);
  answers['/bad'] = answer;
  const refused = await create('a', {});
  expect(refused.status).toBe(500);
  expect(refused.body.message).toContain(words);
  expect((await call('GET', maps)).body.items).toEqual([]);
});

test('a deletion cannot be changed', async () => {
  await create('a');
  await register('Mutating', ['bad']);
  answers['/bad'] = () => patch({ op: 'add', path: '/data', value: {} });
  expect((await call('DELETE', `${maps}/a`)).body.message).toContain(
    'admission webhook "bad.example.com" attempted to modify the object, which is not supported for this operation',
  );
});

test('a refusal has the code and the words of the webhook, never a success', async () => {
  await register('Validating', ['no']);
  answers['/no'] = () => ({ allowed: false, status: { code: 418, message: 'short and stout', reason: 'Teapot' } });
  expect(await create('a')).toMatchObject({
    status: 418,
    body: { reason: 'Teapot', message: 'admission webhook "no.example.com" denied the request: short and stout' },
  });
  answers['/no'] = () => ({ allowed: false, status: { code: 200, status: 'Success' } });
  expect(await create('a')).toMatchObject({
    status: 400,
    body: { status: 'Failure', message: 'admission webhook "no.example.com" denied the request without explanation' },
  });
});

const scaler = (version: string, spec: object) => ({
  apiVersion: `autoscaling/${version}`,
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'a' },
  spec: { scaleTargetRef: { kind: 'Deployment', name: 'd' }, maxReplicas: 3, ...spec },
});
const scalers = (version: string) => `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers`;
const rulesFor = (version: string) => [
  { apiGroups: ['autoscaling'], apiVersions: [version], operations: ['*'], resources: ['horizontalpodautoscalers'] },
];

test('a webhook that names another version is told of the request in that, and what it changes there counts', async () => {
  await register('Mutating', ['two'], { rules: rulesFor('v2') });
  answers['/two'] = ({ object }) =>
    patch({
      op: 'replace',
      path: '/spec/metrics/0/resource/target/averageUtilization',
      value: object.spec.maxReplicas,
    });
  const made = await call('POST', scalers('v1'), scaler('v1', { targetCPUUtilizationPercentage: 80 }));
  expect(made.body, JSON.stringify(made.body)).toMatchObject({
    apiVersion: 'autoscaling/v1',
    spec: { targetCPUUtilizationPercentage: 3 },
  });
  const [{ request } = { request: undefined }] = asked;
  expect(request).toMatchObject({
    kind: { group: 'autoscaling', version: 'v2', kind: 'HorizontalPodAutoscaler' },
    resource: { group: 'autoscaling', version: 'v2', resource: 'horizontalpodautoscalers' },
    requestKind: { group: 'autoscaling', version: 'v1', kind: 'HorizontalPodAutoscaler' },
    requestResource: { group: 'autoscaling', version: 'v1', resource: 'horizontalpodautoscalers' },
    object: { apiVersion: 'autoscaling/v2', spec: { metrics: [{ type: 'Resource', resource: { name: 'cpu' } }] } },
  });
});

test('one that takes its rules exactly is not asked about other versions', async () => {
  await register('Validating', ['two'], { rules: rulesFor('v2'), matchPolicy: 'Exact' });
  expect((await call('POST', scalers('v1'), scaler('v1', {}))).status).toBe(201);
  expect(asked).toEqual([]);
  expect((await call('DELETE', `${scalers('v2')}/a`)).status).toBe(200);
  expect(asked.map((one) => [one.request.operation, one.request.oldObject.apiVersion])).toEqual([
    ['DELETE', 'autoscaling/v2'],
  ]);
});
