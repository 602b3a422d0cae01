/** Resource quotas: what their status counts while objects come and go, and what they refuse. */
import { expect } from 'vitest';
import type { ResourceQuota, Service } from '#pkg/api/types/core-v1.ts';
import {
  configMaps,
  pods,
  replicaSets,
  replicationControllers,
  resourceQuotas,
  secrets,
  services,
} from '#pkg/api/types/refs.ts';
import { isForbidden } from '#pkg/apimachinery/status-error.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { configMap, pod, replicaSet, replicationController, secret } from './objects.ts';

const area = '[sig-api-machinery] ResourceQuota';
const dongle = 'example.com/dongle';

const testHard: Readonly<Record<string, string>> = {
  pods: '5',
  services: '10',
  'services.nodeports': '1',
  'services.loadbalancers': '1',
  replicationcontrollers: '10',
  resourcequotas: '1',
  cpu: '1',
  memory: '500Mi',
  configmaps: '10',
  secrets: '10',
  persistentvolumeclaims: '10',
  'requests.storage': '10Gi',
  'ephemeral-storage': '50Gi',
  'gold.storageclass.storage.k8s.io/persistentvolumeclaims': '10',
  'gold.storageclass.storage.k8s.io/requests.storage': '10Gi',
  'count/replicasets.apps': '5',
  [`requests.${dongle}`]: '3',
};

async function createQuota(stage: Stage, name: string, spec: ResourceQuota['spec']): Promise<void> {
  await stage.of(resourceQuotas).create({ metadata: { name, namespace: stage.namespace }, ...(spec && { spec }) });
  await used(stage, name, {});
}

/** Waits until the quota's status has its limits and these amounts. */
async function used(stage: Stage, name: string, wanted: Readonly<Record<string, string>>): Promise<void> {
  const { cluster, namespace } = stage;
  let status: ResourceQuota['status'];
  await cluster.until(async () => {
    const quota = await stage.of(resourceQuotas).get(name, { namespace });
    status = quota.status;
    if (Object.keys(quota.spec?.hard ?? {}).some((limit) => status?.used?.[limit] === undefined)) return false;
    return Object.entries(wanted).every(([limit, amount]) => status?.used?.[limit] === amount);
  });
}

behaviour(`${area} should create a ResourceQuota and ensure its status is promptly calculated.`, async (stage) => {
  await createQuota(stage, 'test-quota', { hard: testHard });
  await used(stage, 'test-quota', { resourcequotas: '1', pods: '0', cpu: '0', 'count/replicasets.apps': '0' });
  const { status } = await stage.of(resourceQuotas).get('test-quota', { namespace: stage.namespace });
  expect(status?.hard).toEqual(testHard);
});

const service = (name: string, type: string): Service => ({
  metadata: { name, namespace: 'conformance' },
  spec: { type, ports: [{ port: 80 }] },
});

behaviour(`${area} should create a ResourceQuota and capture the life of a service.`, async (stage) => {
  const { namespace } = stage;
  await createQuota(stage, 'test-quota', { hard: testHard });
  const client = stage.of(services);
  await client.create(service('test-service', 'ClusterIP'));
  await client.create(service('test-service-np', 'NodePort'));
  await expect(client.create(service('test-service-lb', 'LoadBalancer'))).rejects.toThrow(
    'services "test-service-lb" is forbidden: exceeded quota: test-quota, requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1',
  );
  await used(stage, 'test-quota', { resourcequotas: '1', services: '2', 'services.nodeports': '1' });
  await client.delete('test-service', { namespace });
  await client.delete('test-service-np', { namespace });
  await used(stage, 'test-quota', { services: '0', 'services.nodeports': '0' });
});

behaviour(`${area} should create a ResourceQuota and capture the life of a secret.`, async (stage) => {
  await createQuota(stage, 'test-quota', { hard: { ...testHard, secrets: '1' } });
  await used(stage, 'test-quota', { secrets: '0' });
  await stage.of(secrets).create(secret('test-secret'));
  await expect(stage.of(secrets).create(secret('another'))).rejects.toSatisfy(isForbidden);
  await used(stage, 'test-quota', { secrets: '1' });
  await stage.of(secrets).delete('test-secret', { namespace: stage.namespace });
  await used(stage, 'test-quota', { secrets: '0' });
});

behaviour(`${area} should create a ResourceQuota and capture the life of a pod.`, async (stage) => {
  const { namespace } = stage;
  await createQuota(stage, 'test-quota', { hard: testHard });
  const client = stage.of(pods);
  const asking = (name: string, requests: Record<string, string>, limits: Record<string, string> = {}) =>
    pod(name, { containers: [{ name: 'c', image: 'i', resources: { requests, limits } }] });
  const requests = { cpu: '500m', memory: '252Mi', 'ephemeral-storage': '30Gi', [dongle]: '2' };
  const created = await client.create(asking('test-pod', requests, { [dongle]: '2' }));
  const taken = {
    resourcequotas: '1',
    pods: '1',
    cpu: '500m',
    memory: '252Mi',
    'ephemeral-storage': '30Gi',
    [`requests.${dongle}`]: '2',
  };
  await used(stage, 'test-quota', taken);
  await expect(client.create(asking('fail-pod', { cpu: '600m', memory: '100Mi' }))).rejects.toThrow(
    'pods "fail-pod" is forbidden: exceeded quota: test-quota, requested: cpu=600m, used: cpu=500m, limited: cpu=1',
  );
  const dongles = asking(
    'fail-dongle',
    { ...requests, memory: '100Mi', 'ephemeral-storage': '1Gi' },
    { [dongle]: '2' },
  );
  await expect(client.create(dongles)).rejects.toThrow(
    `exceeded quota: test-quota, requested: requests.${dongle}=2, used: requests.${dongle}=2, limited: requests.${dongle}=3`,
  );
  await expect(client.create(pod('silent'))).rejects.toThrow('failed quota: test-quota: must specify cpu for: ');
  const [first] = created.spec?.containers ?? [];
  const changed = { ...created.spec, containers: [{ ...first!, resources: { requests: { cpu: '100m' } } }] };
  await expect(client.update({ ...created, spec: changed })).rejects.toThrow();
  await used(stage, 'test-quota', taken);
  await client.delete('test-pod', { namespace, gracePeriodSeconds: 0 });
  await used(stage, 'test-quota', { pods: '0', cpu: '0', memory: '0', 'ephemeral-storage': '0' });
});

behaviour(`${area} should create a ResourceQuota and capture the life of a configMap.`, async (stage) => {
  const { namespace } = stage;
  await stage.cluster.until(async () => (await stage.of(configMaps).list({ namespace })).items.length === 1);
  await createQuota(stage, 'test-quota', { hard: { ...testHard, configmaps: '2' } });
  await used(stage, 'test-quota', { configmaps: '1' });
  await stage.of(configMaps).create(configMap('test-configmap'));
  await used(stage, 'test-quota', { configmaps: '2' });
  await stage.of(configMaps).delete('test-configmap', { namespace });
  await used(stage, 'test-quota', { configmaps: '1' });
});

behaviour(`${area} should create a ResourceQuota and capture the life of a replication controller.`, async (stage) => {
  await createQuota(stage, 'test-quota', { hard: testHard });
  await used(stage, 'test-quota', { replicationcontrollers: '0' });
  await stage.of(replicationControllers).create(replicationController('test-rc', { replicas: 0 }));
  await used(stage, 'test-quota', { replicationcontrollers: '1' });
  await stage.of(replicationControllers).delete('test-rc', { namespace: stage.namespace });
  await used(stage, 'test-quota', { replicationcontrollers: '0' });
});

behaviour(`${area} should create a ResourceQuota and capture the life of a replica set.`, async (stage) => {
  await createQuota(stage, 'test-quota', { hard: testHard });
  await used(stage, 'test-quota', { 'count/replicasets.apps': '0' });
  await stage.of(replicaSets).create(replicaSet('test-rs', { replicas: 0 }));
  await used(stage, 'test-quota', { 'count/replicasets.apps': '1' });
  await stage.of(replicaSets).delete('test-rs', { namespace: stage.namespace });
  await used(stage, 'test-quota', { 'count/replicasets.apps': '0' });
});

const amounts = { requests: { cpu: '500m', memory: '200Mi' }, limits: { cpu: '1', memory: '400Mi' } };
const computeHard = {
  pods: '5',
  'requests.cpu': '1',
  'requests.memory': '500Mi',
  'limits.cpu': '2',
  'limits.memory': '1Gi',
};
const nothing = { pods: '0', 'requests.cpu': '0', 'requests.memory': '0', 'limits.cpu': '0', 'limits.memory': '0' };
const taken = {
  pods: '1',
  'requests.cpu': '500m',
  'requests.memory': '200Mi',
  'limits.cpu': '1',
  'limits.memory': '400Mi',
};

behaviour(`${area} should verify ResourceQuota with terminating scopes.`, async (stage) => {
  const { namespace } = stage;
  await createQuota(stage, 'quota-terminating', { hard: computeHard, scopes: ['Terminating'] });
  await createQuota(stage, 'quota-not-terminating', { hard: computeHard, scopes: ['NotTerminating'] });
  const client = stage.of(pods);
  const containers = [{ name: 'c', image: 'i', resources: amounts }];
  await client.create(pod('test-pod', { containers }));
  await used(stage, 'quota-not-terminating', taken);
  await used(stage, 'quota-terminating', nothing);
  await client.delete('test-pod', { namespace, gracePeriodSeconds: 0 });
  await used(stage, 'quota-not-terminating', nothing);
  await client.create(pod('terminating-pod', { containers, activeDeadlineSeconds: 3600 }));
  await used(stage, 'quota-terminating', taken);
  await used(stage, 'quota-not-terminating', nothing);
  await client.delete('terminating-pod', { namespace, gracePeriodSeconds: 0 });
  await used(stage, 'quota-terminating', nothing);
});

behaviour(`${area} should verify ResourceQuota with best effort scope.`, async (stage) => {
  const { namespace } = stage;
  await createQuota(stage, 'quota-besteffort', { hard: { pods: '5' }, scopes: ['BestEffort'] });
  await createQuota(stage, 'quota-not-besteffort', { hard: { pods: '5' }, scopes: ['NotBestEffort'] });
  const client = stage.of(pods);
  await client.create(pod('besteffort-pod'));
  await used(stage, 'quota-besteffort', { pods: '1' });
  await used(stage, 'quota-not-besteffort', { pods: '0' });
  await client.delete('besteffort-pod', { namespace, gracePeriodSeconds: 0 });
  await used(stage, 'quota-besteffort', { pods: '0' });
  await client.create(pod('burstable-pod', { containers: [{ name: 'c', image: 'i', resources: amounts }] }));
  await used(stage, 'quota-not-besteffort', { pods: '1' });
  await used(stage, 'quota-besteffort', { pods: '0' });
});

behaviour(`${area} should apply changes to a resourcequota status`, async (stage) => {
  const { namespace } = stage;
  const client = stage.of(resourceQuotas);
  const strategic = { namespace, type: 'strategic' } as const;
  await createQuota(stage, 'e2e', { hard: { cpu: '500m', memory: '500Mi' } });
  const updated = await client.patch('e2e', { spec: { hard: { cpu: '1', memory: '1Gi' } } }, strategic);
  const patch = { status: { hard: updated.spec?.hard } };
  const patched = await client.patch('e2e', patch, { ...strategic, subresource: 'status' });
  expect(patched.status?.hard).toEqual({ cpu: '1', memory: '1Gi' });
  const again = { status: { hard: { cpu: '2', memory: '2Gi' } } };
  const repatched = await client.patch('e2e', again, { ...strategic, subresource: 'status' });
  expect(repatched.status?.hard).toEqual({ cpu: '2', memory: '2Gi' });
  expect(repatched.spec?.hard).toEqual({ cpu: '1', memory: '1Gi' });
  // The controller has the last word.
  await stage.cluster.until(async () => (await client.get('e2e', { namespace })).status?.hard?.cpu === '1');
});

behaviour(
  '[sig-apps] ReplicationController should surface a failure condition on a common issue like exceeded quota',
  async (stage) => {
    const { namespace } = stage;
    const client = stage.of(replicationControllers);
    await createQuota(stage, 'condition-test', { hard: { pods: '2' } });
    await client.create(replicationController('condition-test', { replicas: 3 }));
    const failure = async () => {
      const { status } = await client.get('condition-test', { namespace });
      return status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
    };
    await stage.cluster.until(async () => (await failure()) !== undefined);
    expect((await failure())?.message).toContain('exceeded quota: condition-test, requested: pods=1, used: pods=2');
    await client.patch('condition-test', { spec: { replicas: 2 } }, { namespace, type: 'merge' });
    await stage.cluster.until(async () => (await failure()) === undefined);
  },
);
