/** What of the node area is objects: ConfigMaps, Secrets, leases, pod templates, nodes, runtime classes. */
import { expect } from 'vitest';
import { configMaps, leases, nodes, pods, podTemplates, runtimeClasses, secrets } from '#pkg/api/types/refs.ts';
import { isForbidden, isInvalid, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { configMap, container, pod, secret } from './objects.ts';
import { observe } from './observe.ts';

const strategic = { namespace: 'conformance', type: 'strategic' } as const;

behaviour('[sig-node] ConfigMap should fail to create ConfigMap with empty key', async (stage) => {
  await expect(stage.of(configMaps).create(configMap('empty-key', { '': 'value' }))).rejects.toSatisfy(isInvalid);
});

behaviour('[sig-node] Secrets should fail to create secret due to empty secret key', async (stage) => {
  await expect(stage.of(secrets).create(secret('empty-key', { '': 'value' }))).rejects.toSatisfy(isInvalid);
});

behaviour('[sig-node] Sysctls [LinuxOnly] [NodeConformance] should reject invalid sysctls', async (stage) => {
  const values = { 'foo-': 'bar', 'kernel.shmmax': '100000000', 'safe-and-unsafe': '100000000', 'bar..': '42' };
  const sysctls = Object.entries(values).map(([name, value]) => ({ name, value }));
  const refusal = stage.of(pods).create(pod('sysctls', { securityContext: { sysctls } }));
  await expect(refusal).rejects.toSatisfy(isInvalid);
  const { message } = (await refusal.catch((error: unknown) => error)) as Error;
  const named = Object.keys(values).filter((name) => message.includes(`Invalid value: "${name}"`));
  expect([named, /safe-and-unsafe|kernel\.shmmax/.test(message)]).toEqual([['foo-', 'bar..'], false]);
});

behaviour('[sig-node] ConfigMap should update ConfigMap successfully [NodeConformance]', async (stage) => {
  const created = await stage.of(configMaps).create(configMap('updated', { data: 'value' }));
  await stage.of(configMaps).update({ ...created, data: { data: 'another' } });
  expect((await stage.of(configMaps).get('updated', { namespace: stage.namespace })).data).toEqual({ data: 'another' });
});

behaviour('[sig-node] ConfigMap should run through a ConfigMap lifecycle', async (stage) => {
  const { namespace } = stage;
  const client = stage.of(configMaps);
  const labelSelector = 'test-configmap-static=true';
  const observer = observe(stage, configMaps, { namespace, labelSelector });
  await client.create(configMap('lifecycle', { valueName: 'value' }, { labels: { 'test-configmap-static': 'true' } }));
  await observer.saw('ADDED');
  const patch = { metadata: { labels: { 'test-configmap': 'patched' } }, data: { valueName: 'value1' } };
  await client.patch('lifecycle', patch, strategic);
  await observer.saw('MODIFIED');
  expect(await client.get('lifecycle', { namespace })).toMatchObject(patch);
  const all = (await client.list({ labelSelector })).items;
  expect(all.map(({ metadata, data }) => [metadata?.name, metadata?.labels?.['test-configmap'], data])).toEqual([
    ['lifecycle', 'patched', { valueName: 'value1' }],
  ]);
  await client.deleteCollection({ namespace, labelSelector });
  await observer.saw('DELETED');
  expect((await client.list({ namespace, labelSelector })).items).toEqual([]);
  await observer.stop();
});

behaviour('[sig-node] Secrets should patch a secret', async (stage) => {
  const { namespace } = stage;
  const client = stage.of(secrets);
  await client.create(secret('test-secret', { key: 'value' }, { labels: { testsecret: 'true' } }));
  expect((await client.list({ labelSelector: 'testsecret=true' })).items.length).toBe(1);
  const data = { key: Buffer.from('value1').toString('base64') };
  await client.patch('test-secret', { metadata: { labels: { testsecret: 'patched' } }, data }, strategic);
  expect(await client.get('test-secret', { namespace })).toMatchObject({
    metadata: { labels: { testsecret: 'patched' } },
    data,
  });
  await client.deleteCollection({ namespace, labelSelector: 'testsecret=patched' });
  expect((await client.list({ labelSelector: 'testsecret' })).items).toEqual([]);
});

behaviour('[sig-node] Lease lease API should be available', async (stage) => {
  const { namespace } = stage;
  const client = stage.of(leases);
  const spec = {
    holderIdentity: 'holder',
    leaseDurationSeconds: 30,
    acquireTime: '2026-01-02T03:04:05.000000Z',
    renewTime: '2026-01-02T03:04:06.000000Z',
    leaseTransitions: 0,
  };
  const lease = (name: string, labels = {}) => ({
    apiVersion: 'coordination.k8s.io/v1' as const,
    kind: 'Lease' as const,
    metadata: { name, namespace, labels },
    spec,
  });
  await client.create(lease('lease'));
  const read = await client.get('lease', { namespace });
  expect(read.spec).toEqual(spec);
  const next = { ...spec, holderIdentity: 'holder2', leaseDurationSeconds: 60, leaseTransitions: 2 };
  await client.update({ ...read, spec: next });
  expect((await client.get('lease', { namespace })).spec).toEqual(next);
  const patch = { spec: { holderIdentity: 'holder3', leaseDurationSeconds: 120 } };
  await client.patch('lease', patch, { ...strategic });
  expect((await client.get('lease', { namespace })).spec).toEqual({ ...next, ...patch.spec });
  await client.create(lease('lease2', { deletecollection: 'true' }));
  expect((await client.list({ namespace })).items.length).toBe(2);
  await client.deleteCollection({ namespace, labelSelector: 'deletecollection=true' });
  expect((await client.list({ namespace })).items.map(({ metadata }) => metadata?.name)).toEqual(['lease']);
  await client.delete('lease', { namespace });
  await expect(client.get('lease', { namespace })).rejects.toSatisfy(isNotFound);
});

const podTemplate = (name: string, labels: Readonly<Record<string, string>> = { 'podtemplate-static': 'true' }) => ({
  apiVersion: 'v1' as const,
  kind: 'PodTemplate' as const,
  metadata: { name, namespace: 'conformance', labels },
  template: { metadata: { labels: { app: 'x' } }, spec: { containers: [container] } },
});

behaviour('[sig-node] PodTemplates should run the lifecycle of PodTemplates', async (stage) => {
  const { namespace } = stage;
  const client = stage.of(podTemplates);
  await client.create(podTemplate('nginx'));
  expect((await client.list({ labelSelector: 'podtemplate-static=true' })).items.length).toBe(1);
  await client.patch('nginx', { metadata: { labels: { podtemplate: 'patched' } } }, strategic);
  expect((await client.get('nginx', { namespace })).metadata?.labels).toEqual({
    'podtemplate-static': 'true',
    podtemplate: 'patched',
  });
  await client.delete('nginx', { namespace });
  expect((await client.list({ labelSelector: 'podtemplate-static=true' })).items).toEqual([]);
});

behaviour('[sig-node] PodTemplates should delete a collection of pod templates', async (stage) => {
  const { namespace } = stage;
  const names = ['test-podtemplate-1', 'test-podtemplate-2', 'test-podtemplate-3'];
  for (const name of names) await stage.of(podTemplates).create(podTemplate(name));
  const options = { namespace, labelSelector: 'podtemplate-static=true' };
  expect((await stage.of(podTemplates).list(options)).items.map(({ metadata }) => metadata?.name)).toEqual(names);
  await stage.of(podTemplates).deleteCollection(options);
  expect((await stage.of(podTemplates).list(options)).items).toEqual([]);
});

behaviour('[sig-node] PodTemplates should replace a pod template', async (stage) => {
  const created = await stage.of(podTemplates).create(podTemplate('replaced'));
  const annotations = { updated: 'true' };
  const replaced = await stage.of(podTemplates).update({ ...created, metadata: { ...created.metadata, annotations } });
  expect(replaced.metadata?.annotations).toEqual(annotations);
});

behaviour('[sig-node] Node Lifecycle should run through the lifecycle of a node', async (stage) => {
  const client = stage.of(nodes);
  const status = {
    phase: 'Running' as const,
    conditions: [{ type: 'Ready', status: 'True' as const, reason: 'e2e', message: 'Set from e2e test' }],
  };
  const labels = { 'e2e-node': 'fake' };
  await client.create({
    apiVersion: 'v1' as const,
    kind: 'Node' as const,
    metadata: { name: 'e2e-fake-node', labels },
    status,
  });
  expect((await client.get('e2e-fake-node')).metadata?.name).toBe('e2e-fake-node');
  await client.patch('e2e-fake-node', { metadata: { labels: { 'e2e-fake-node': 'patched' } } }, { type: 'merge' });
  expect((await client.list({ labelSelector: 'e2e-fake-node=patched' })).items.length).toBe(1);
  const current = await client.get('e2e-fake-node');
  const updated = await client.update({
    ...current,
    metadata: { ...current.metadata, labels: { ...current.metadata?.labels, 'e2e-fake-node': 'updated' } },
  });
  expect(updated.metadata?.labels).toMatchObject({ 'e2e-fake-node': 'updated' });
  await client.delete('e2e-fake-node');
  await stage.cluster.until(() => client.get('e2e-fake-node').then(() => false, isNotFound));
});

const runtimeClass = (name: string, podFixed?: Readonly<Record<string, string>>) => ({
  apiVersion: 'node.k8s.io/v1' as const,
  kind: 'RuntimeClass' as const,
  metadata: { name },
  handler: 'fake',
  ...(podFixed === undefined ? {} : { overhead: { podFixed } }),
});

const refused = (stage: Stage, runtimeClassName: string) =>
  expect(stage.of(pods).create(pod('refused', { runtimeClassName }))).rejects.toSatisfy(isForbidden);

behaviour(
  '[sig-node] RuntimeClass should reject a Pod requesting a non-existent RuntimeClass [NodeConformance]',
  (stage) => refused(stage, 'nonexistent'),
);

behaviour(
  '[sig-node] RuntimeClass should reject a Pod requesting a deleted RuntimeClass [NodeConformance]',
  async (stage) => {
    await stage.of(runtimeClasses).create(runtimeClass('delete-me'));
    await stage.of(runtimeClasses).delete('delete-me');
    await refused(stage, 'delete-me');
  },
);

behaviour(
  '[sig-node] RuntimeClass should schedule a Pod requesting a RuntimeClass without PodOverhead [NodeConformance]',
  async (stage) => {
    await stage.of(runtimeClasses).create(runtimeClass('plain'));
    const created = await stage.of(pods).create(pod('plain', { runtimeClassName: 'plain' }));
    expect(created.spec?.overhead).toBe(undefined);
    await stage.cluster.until(() => stage.cluster.pods(stage.namespace)[0]?.spec?.nodeName !== undefined);
  },
);

behaviour(
  '[sig-node] RuntimeClass should schedule a Pod requesting a RuntimeClass and initialize its Overhead [NodeConformance]',
  async (stage) => {
    const overhead = { cpu: '10m', memory: '1Mi' };
    await stage.of(runtimeClasses).create(runtimeClass('heavy', overhead));
    const created = await stage.of(pods).create(pod('heavy', { runtimeClassName: 'heavy' }));
    expect(created.spec?.overhead).toEqual(overhead);
    await stage.cluster.until(() => stage.cluster.pods(stage.namespace)[0]?.spec?.nodeName !== undefined);
  },
);
