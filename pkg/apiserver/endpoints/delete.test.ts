import { expect, test } from 'vitest';
import type { Strategy } from '../strategy.ts';
import { startTestServer } from '../testing/test-server.ts';

const maps = '/api/v1/namespaces/default/configmaps';

async function finalizersAfter(strategy: Partial<Strategy>, query: string, own: readonly string[] = []) {
  const { call } = await startTestServer({ strategies: [{ group: '', resource: 'configmaps', ...strategy }] });
  await call('POST', maps, { object: { metadata: { name: 'a', finalizers: own } } });
  const { headers } = await call('DELETE', `${maps}/a${query}`);
  const { metadata } = (await call('GET', `${maps}/a`)).body;
  return [metadata?.finalizers ?? 'gone', headers.warning];
}

const orphans = { dependents: 'orphan', dependentsWarning: 'they stay' } as const;
const warned = '299 - "they stay"';

test.each([
  [{}, '', 'gone', undefined],
  [{}, '?orphanDependents=true', ['orphan'], undefined],
  [orphans, '', ['orphan'], warned],
  [orphans, '?propagationPolicy=Orphan', ['orphan'], undefined],
  [orphans, '?propagationPolicy=Background', 'gone', undefined],
  [orphans, '?propagationPolicy=Foreground', ['foregroundDeletion'], undefined],
  [orphans, '?orphanDependents=false', 'gone', undefined],
  [{ dependents: 'none' }, '?propagationPolicy=Foreground', 'gone', undefined],
] as const)('of %j a deletion%s leaves %j', async (strategy, query, finalizers, warning) => {
  expect(await finalizersAfter(strategy, query)).toEqual([finalizers, warning]);
});

test('a finalizer that is there already says what becomes of dependents', async () => {
  expect(await finalizersAfter(orphans, '', ['foregroundDeletion'])).toEqual([['foregroundDeletion'], warned]);
});

test('the deletion of a collection says by default what each deletion says', async () => {
  const { call } = await startTestServer({ strategies: [{ group: '', resource: 'configmaps', ...orphans }] });
  await call('POST', maps, { object: { metadata: { name: 'a' } } });
  const { body, headers } = await call('DELETE', maps);
  expect([body.items[0].metadata.finalizers, headers.warning]).toEqual([['orphan'], warned]);
});

test('a name whose holder is being deleted is said to be', async () => {
  const { call } = await startTestServer();
  await call('POST', maps, { object: { metadata: { name: 'a', finalizers: ['x.io/y'] } } });
  await call('DELETE', `${maps}/a`);
  const { body } = await call('POST', maps, { object: { metadata: { name: 'a' } } });
  expect(body).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'object is being deleted: configmaps "a" already exists',
    reason: 'AlreadyExists',
    details: { name: 'a', kind: 'configmaps' },
    code: 409,
  });
});

test('a storage class that is deleted is answered, a ConfigMap is not', async () => {
  const { call } = await startTestServer();
  const classes = '/apis/storage.k8s.io/v1/storageclasses';
  const { body: made } = await call('POST', classes, { object: { metadata: { name: 's' }, provisioner: 'p' } });
  expect((await call('DELETE', `${classes}/s`)).body).toEqual(made);
});
