import { beforeEach, expect, test } from 'vitest';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { startTestServer, type TestServer } from '#pkg/apiserver/testing/test-server.ts';

const pods = '/api/v1/namespaces/default/pods';
const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
const podStrategy: Strategy = { group: '', resource: 'pods', gracefulDeletion: (_pod, requested) => requested ?? 30 };

let server: TestServer;

beforeEach(async () => {
  server = await startTestServer({ strategies: [podStrategy] });
});

async function makePod(name: string, phase = 'Running', isReady = true): Promise<void> {
  const spec = { containers: [{ name: 'c', image: 'i' }] };
  await server.call('POST', pods, { object: { metadata: { name, labels: { app: 'a' } }, spec } });
  const conditions = [{ type: 'Ready', status: isReady ? 'True' : 'False' }];
  const status = await server.call('PUT', `${pods}/${name}/status`, {
    object: { metadata: { name, labels: { app: 'a' } }, status: { phase, conditions } },
  });
  expect(status.status).toBe(200);
}

async function makeBudget(name: string, status: object, spec: object = {}): Promise<void> {
  const object = { metadata: { name }, spec: { minAvailable: 1, selector: { matchLabels: { app: 'a' } }, ...spec } };
  await server.call('POST', budgets, { object });
  await server.call('PUT', `${budgets}/${name}/status`, {
    object: { metadata: { name }, status: { observedGeneration: 1, ...counts, ...status } },
  });
}

const counts = { currentHealthy: 1, desiredHealthy: 1, expectedPods: 1, disruptionsAllowed: 0 };

function evict(name: string, more: object = {}, query = '') {
  const object = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name }, ...more };
  return server.call('POST', `${pods}/${name}/eviction${query}`, { object });
}

function refusal(message: string, retryAfterSeconds?: number): object {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    reason: 'TooManyRequests',
    details: {
      causes: [{ reason: 'DisruptionBudget', message }],
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    },
    code: 429,
  };
}

test('an evicted pod says why it goes', async () => {
  await makePod('p');
  const { status, body } = await evict('p');
  expect([status, body]).toEqual([
    201,
    { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 },
  ]);
  const pod = (await server.call('GET', `${pods}/p`)).body;
  expect(pod.metadata.deletionTimestamp).toBe('2026-01-01T00:00:30Z');
  expect(pod.status.conditions).toContainEqual({
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  });
});

test('a budget is spent, and then refuses', async () => {
  await makePod('p');
  await makePod('q');
  await makeBudget('b', { disruptionsAllowed: 1, currentHealthy: 2 });
  expect((await evict('p', {}, '?dryRun=All')).status).toBe(201);
  expect((await server.call('GET', `${budgets}/b`)).body.status.disruptionsAllowed).toBe(1);
  expect((await evict('p')).status).toBe(201);
  const { status } = (await server.call('GET', `${budgets}/b`)).body;
  expect(status).toMatchObject({
    disruptionsAllowed: 0,
    disruptedPods: { p: '2026-01-01T00:00:00Z' },
    conditions: [{ type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods', observedGeneration: 1 }],
  });
  const refused = await evict('q');
  expect([refused.body, refused.headers['retry-after']]).toEqual([
    refusal('The disruption budget b needs 1 healthy pods and has 2 currently'),
    undefined,
  ]);
  expect((await server.call('GET', `${pods}/q`)).body.metadata.deletionTimestamp).toBeUndefined();
});

test('a budget that nobody has worked out yet refuses for the time being', async () => {
  await makePod('p');
  await makeBudget('b', { observedGeneration: 0, disruptionsAllowed: 1 });
  const { body, headers } = await evict('p');
  expect(body).toEqual(refusal('The disruption budget b is still being processed by the server.', 10));
  expect(headers['retry-after']).toBe('10');
});

test.each([
  ['has not begun', 'Pending', true, {}, {}],
  ['has ended', 'Succeeded', true, {}, {}],
  ['is not ready while enough are', 'Running', false, {}, {}],
  [
    'is not ready where the budget does not mind',
    'Running',
    false,
    { currentHealthy: 0 },
    { unhealthyPodEvictionPolicy: 'AlwaysAllow' },
  ],
])('a pod that %s goes whatever the budget allows', async (_what, phase, isReady, status, spec) => {
  await makePod('p', phase, isReady);
  await makeBudget('b', status, spec);
  expect((await evict('p')).status).toBe(201);
});

test('a pod that is not ready counts while too few are', async () => {
  await makePod('p', 'Running', false);
  await makeBudget('b', { currentHealthy: 0 });
  expect((await evict('p')).body).toEqual(refusal('The disruption budget b needs 1 healthy pods and has 0 currently'));
});

test('many evictions at once take no more than the budget has', async () => {
  const names = Array.from({ length: 8 }, (_, i) => `p${i}`);
  for (const name of names) await makePod(name);
  await makeBudget('b', { disruptionsAllowed: 3, currentHealthy: 8, desiredHealthy: 5 });
  const statuses = (await Promise.all(names.map((name) => evict(name)))).map(({ status }) => status);
  expect(statuses.sort()).toEqual([201, 201, 201, 429, 429, 429, 429, 429]);
});

test('an eviction may name the pod it means', async () => {
  await makePod('p');
  const other = await evict('p', { deleteOptions: { preconditions: { uid: 'x' } } });
  expect([other.status, other.body.message]).toEqual([
    409,
    expect.stringContaining('Precondition failed: UID in precondition: x, UID in object meta: '),
  ]);
  expect((await evict('p', { metadata: { name: 'q' } })).body.message).toBe(
    'name in URL does not match name in Eviction object',
  );
  expect((await evict('none')).body.message).toBe('pods "none" not found');
});

test('two budgets over one pod are more than an eviction knows to keep', async () => {
  await makePod('p');
  await makeBudget('a', { disruptionsAllowed: 1 });
  await makeBudget('b', { disruptionsAllowed: 1 });
  const { status, body } = await evict('p');
  expect([status, body.message]).toEqual([
    500,
    'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
  ]);
});
