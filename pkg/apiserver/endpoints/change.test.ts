import { expect, test } from 'vitest';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { startTestServer } from '../testing/test-server.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const merge = { 'content-type': 'application/merge-patch+json' };

test('of many patches at once none is lost and none is refused', async () => {
  const { call } = await startTestServer();
  await call('POST', maps, { object: { metadata: { name: 'hot' } } });
  const count = 100;
  const answers = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      call('PATCH', `${maps}/hot`, { object: { data: { [`k${i}`]: '1' } }, headers: merge }),
    ),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  expect(Object.keys((await call('GET', `${maps}/hot`)).body.data)).toHaveLength(count);
});

test('of many updates at once those that name a version are refused but for one, the others are all taken', async () => {
  const { call } = await startTestServer();
  const made = (await call('POST', maps, { object: { metadata: { name: 'hot' } } })).body;
  const put = (metadata: object, i: number) =>
    call('PUT', `${maps}/hot`, { object: { metadata, data: { i: `${i}` } } });
  const versioned = await Promise.all(Array.from({ length: 20 }, (_, i) => put(made.metadata, i)));
  expect(versioned.map(({ status }) => status).sort()).toEqual([200, ...Array(19).fill(409)]);
  const blind = await Promise.all(Array.from({ length: 20 }, (_, i) => put({ name: 'hot' }, i)));
  expect(blind.map(({ status }) => status)).toEqual(Array(20).fill(200));
});

test('an update that has to name a version is told so', async () => {
  const strategies = [{ group: 'coordination.k8s.io', resource: 'leases', unconditionalUpdate: false }];
  const { call } = await startTestServer({ strategies });
  const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
  await call('POST', leases, { object: { metadata: { name: 'l' } } });
  const { body } = await call('PUT', `${leases}/l`, { object: { metadata: { name: 'l' } } });
  const message = 'Invalid value: 0: must be specified for an update';
  expect(body).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: ${message}`,
    reason: 'Invalid',
    details: {
      name: 'l',
      group: 'coordination.k8s.io',
      kind: 'leases',
      causes: [{ reason: 'FieldValueInvalid', message, field: 'metadata.resourceVersion' }],
    },
    code: 422,
  });
});

test('what a caller in this process sends back as it was given is taken as it is, and what it was given stays', async () => {
  const strategies = [
    {
      group: '',
      resource: 'configmaps',
      prepareForUpdate(draft: JsonObject) {
        const metadata = draft.metadata as Record<string, Record<string, string>>;
        metadata.annotations!.rule = 'was here';
        metadata.labels!.rule = 'was-here';
        (draft.metadata as { finalizers: string[] }).finalizers.push('example.com/rule');
      },
    },
  ];
  const { call, raw } = await startTestServer({ strategies });
  const metadata = { name: 'm', labels: { a: 'b' }, annotations: { c: 'd' }, finalizers: ['example.com/f'] };
  await call('POST', maps, { object: { metadata, data: { i: '0' } } });
  const { body } = await raw('GET', `${maps}/m`);
  const given = (body as { object: KubeObject }).object;
  const before = structuredClone(given);
  const changed = await call('PUT', `${maps}/m`, { object: { ...given, data: { i: '1' } } });
  expect(changed.status).toBe(200);
  expect(given).toEqual(before);
  expect(changed.body.data).toEqual({ i: '1' });
  expect(changed.body.metadata).toMatchObject({
    uid: before.metadata!.uid,
    labels: { a: 'b', rule: 'was-here' },
    annotations: { c: 'd', rule: 'was here' },
    finalizers: ['example.com/f', 'example.com/rule'],
  });
  const stale = await call('PUT', `${maps}/m`, { object: { ...given, data: { i: '2' } } });
  expect(stale.status).toBe(409);
});
