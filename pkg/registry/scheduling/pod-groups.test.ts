import { beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '#pkg/apiserver/testing/test-server.ts';
import { podGroupStrategies } from './pod-groups.ts';

const group = '/apis/scheduling.k8s.io/v1alpha2/namespaces/default';
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({
    strategies: podGroupStrategies,
    runtimeConfig: { 'scheduling.k8s.io/v1alpha2': true },
  });
});

const podGroup = (name: string, schedulingPolicy: unknown, more: object = {}) => ({
  apiVersion: 'scheduling.k8s.io/v1alpha2',
  kind: 'PodGroup',
  metadata: { name },
  spec: { schedulingPolicy, ...more },
});

async function post(resource: string, body: object) {
  const answer = await server.call('POST', `${group}/${resource}`, { object: body });
  const causes: readonly { field: string; message: string }[] = answer.body?.details?.causes ?? [];
  return { ...answer, problems: causes.map(({ field, message }) => `${field}: ${message}`) };
}

test.each([
  [{}, ['spec.schedulingPolicy: Required value: must specify one of: `basic`, `gang`']],
  [{ gang: {} }, ['spec.schedulingPolicy.gang.minCount: Required value']],
  [
    { gang: { minCount: -1 } },
    ['spec.schedulingPolicy.gang.minCount: Invalid value: -1: must be greater than or equal to 1'],
  ],
])('a pod group has exactly one policy, and a gang at least one pod: %j', async (policy, problems) => {
  const answer = await post('podgroups', podGroup('wrong', policy));
  expect([answer.status, answer.problems]).toEqual([422, problems]);
});

test('two policies are one too many, and a workload needs templates with names of their own', async () => {
  const both = await post('podgroups', podGroup('both', { basic: {}, gang: { minCount: 1 } }));
  expect([both.status, both.body?.details?.causes?.[0]?.field]).toEqual([422, 'spec.schedulingPolicy']);
  const workload = { apiVersion: 'scheduling.k8s.io/v1alpha2', kind: 'Workload', metadata: { name: 'w' } };
  const none = await post('workloads', { ...workload, spec: { podGroupTemplates: [] } });
  expect(none.problems).toEqual(['spec.podGroupTemplates: Required value: must have at least one item']);
});

test('what is scheduled does not change afterwards, the status is the scheduler alone its own, and gated fields are dropped', async () => {
  const made = await post('podgroups', {
    ...podGroup('train', { gang: { minCount: 2 } }, { schedulingConstraints: { topology: [{ key: 'zone' }] } }),
    status: { conditions: [{ type: 'X', status: 'True', reason: 'X', message: '', lastTransitionTime: null }] },
  });
  expect([made.status, made.body?.spec, made.body?.status]).toEqual([
    201,
    { podGroupTemplateRef: null, schedulingPolicy: { gang: { minCount: 2 } } },
    {},
  ]);
  const changed = { ...made.body, spec: { schedulingPolicy: { gang: { minCount: 3 } } } };
  const answer = await server.call('PUT', `${group}/podgroups/train`, { object: changed });
  expect([answer.status, answer.body?.details?.causes?.[0]?.field]).toEqual([422, 'spec.schedulingPolicy']);
});

test('nobody comes to own gated fields, so that who sends back what was read changes nothing', async () => {
  const constraints = { schedulingConstraints: { topology: [{ key: 'zone' }] } };
  const template = { name: 'a', schedulingPolicy: { basic: {} }, ...constraints };
  const workload = {
    ...{ apiVersion: 'scheduling.k8s.io/v1alpha2', kind: 'Workload', metadata: { name: 'one' } },
    spec: { podGroupTemplates: [template] },
  };
  for (const [resource, object, spec] of [
    ['podgroups', podGroup('one', { basic: {} }, constraints), { schedulingPolicy: { basic: {} } }],
    ['workloads', workload, { podGroupTemplates: [{ ...template, schedulingConstraints: null }] }],
  ] as const) {
    const made = await post(resource, object);
    expect([made.status, made.body?.spec]).toMatchObject([201, spec]);
    const headers = { 'user-agent': 'another/1' };
    const again = await server.call('PUT', `${group}/${resource}/one`, { object: made.body, headers });
    expect([again.status, again.body]).toEqual([200, made.body]);
  }
});
