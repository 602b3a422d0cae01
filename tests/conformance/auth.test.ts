/** Service accounts and what comes with every namespace. */
import { expect } from 'vitest';
import { configMaps, pods, serviceAccounts } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { behaviour, defect } from './behaviour.ts';
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

// Needs an issuer of tokens.
defect(`${area} should allow opting out of API token automount`, async (stage) => {
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
