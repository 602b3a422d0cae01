/** What a request leaves in the audit. The expectations are what a kube-apiserver writes for the same requests. */
import { expect, test } from 'vitest';
import { Metrics } from '#pkg/base/metrics.ts';
import { startTestServer } from '../testing/test-server.ts';
import type { AuditSink } from './auditor.ts';
import { type AuditPolicy, auditDecider } from './policy.ts';

const configMaps = '/api/v1/namespaces/default/configmaps';

async function auditedServer(policy: AuditPolicy, record?: AuditSink['record']) {
  // biome-ignore lint/suspicious/noExplicitAny: events of every shape are looked into.
  const events: any[] = [];
  const metrics = new Metrics();
  const keep: AuditSink['record'] = (event) => {
    events.push(JSON.parse(event.json));
    return true;
  };
  const server = await startTestServer({
    audit: { decide: auditDecider(policy), metrics, sink: { record: record ?? keep } },
  });
  events.length = 0;
  return { ...server, events, metrics, last: () => events.at(-1) };
}

const everything: AuditPolicy = { rules: [{ level: 'RequestResponse' }] };

test('a create is told at its arrival and at its end, with who, what, whether and why', async () => {
  const { call, events } = await auditedServer({ rules: [{ level: 'Metadata' }] });
  await call('POST', `${configMaps}?fieldManager=x`, {
    object: { metadata: { name: 'a' } },
    headers: { 'user-agent': 'me <you>', 'audit-id': 'my-id', 'x-forwarded-for': '1.2.3.4, nonsense' },
  });
  const common = {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: 'my-id',
    requestURI: `${configMaps}?fieldManager=x`,
    verb: 'create',
    user: { username: 'admin', groups: ['system:masters', 'system:authenticated'] },
    sourceIPs: ['1.2.3.4'],
    userAgent: 'me <you>',
    requestReceivedTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    stageTimestamp: expect.stringMatching(/\.\d{6}Z$/),
  };
  expect(events).toEqual([
    {
      ...common,
      stage: 'RequestReceived',
      objectRef: { resource: 'configmaps', namespace: 'default', apiVersion: 'v1' },
    },
    {
      ...common,
      stage: 'ResponseComplete',
      objectRef: { resource: 'configmaps', namespace: 'default', name: 'a', apiVersion: 'v1' },
      responseStatus: { metadata: {}, code: 201 },
      annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' },
    },
  ]);
});

test('the levels Request and RequestResponse tell what was sent and what was answered', async () => {
  const { call, last } = await auditedServer({
    rules: [{ level: 'Request', verbs: ['create'] }, { level: 'RequestResponse' }],
  });
  await call('POST', configMaps, { object: { metadata: { name: 'a' }, data: { k: '<v>' } } });
  const sent = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'a' }, data: { k: '<v>' } };
  expect(last()).toMatchObject({ level: 'Request', requestObject: sent });
  expect(last().requestObject.metadata).toEqual({ name: 'a' });
  expect(last()).not.toHaveProperty('responseObject');
  const { body } = await call('PATCH', `${configMaps}/a`, {
    object: { data: { k: 'w' } },
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  expect(last()).toMatchObject({ requestObject: { data: { k: 'w' } }, responseObject: body });
  await call('PUT', `${configMaps}/a`, { object: { ...sent, metadata: { name: 'a', resourceVersion: '1' } } });
  expect(last()).toMatchObject({
    objectRef: { name: 'a', resourceVersion: '1' },
    responseStatus: { status: 'Failure', reason: 'Conflict', code: 409 },
    responseObject: { kind: 'Status', code: 409 },
  });
  await call('DELETE', `${configMaps}/a`, { object: { kind: 'DeleteOptions', propagationPolicy: 'Background' } });
  expect(last()).toMatchObject({
    verb: 'delete',
    requestObject: { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/__internal', propagationPolicy: 'Background' },
    responseStatus: { metadata: {}, status: 'Success', details: { name: 'a', kind: 'configmaps' }, code: 200 },
  });
});

test('managed fields are left out of objects and lists where the policy says so', async () => {
  const { call, last } = await auditedServer({ ...everything, omitManagedFields: true });
  await call('POST', configMaps, { object: { metadata: { name: 'a' }, data: {} } });
  expect(last().responseObject.metadata).toMatchObject({ name: 'a' });
  expect(last().responseObject.metadata).not.toHaveProperty('managedFields');
  await call('GET', configMaps);
  expect(last().responseObject.items[0].metadata).not.toHaveProperty('managedFields');
});

test('what is not there, what is no resource and who is nobody', async () => {
  const { call, events, last } = await auditedServer(everything);
  await call('GET', `${configMaps}/none`);
  const notFound = { status: 'Failure', message: 'configmaps "none" not found', reason: 'NotFound', code: 404 };
  expect(last()).toMatchObject({ responseStatus: notFound, responseObject: notFound });
  await call('GET', '/version');
  expect(last()).toMatchObject({ verb: 'get', requestURI: '/version', responseStatus: { code: 200 } });
  expect(last()).not.toHaveProperty('objectRef');
  expect(last()).not.toHaveProperty('responseObject');
  events.length = 0;
  await call('GET', configMaps, { anonymous: true, headers: { authorization: 'Bearer no' } });
  expect(events).toMatchObject([{ stage: 'ResponseStarted', user: {}, responseStatus: { code: 401 } }]);
  await call('GET', configMaps, { anonymous: true });
  expect(last()).toMatchObject({
    user: { username: 'system:anonymous' },
    responseStatus: { reason: 'Forbidden', code: 403 },
    annotations: { 'authorization.k8s.io/decision': 'forbid' },
  });
  await call('GET', '/version', { headers: { 'impersonate-user': 'jane', 'impersonate-group': 'x' } });
  expect(last()).toMatchObject({
    user: { username: 'admin' },
    impersonatedUser: { username: 'jane', groups: ['x', 'system:authenticated'] },
  });
});

test('a watch is told when it starts and when it is over, however it ends', async () => {
  const { raw, clock, events } = await auditedServer({
    rules: [{ level: 'Metadata' }],
    omitStages: ['RequestReceived'],
  });
  const stages = (): readonly string[] => events.map(({ stage }) => stage);
  const { body } = await raw('GET', `${configMaps}?watch=1&timeoutSeconds=30`);
  if (body.kind !== 'watch') throw new Error(body.kind);
  const batches = body.batches[Symbol.asyncIterator]();
  expect(stages()).toEqual(['ResponseStarted']);
  const ended = batches.next();
  await clock.advance(31_000);
  expect(await ended).toMatchObject({ done: true });
  expect(stages()).toEqual(['ResponseStarted', 'ResponseComplete']);
  events.length = 0;
  const left = await raw('GET', `${configMaps}?watch=1`);
  if (left.body.kind !== 'watch') throw new Error(left.body.kind);
  left.body.ready?.close();
  expect(stages()).toEqual(['ResponseStarted', 'ResponseComplete']);
  events.length = 0;
  const gone = new AbortController();
  await raw('GET', `${configMaps}?watch=1`, { signal: gone.signal });
  gone.abort();
  expect(stages()).toEqual(['ResponseStarted', 'ResponseComplete']);
  expect(events[1]).toMatchObject({ verb: 'watch', responseStatus: { metadata: {}, code: 200 } });
});

test('a request is refused where its event cannot be kept and that is a condition', async () => {
  const { call, metrics } = await auditedServer({ rules: [{ level: 'Metadata' }] }, () => false);
  const { status, body } = await call('GET', configMaps);
  expect(status).toBe(500);
  expect(body.message).toBe('Internal error occurred: failed to store audit event');
  const counts = Object.fromEntries(metrics.families().map(({ name, samples }) => [name, samples[0]?.value]));
  expect(counts).toMatchObject({ apiserver_audit_requests_rejected_total: 1, apiserver_audit_level_total: 1 });
});

test('a level of None tells nothing, and what clients send cannot break a line', async () => {
  const { call, events, last } = await auditedServer({
    rules: [{ level: 'None', verbs: ['list'] }, { level: 'Metadata' }],
  });
  await call('GET', configMaps);
  expect(events).toEqual([]);
  await call('GET', `${configMaps}/a?x=%0a%22`, { headers: { 'user-agent': `"\n${'x'.repeat(2_000)}` } });
  expect(last()).toMatchObject({
    requestURI: `${configMaps}/a?x=%0a%22`,
    userAgent: `"\n${'x'.repeat(1_022)}...TRUNCATED`,
  });
});
