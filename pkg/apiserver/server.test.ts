import { expect, test } from 'vitest';
import { badRequest } from '#pkg/apimachinery/status-error.ts';
import type { Strategy } from './strategy.ts';
import { startTestServer } from './testing/test-server.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';

/** Pods as far as the engine is concerned: they have a grace period. */
const podStrategy: Strategy = {
  group: '',
  resource: 'pods',
  gracefulDeletion: (_pod, requested) => requested ?? 30,
  selectableFields: (pod) => ({ 'spec.nodeName': (pod as { spec?: { nodeName?: string } }).spec?.nodeName ?? '' }),
};

function pod(name: string): object {
  return { metadata: { name }, spec: { containers: [{ name: 'c', image: 'i' }] } };
}

test('an object is created, read, changed and deleted, and each answer has its resourceVersion', async () => {
  const { call, watch } = await startTestServer();
  const made = await call('POST', maps, { object: { metadata: { name: 'a' }, data: { x: '1' } } });
  expect(made.status).toBe(201);
  expect(made.body).toEqual({
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: {
      name: 'a',
      namespace: 'default',
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      resourceVersion: '6',
      creationTimestamp: '2026-01-01T00:00:00Z',
      managedFields: [expect.objectContaining({ manager: 'unknown', operation: 'Update' })],
    },
    data: { x: '1' },
  });
  const events = await watch(`${maps}?watch=1&resourceVersion=6`);
  const read = await call('GET', `${maps}/a`);
  expect(read.body).toEqual(made.body);
  const changed = await call('PUT', `${maps}/a`, { object: { ...made.body, data: { x: '2' } } });
  expect([changed.status, changed.body.metadata.resourceVersion, changed.body.data]).toEqual([200, '7', { x: '2' }]);
  const deleted = await call('DELETE', `${maps}/a`);
  expect(deleted.body).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name: 'a', kind: 'configmaps', uid: made.body.metadata.uid },
  });
  expect(await events.next()).toEqual(['MODIFIED a', 'DELETED a']);
});

test('a write that changes nothing writes nothing', async () => {
  const { call } = await startTestServer();
  const made = await call('POST', maps, { object: { metadata: { name: 'a' }, data: { x: '1' } } });
  const again = await call('PUT', `${maps}/a`, { object: { metadata: { name: 'a' }, data: { x: '1' } } });
  const headers = { 'content-type': 'application/merge-patch+json' };
  const patched = await call('PATCH', `${maps}/a`, { object: { data: { x: '1' } }, headers });
  expect([again.body, patched.body]).toEqual([made.body, made.body]);
});

test('the objects of a request are not changed', async () => {
  const { call } = await startTestServer();
  const object = Object.freeze({ metadata: Object.freeze({ name: 'a' }), data: Object.freeze({ x: '1' }) });
  await call('POST', maps, { object });
  expect((await call('PUT', `${maps}/a`, { object })).status).toBe(200);
});

test('what belongs to the cluster loses the namespace that a client gave it', async () => {
  const { call } = await startTestServer();
  const roles = '/apis/rbac.authorization.k8s.io/v1/clusterroles';
  const metadata = { name: 'r', namespace: 'anywhere' };
  const apply = (name: string) => ({
    text: JSON.stringify({
      kind: 'ClusterRole',
      apiVersion: 'rbac.authorization.k8s.io/v1',
      metadata: { ...metadata, name },
    }),
    headers: { 'content-type': 'application/apply-patch+yaml' },
  });
  const merge = { object: { metadata }, headers: { 'content-type': 'application/merge-patch+json' } };
  const answers = [
    await call('POST', roles, { object: { metadata } }),
    await call('PUT', `${roles}/r`, { object: { metadata, rules: [] } }),
    await call('PATCH', `${roles}/r`, merge),
    await call('PATCH', `${roles}/r?fieldManager=m`, apply('r')),
    await call('PATCH', `${roles}/s?fieldManager=m`, apply('s')),
    await call('POST', '/api/v1/namespaces', { object: { metadata: { name: 'n', namespace: 'other' } } }),
  ];
  expect(answers.map(({ status, body }) => [status, body.metadata.namespace])).toEqual([
    [201, undefined],
    [200, undefined],
    [200, undefined],
    [200, undefined],
    [201, undefined],
    [201, undefined],
  ]);
});

test('generated names are tried again until one is free', async () => {
  const { call } = await startTestServer();
  const names = new Set<string>();
  for (let i = 0; i < 50; i++) {
    const { body } = await call('POST', maps, { object: { metadata: { generateName: 'web-' } } });
    names.add(body.metadata.name);
  }
  expect(names.size).toBe(50);
  for (const name of names) expect(name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
});

test('dry runs answer as the real thing and leave no trace', async () => {
  const { call, store } = await startTestServer();
  await call('POST', maps, { object: { metadata: { name: 'a' }, data: { x: '1' } } });
  const before = await store.currentRevision();
  const made = await call('POST', `${maps}?dryRun=All`, { object: { metadata: { name: 'b' } } });
  const taken = await call('POST', `${maps}?dryRun=All`, { object: { metadata: { name: 'a' } } });
  const changed = await call('PUT', `${maps}/a?dryRun=All`, { object: { metadata: { name: 'a' }, data: { x: '2' } } });
  const deleted = await call('DELETE', `${maps}/a?dryRun=All`);
  expect([made.status, taken.status, changed.body.data, deleted.status]).toEqual([201, 409, { x: '2' }, 200]);
  expect(await store.currentRevision()).toBe(before);
});

test('the status subresource changes the status only, the object everything else', async () => {
  const { call } = await startTestServer();
  await call('POST', pods, { object: { ...pod('p'), status: { phase: 'Running' } } });
  const { body: made } = await call('GET', `${pods}/p`);
  expect([made.status, made.metadata.generation]).toEqual([{}, 1]);
  const wanted = { ...made, spec: { ...made.spec, nodeName: 'n' }, status: { phase: 'Running' } };
  const viaStatus = await call('PUT', `${pods}/p/status`, { object: { ...wanted, metadata: { name: 'p' } } });
  expect([viaStatus.body.spec.nodeName, viaStatus.body.status, viaStatus.body.metadata.generation]).toEqual([
    undefined,
    { phase: 'Running' },
    1,
  ]);
  const viaObject = await call('PUT', `${pods}/p`, {
    object: { ...wanted, metadata: { name: 'p' }, status: { phase: 'Failed' } },
  });
  expect([viaObject.body.spec.nodeName, viaObject.body.status, viaObject.body.metadata.generation]).toEqual([
    'n',
    { phase: 'Running' },
    2,
  ]);
});

test('labels and annotations pass through the status, but for what the strategy keeps', async () => {
  const strategies = [{ ...podStrategy, subresources: { status: { keepsMetadata: ['labels'] } } }];
  const { call } = await startTestServer({ strategies });
  await call('POST', pods, { object: pod('p') });
  const metadata = { name: 'p', labels: { a: '1' }, annotations: { b: '2' } };
  const { body } = await call('PUT', `${pods}/p/status`, { object: { ...pod('p'), metadata } });
  expect([body.metadata.labels, body.metadata.annotations]).toEqual([undefined, { b: '2' }]);
});

test('graceful deletion waits, may be shortened but not prolonged, and ends with a deletion without grace', async () => {
  const { call } = await startTestServer({ strategies: [podStrategy] });
  await call('POST', pods, { object: pod('p') });
  const times = async (query: string) => {
    const { deletionTimestamp, deletionGracePeriodSeconds } = (await call('DELETE', `${pods}/p${query}`)).body.metadata;
    return [deletionTimestamp, deletionGracePeriodSeconds];
  };
  expect(await times('')).toEqual(['2026-01-01T00:00:30Z', 30]);
  expect(await times('?gracePeriodSeconds=60')).toEqual(['2026-01-01T00:00:30Z', 30]);
  expect(await times('?gracePeriodSeconds=5')).toEqual(['2026-01-01T00:00:05Z', 5]);
  expect((await call('DELETE', `${pods}/p?gracePeriodSeconds=0`)).status).toBe(200);
  expect((await call('GET', `${pods}/p`)).status).toBe(404);
});

test('an object with finalizers goes when the last of them is taken away', async () => {
  const { call } = await startTestServer();
  await call('POST', maps, { object: { metadata: { name: 'a', finalizers: ['x.io/y'] } } });
  const { body: marked } = await call('DELETE', `${maps}/a`);
  expect([marked.metadata.deletionTimestamp, marked.metadata.deletionGracePeriodSeconds]).toEqual([
    '2026-01-01T00:00:00Z',
    0,
  ]);
  const added = await call('PUT', `${maps}/a`, {
    object: { metadata: { name: 'a', finalizers: ['x.io/y', 'x.io/z'] } },
  });
  expect(added.body.message).toContain('no new finalizers can be added if the object is being deleted');
  expect((await call('PUT', `${maps}/a`, { object: { metadata: { name: 'a' } } })).status).toBe(200);
  expect((await call('GET', `${maps}/a`)).status).toBe(404);
});

test('the propagation policy leaves its finalizer for the garbage collector', async () => {
  const { call } = await startTestServer();
  const finalizers = [];
  for (const policy of ['Orphan', 'Foreground', 'Background']) {
    await call('POST', maps, { object: { metadata: { name: policy.toLowerCase() } } });
    await call('DELETE', `${maps}/${policy.toLowerCase()}`, { object: { propagationPolicy: policy } });
    finalizers.push((await call('GET', `${maps}/${policy.toLowerCase()}`)).body.metadata?.finalizers);
  }
  expect(finalizers).toEqual([['orphan'], ['foregroundDeletion'], undefined]);
});

test('a namespace stays until it is finalized and takes nothing new', async () => {
  const { call } = await startTestServer();
  const object = { metadata: { name: 'n' }, spec: { finalizers: ['kubernetes'] } };
  await call('POST', '/api/v1/namespaces', { object });
  const { body: marked } = await call('DELETE', '/api/v1/namespaces/n');
  expect(marked.metadata.deletionTimestamp).toBe('2026-01-01T00:00:00Z');
  const refused = await call('POST', '/api/v1/namespaces/n/configmaps', { object: { metadata: { name: 'a' } } });
  expect(refused.body).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'configmaps "a" is forbidden: unable to create new content in namespace n because it is being terminated',
    reason: 'Forbidden',
    details: {
      name: 'a',
      kind: 'configmaps',
      causes: [
        { reason: 'NamespaceTerminating', message: 'namespace n is being terminated', field: 'metadata.namespace' },
      ],
    },
    code: 403,
  });
  await call('PUT', '/api/v1/namespaces/n/finalize', { object: { metadata: { name: 'n' }, spec: { finalizers: [] } } });
  expect((await call('GET', '/api/v1/namespaces/n')).status).toBe(404);
});

test('a collection is deleted by selector', async () => {
  const { call } = await startTestServer();
  for (const name of ['a', 'b', 'c']) {
    await call('POST', maps, { object: { metadata: { name, labels: { keep: name === 'b' ? 'yes' : 'no' } } } });
  }
  const deleted = await call('DELETE', `${maps}?labelSelector=keep%3Dno`);
  const left = await call('GET', maps);
  const names = (list: { items: { metadata: { name: string } }[] }) => list.items.map(({ metadata }) => metadata.name);
  expect([names(deleted.body), names(left.body)]).toEqual([['a', 'c'], ['b']]);
  expect(Object.keys(deleted.body.items[0])).toEqual(['metadata']);
});

test('a pod is bound once', async () => {
  const { call } = await startTestServer({ strategies: [podStrategy] });
  await call('POST', pods, { object: pod('p') });
  const bind = (node: string) =>
    call('POST', `${pods}/p/binding`, { object: { metadata: { name: 'p' }, target: { kind: 'Node', name: node } } });
  expect((await bind('n1')).status).toBe(201);
  const { body: bound } = await call('GET', `${pods}/p`);
  expect(bound.metadata.generation).toBe(1);
  const condition = { type: 'PodScheduled', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' };
  expect([bound.spec.nodeName, bound.status.conditions]).toEqual(['n1', [expect.objectContaining(condition)]]);
  expect((await bind('n2')).body.message).toBe(
    'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
  );
});

test('a pod takes labels and annotations of its binding, and is promised to no node once it has one (fault 28)', async () => {
  const { call } = await startTestServer({ strategies: [podStrategy] });
  const labels = { app: 'web', zone: 'mine' };
  await call('POST', pods, { object: { ...pod('p'), metadata: { name: 'p', labels } } });
  await call('PATCH', `${pods}/p/status`, {
    object: { status: { nominatedNodeName: 'n2' } },
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  const metadata = { name: 'p', labels: { zone: 'a' }, annotations: { why: 'packed' } };
  const bound = await call('POST', `${pods}/p/binding`, { object: { metadata, target: { kind: 'Node', name: 'n1' } } });
  expect(bound.status).toBe(201);
  const { body } = await call('GET', `${pods}/p`);
  expect(body.metadata).toMatchObject({ labels: { app: 'web', zone: 'a' }, annotations: { why: 'packed' } });
  expect([body.spec.nodeName, body.status.nominatedNodeName]).toEqual(['n1', undefined]);
});

test('an eviction deletes the pod', async () => {
  const { call } = await startTestServer();
  await call('POST', pods, { object: pod('p') });
  const object = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' } };
  expect((await call('POST', `${pods}/p/eviction`, { object })).status).toBe(201);
  expect((await call('GET', `${pods}/p`)).status).toBe(404);
});

test('server-side apply creates, changes, takes away, and does not take what others own', async () => {
  const { call } = await startTestServer();
  const apply = (manager: string, data: object, query = '') =>
    call('PATCH', `${maps}/a?fieldManager=${manager}${query}`, {
      text: JSON.stringify({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'a' }, data }),
      headers: { 'content-type': 'application/apply-patch+yaml' },
    });
  expect((await apply('one', { x: '1', y: '1' })).status).toBe(201);
  expect((await apply('one', { x: '2' })).body.data).toEqual({ x: '2' });
  const refused = await apply('two', { x: '3' });
  expect([refused.status, refused.body.message]).toEqual([
    409,
    'Apply failed with 1 conflict: conflict with "one": .data.x',
  ]);
  const forced = await apply('two', { x: '3' }, '&force=true');
  expect(forced.body.data).toEqual({ x: '3' });
  expect((await apply('two', { x: '3' })).body).toEqual(forced.body);
});

test('a change that loses a race is made again from the newer state', async () => {
  let interfere: (() => Promise<unknown>) | undefined;
  const { call } = await startTestServer({
    strategies: [
      {
        group: '',
        resource: 'configmaps',
        async begin() {
          const action = interfere;
          interfere = undefined;
          await action?.();
          return undefined;
        },
      },
    ],
  });
  await call('POST', maps, { object: { metadata: { name: 'a' }, data: { x: '1' } } });
  const headers = { 'content-type': 'application/merge-patch+json' };
  interfere = () => call('PATCH', `${maps}/a`, { object: { data: { y: '1' } }, headers });
  const patched = await call('PATCH', `${maps}/a`, { object: { data: { z: '1' } }, headers });
  expect(patched.body.data).toEqual({ x: '1', y: '1', z: '1' });
  interfere = () => call('PATCH', `${maps}/a`, { object: { data: { y: '2' } }, headers });
  const put = await call('PUT', `${maps}/a`, { object: { ...patched.body, data: {} } });
  expect(put.status).toBe(409);
});

test('what is reserved is kept with the write and given back without it', async () => {
  const journal: string[] = [];
  const { call } = await startTestServer({
    strategies: [
      {
        group: '',
        resource: 'configmaps',
        begin: async (draft) => {
          journal.push(draft === undefined ? 'begin delete' : 'begin');
          return { commit: () => void journal.push('commit'), rollback: () => void journal.push('rollback') };
        },
      },
    ],
  });
  await call('POST', maps, { object: { metadata: { name: 'a' } } });
  await call('POST', maps, { object: { metadata: { name: 'a' } } });
  await call('DELETE', `${maps}/a`);
  expect(journal).toEqual(['begin', 'commit', 'begin', 'rollback', 'begin delete', 'commit']);
});

test('admission changes drafts before validation and refuses after it', async () => {
  const { call } = await startTestServer({
    admission: [
      {
        name: 'Test',
        handles: ({ resource, operation }) => resource === 'configmaps' && operation === 'CREATE',
        async admit({ draft }) {
          draft!.data = { admitted: 'yes' };
        },
        async validate({ name }) {
          if (name === 'bad') throw badRequest('no');
        },
      },
    ],
  });
  expect((await call('POST', maps, { object: { metadata: { name: 'good' } } })).body.data).toEqual({ admitted: 'yes' });
  expect((await call('POST', maps, { object: { metadata: { name: 'bad' } } })).body.message).toBe('no');
});

test('one event is seen in both of its groups', async () => {
  const { call } = await startTestServer();
  const object = {
    metadata: { name: 'e' },
    note: 'hello',
    regarding: { kind: 'Pod', name: 'p', namespace: 'default' },
    reason: 'r',
    type: 'Normal',
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'c',
  };
  const made = await call('POST', '/apis/events.k8s.io/v1/namespaces/default/events', { object });
  expect([made.body.apiVersion, made.body.note]).toEqual(['events.k8s.io/v1', 'hello']);
  const core = await call('GET', '/api/v1/namespaces/default/events/e');
  expect([core.body.apiVersion, core.body.message, core.body.involvedObject.name]).toEqual(['v1', 'hello', 'p']);
  const listed = await call('GET', '/apis/events.k8s.io/v1/events');
  expect(listed.body.items[0].note).toBe('hello');
});

test('an autoscaler is seen in both of its versions', async () => {
  const { call } = await startTestServer();
  const path = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers';
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' };
  const spec = { scaleTargetRef, minReplicas: 1, maxReplicas: 3, targetCPUUtilizationPercentage: 80 };
  const made = await call('POST', path, { object: { metadata: { name: 'h' }, spec } });
  expect(made.body.spec).toEqual(spec);
  const { body: v2 } = await call('GET', path.replace('v1', 'v2').concat('/h'));
  const metric = {
    type: 'Resource',
    resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } },
  };
  expect(v2.spec).toEqual({ scaleTargetRef, minReplicas: 1, maxReplicas: 3, metrics: [metric] });
});

test('the store forgets its past after a while', async () => {
  const { call, server, clock } = await startTestServer();
  const stop = new AbortController();
  const running = server.run(stop.signal);
  await call('POST', maps, { object: { metadata: { name: 'a' } } });
  await clock.advance(700_000);
  expect((await call('GET', `${maps}?resourceVersion=4&resourceVersionMatch=Exact`)).status).toBe(410);
  stop.abort();
  await running;
});

test('more writes at once than the limit wait, and more than may wait are told to come back', async () => {
  const { call } = await startTestServer({ limits: { writeInFlightMax: 1, waitingMax: 1 } });
  const answers = await Promise.all(
    ['a', 'b', 'c'].map((name) => call('POST', maps, { object: { metadata: { name } } })),
  );
  expect(answers.map(({ status, headers }) => [status, headers['retry-after']])).toEqual([
    [201, undefined],
    [201, undefined],
    [429, '1'],
  ]);
});

test('objects come as tables, as metadata only, as YAML and indented', async () => {
  const { call } = await startTestServer();
  await call('POST', maps, { object: { metadata: { name: 'a' }, data: { x: '1' } } });
  const as = (accept: string) => ({ headers: { accept } });
  const table = await call('GET', maps, as('application/json;as=Table;v=v1;g=meta.k8s.io,application/json'));
  expect(table.body).toMatchObject({
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    rows: [{ object: { kind: 'PartialObjectMetadata' } }],
  });
  const partial = await call('GET', maps, as('application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io'));
  expect(partial.body).toMatchObject({ kind: 'PartialObjectMetadataList', items: [{ metadata: { name: 'a' } }] });
  expect(partial.body.items[0]).not.toHaveProperty('data');
  const yaml = await call('GET', `${maps}/a`, as('application/yaml'));
  expect(yaml.text).toMatch(/^apiVersion: v1\ndata:\n {2}x: "1"\nkind: ConfigMap\n/);
  const pretty = await call('GET', `${maps}/a?pretty=true`);
  expect(pretty.text.startsWith('{\n  "kind": "ConfigMap"')).toBe(true);
});

test('of the answer to a question there is no table', async () => {
  const { call } = await startTestServer();
  const reviews = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const object = { spec: { nonResourceAttributes: { path: '/', verb: 'get' } } };
  const ask = (accept: string) => call('POST', reviews, { object, headers: { accept } });
  const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  expect((await ask(table)).status).toBe(406);
  expect((await ask(`${table},application/json`)).body.kind).toBe('SelfSubjectAccessReview');
});

test('health says which check it is about', async () => {
  const { call } = await startTestServer();
  expect((await call('GET', '/readyz?verbose')).text).toBe(
    '[+]ping ok\n[+]log ok\n[+]etcd ok\n[+]poststarthook/bootstrap ok\n[+]shutdown ok\nreadyz check passed\n',
  );
  expect((await call('GET', '/livez/etcd')).text).toBe('ok');
  expect((await call('GET', '/livez/nothing')).status).toBe(404);
});

test('requests are counted', async () => {
  const { call } = await startTestServer();
  await call('GET', maps);
  const { text } = await call('GET', '/metrics');
  expect(text).toContain(
    'apiserver_request_total{verb="LIST",dry_run="",group="",version="v1",resource="configmaps",subresource="",scope="namespace",component="apiserver",code="200"} 1',
  );
});

test('a request for a resource that nobody asked for before the server stopped is refused at once', async () => {
  const { server, call } = await startTestServer();
  const stop = new AbortController();
  const running = server.run(stop.signal);
  stop.abort();
  await running;
  expect((await call('GET', '/apis/apps/v1/daemonsets')).status).toBe(503);
});
