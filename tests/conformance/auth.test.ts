/** Service accounts and what comes with every namespace. */
import { expect } from 'vitest';
import { configMaps, pods, serviceAccounts } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { behaviour } from './behaviour.ts';
import { pod } from './objects.ts';
import { observe } from './observe.ts';

const area = '[sig-auth] ServiceAccounts';
const serviceAccount = (name: string, fields: object = {}) => ({
  apiVersion: 'v1' as const,
  kind: 'ServiceAccount' as const,
  metadata: { name, namespace: 'conformance', labels: { 'test-serviceaccount-static': 'true' } },
  ...fields,
});

behaviour(`${area} should run through the lifecycle of a ServiceAccount`, async (stage) => {
  const { namespace } = stage;
  const client = stage.of(serviceAccounts);
  const labelSelector = 'test-serviceaccount-static=true';
  const observer = observe(stage, serviceAccounts, { namespace, labelSelector });
  await client.create(serviceAccount('testserviceaccount'));
  await observer.saw('ADDED');
  const patch = { automountServiceAccountToken: false };
  await client.patch('testserviceaccount', patch, { namespace, type: 'strategic' });
  await observer.saw('MODIFIED', ({ automountServiceAccountToken }) => automountServiceAccountToken === false);
  const { items } = await client.list({ labelSelector });
  expect(
    items.map(({ metadata, automountServiceAccountToken }) => [metadata?.name, automountServiceAccountToken]),
  ).toEqual([['testserviceaccount', false]]);
  await client.deleteCollection({ namespace, labelSelector });
  await observer.saw('DELETED');
  await observer.stop();
});

behaviour(`${area} should update a ServiceAccount`, async (stage) => {
  const created = await stage
    .of(serviceAccounts)
    .create(serviceAccount('e2e-sa', { automountServiceAccountToken: false }));
  const updated = await stage.of(serviceAccounts).update({ ...created, automountServiceAccountToken: true });
  expect(updated.automountServiceAccountToken).toBe(true);
});

behaviour(`${area} should guarantee kube-root-ca.crt exist in any namespace`, async (stage) => {
  const { namespace } = stage;
  const client = stage.of(configMaps);
  const name = 'kube-root-ca.crt';
  const found = () =>
    client.get(name, { namespace }).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
  await stage.cluster.until(async () => (await found()) !== undefined);
  const original = (await found())!;
  await client.delete(name, { namespace });
  await stage.cluster.until(async () => (await found())?.metadata?.uid !== undefined);
  expect((await found())?.metadata?.uid).not.toBe(original.metadata?.uid);
  await client.update({ ...original, metadata: { name, namespace }, data: { 'ca.crt': 'changed' } });
  await stage.cluster.until(async () => (await found())?.data?.['ca.crt'] === original.data?.['ca.crt']);
});

behaviour(`${area} should allow opting out of API token automount`, async (stage) => {
  const { namespace } = stage;
  const path = '/var/run/secrets/kubernetes.io/serviceaccount';
  const settings: readonly (boolean | undefined)[] = [undefined, true, false];
  for (const ofAccount of settings) {
    const name = `account-${ofAccount}`;
    const fields = ofAccount === undefined ? {} : { automountServiceAccountToken: ofAccount };
    await stage.of(serviceAccounts).create(serviceAccount(name, fields));
    for (const ofPod of settings) {
      const spec = {
        serviceAccountName: name,
        ...(ofPod === undefined ? {} : { automountServiceAccountToken: ofPod }),
      };
      const created = await stage.of(pods).create(pod(`pod-${ofAccount}-${ofPod}`, spec));
      const mounted = created.spec!.containers[0]!.volumeMounts?.some(({ mountPath }) => mountPath === path) === true;
      expect([ofAccount, ofPod, mounted]).toEqual([ofAccount, ofPod, ofPod ?? ofAccount ?? true]);
    }
  }
  expect((await stage.of(pods).list({ namespace })).items.length).toBe(9);
});

behaviour('[sig-auth] SubjectReview should support SubjectReview API operations', async (stage) => {
  const { namespace } = stage;
  const name = 'e2e';
  await stage.of(serviceAccounts).create(serviceAccount(name));
  const user = `system:serviceaccount:${namespace}:${name}`;
  const groups = ['system:authenticated', 'system:serviceaccounts', `system:serviceaccounts:${namespace}`];
  const resourceAttributes = { verb: 'list', resource: 'configmaps', namespace };
  const spec = { user, groups, resourceAttributes };
  const path = '/apis/authorization.k8s.io/v1';
  const reviews = async (): Promise<readonly unknown[]> => {
    const local = `${path}/namespaces/${namespace}/localsubjectaccessreviews`;
    const answers = [
      await stage.request('POST', `${path}/subjectaccessreviews`, { body: { spec } }),
      await stage.request('POST', local, { body: { metadata: { namespace }, spec } }),
      await stage.request('POST', `${path}/selfsubjectaccessreviews`, {
        body: { spec: { resourceAttributes } },
        headers: { 'impersonate-user': user },
      }),
    ];
    return answers.map(({ status, body }) => [status, (body.status as { allowed?: boolean }).allowed === true]);
  };
  const list = async (): Promise<number> =>
    (
      await stage.request('GET', `/api/v1/namespaces/${namespace}/configmaps`, {
        headers: { 'impersonate-user': user },
      })
    ).status;
  expect(await reviews()).toEqual([
    [201, false],
    [201, false],
    [201, false],
  ]);
  expect(await list()).toBe(403);
  const binding = {
    metadata: { name: 'views' },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
  };
  await stage.request('POST', `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings`, {
    body: binding,
  });
  expect(await reviews()).toEqual([
    [201, true],
    [201, true],
    [201, true],
  ]);
  expect(await list()).toBe(200);
});
