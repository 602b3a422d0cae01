import { afterEach, expect, test } from 'vitest';
import { configMaps, namespaces, pods, secrets, serviceAccounts } from '#pkg/api/types/refs.ts';
import { forbidden, serviceUnavailable } from '#pkg/apimachinery/status-error.ts';
import { type Harness, startHarness, templateOf, until } from '../testing/harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

const controllers = ['namespace-controller'];

async function makeShop() {
  await harness.client.resource(namespaces).create({ metadata: { name: 'shop' } });
  const metadata = { name: 'a', namespace: 'shop' };
  await harness.client.resource(configMaps).create({ metadata });
  await harness.client.resource(secrets).create({ metadata });
  await harness.client.resource(pods).create({ metadata, spec: templateOf('a', 'v1').spec });
  await harness.clock.settle();
}

test('a deleted namespace goes with all that is in it, pods first', async () => {
  harness = await startHarness({ controllers });
  await makeShop();
  await harness.client.resource(namespaces).delete('shop');
  await until(harness, async () => (await harness.get(namespaces, 'shop')) === undefined);
  expect([...(await harness.list(configMaps, 'shop')), ...(await harness.list(pods, 'shop'))]).toEqual([]);
  const deletes = harness.writes.filter((line) => line.startsWith('DELETE'));
  expect(deletes[0]).toBe('DELETE /api/v1/namespaces/shop/pods');
  expect(deletes).toContain('DELETE /api/v1/namespaces/shop/secrets');
});

test('a namespace waits for finalizers and says for which', async () => {
  harness = await startHarness({ controllers });
  await makeShop();
  await harness.client
    .resource(configMaps)
    .patch('a', { metadata: { finalizers: ['example.com/keep'] } }, { namespace: 'shop', type: 'merge' });
  await harness.client.resource(namespaces).delete('shop');
  await harness.clock.advance(10_000);
  const { status } = (await harness.get(namespaces, 'shop'))!;
  expect(status?.phase).toBe('Terminating');
  expect(
    Object.fromEntries((status?.conditions ?? []).map((c) => [c.type, `${c.status} ${c.reason}: ${c.message}`])),
  ).toEqual({
    NamespaceDeletionDiscoveryFailure: 'False ResourcesDiscovered: All resources successfully discovered',
    NamespaceDeletionGroupVersionParsingFailure: 'False ParsedGroupVersions: All legacy kube types successfully parsed',
    NamespaceDeletionContentFailure:
      'False ContentDeleted: All content successfully deleted, may be waiting on finalization',
    NamespaceContentRemaining:
      'True SomeResourcesRemain: Some resources are remaining: configmaps. has 1 resource instances',
    NamespaceFinalizersRemaining:
      'True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/keep in 1 resource instances',
  });
  await harness.client
    .resource(configMaps)
    .patch('a', { metadata: { finalizers: null } }, { namespace: 'shop', type: 'merge' });
  await harness.clock.advance(10_000);
  expect(await harness.get(namespaces, 'shop')).toBeUndefined();
});

test('what cannot be discovered or deleted is told in the conditions and tried again', async () => {
  harness = await startHarness({ controllers });
  await makeShop();
  harness.hooks.beforeRequest = (request) => {
    if (request.path === '/apis/batch/v1') return Promise.reject(serviceUnavailable('out of order'));
    const isSecrets = request.method === 'DELETE' && request.path.endsWith('/secrets');
    return isSecrets ? Promise.reject(forbidden({ group: '', resource: 'secrets' }, '', 'locked')) : Promise.resolve();
  };
  await harness.client.resource(namespaces).delete('shop');
  await harness.clock.advance(10_000);
  const told = (await harness.get(namespaces, 'shop'))?.status?.conditions ?? [];
  expect(told.filter(({ status }) => status === 'True').map(({ reason, message }) => `${reason}: ${message}`)).toEqual([
    'DiscoveryFailed: Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: batch/v1: out of order',
    'ContentDeletionFailed: Failed to delete all resource types, 1 remaining: secrets is forbidden: locked',
  ]);
  harness.hooks.beforeRequest = undefined;
  await until(harness, async () => (await harness.get(namespaces, 'shop')) === undefined);
});

test('a failure that is told otherwise each time is tried again no sooner for it', async () => {
  harness = await startHarness({ controllers });
  await makeShop();
  let tries = 0;
  harness.hooks.beforeRequest = (request) => {
    const isSecrets = request.method === 'DELETE' && request.path.endsWith('/secrets');
    // Tries without a pause would never let the clock go on.
    return isSecrets && tries < 50 ? Promise.reject(serviceUnavailable(`try ${++tries}`)) : Promise.resolve();
  };
  await harness.client.resource(namespaces).delete('shop');
  // Back-off from 5 ms: the eleventh try is after 5 s at the earliest.
  await harness.clock.advance(5_000);
  expect(tries).toBeGreaterThan(2);
  expect(tries).toBeLessThanOrEqual(11);
});

test('every active namespace has its default account and the authority, also after they are deleted', async () => {
  harness = await startHarness({
    controllers: ['serviceaccount-controller', 'root-ca-certificate-publisher-controller'],
    options: { rootCa: 'PEM' },
  });
  await harness.client.resource(namespaces).create({ metadata: { name: 'shop' } });
  await harness.clock.settle();
  expect(
    (await harness.list(serviceAccounts)).map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`),
  ).toEqual([
    'default/default',
    'kube-node-lease/default',
    'kube-public/default',
    'kube-system/default',
    'shop/default',
  ]);
  expect((await harness.get(configMaps, 'shop/kube-root-ca.crt'))?.data).toEqual({ 'ca.crt': 'PEM' });
  await harness.client.resource(serviceAccounts).delete('default', { namespace: 'shop' });
  await harness.client.resource(configMaps).delete('kube-root-ca.crt', { namespace: 'shop' });
  await harness.client
    .resource(configMaps)
    .patch('kube-root-ca.crt', { data: { 'ca.crt': 'X' } }, { namespace: 'default', type: 'merge' });
  await harness.clock.settle();
  expect(await harness.get(serviceAccounts, 'shop/default')).toBeDefined();
  expect(await harness.get(configMaps, 'shop/kube-root-ca.crt')).toBeDefined();
  expect((await harness.get(configMaps, 'default/kube-root-ca.crt'))?.data).toEqual({ 'ca.crt': 'PEM' });
});
