/** What of the storage area is objects: immutable ConfigMaps and Secrets, volumes and their claims. */
import { expect } from 'vitest';
import { configMaps, persistentVolumeClaims, persistentVolumes, secrets } from '#pkg/api/types/refs.ts';
import { isInvalid, isNotFound } from '#pkg/apimachinery/status-error.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { configMap, secret } from './objects.ts';

async function isImmutable(stage: Stage, ref: typeof configMaps | typeof secrets): Promise<void> {
  const { namespace } = stage;
  const client = stage.of(ref as typeof configMaps);
  const name = 'immutable';
  const value = (text: string) => ({ 'data-1': Buffer.from(text).toString('base64') });
  const object = ref === configMaps ? configMap(name) : secret(name);
  await client.create({ ...(object as ReturnType<typeof configMap>), data: value('value-1') });
  const update = async (change: object) => client.update({ ...(await client.get(name, { namespace })), ...change });
  await update({ data: value('value-2') });
  expect((await update({ immutable: true })).immutable).toBe(true);
  await expect(update({ data: value('value-3') })).rejects.toSatisfy(isInvalid);
  await expect(update({ immutable: false })).rejects.toSatisfy(isInvalid);
  const { metadata } = await client.get(name, { namespace });
  const labelled = await update({ metadata: { ...metadata, labels: { label1: 'value1' } } });
  expect([labelled.metadata?.labels, labelled.data]).toEqual([{ label1: 'value1' }, value('value-2')]);
  await client.delete(name, { namespace });
  await expect(client.get(name, { namespace })).rejects.toSatisfy(isNotFound);
}

behaviour('[sig-storage] ConfigMap should be immutable if `immutable` field is set', (stage) =>
  isImmutable(stage, configMaps),
);
behaviour('[sig-storage] Secrets should be immutable if `immutable` field is set', (stage) =>
  isImmutable(stage, secrets),
);

const labels = { 'e2e-pv': 'conformance' };
const volume = (name: string) => ({
  apiVersion: 'v1' as const,
  kind: 'PersistentVolume' as const,
  metadata: { name, labels },
  spec: {
    capacity: { storage: '5Gi' },
    accessModes: ['ReadWriteOnce' as const],
    persistentVolumeReclaimPolicy: 'Retain' as const,
    storageClassName: 'no-such-class',
    csi: { driver: 'e2e.example.com', volumeHandle: 'e2e-conformance' },
  },
});
const claim = (name: string) => ({
  apiVersion: 'v1' as const,
  kind: 'PersistentVolumeClaim' as const,
  metadata: { name, namespace: 'conformance', labels },
  spec: {
    accessModes: ['ReadWriteOnce' as const],
    resources: { requests: { storage: '1Gi' } },
    storageClassName: 'another-class',
  },
});

const labelSelector = 'e2e-pv=conformance';
const strategic = { type: 'strategic' } as const;

behaviour(
  '[sig-storage] PersistentVolumes CSI Conformance should run through the lifecycle of a PV and a PVC',
  async (stage) => {
    const { namespace } = stage;
    const [pvs, pvcs] = [stage.of(persistentVolumes), stage.of(persistentVolumeClaims)];
    const pv = await pvs.create(volume('pv'));
    const pvc = await pvcs.create(claim('pvc'));
    expect((await pvs.list({ labelSelector })).items.length).toBe(1);
    expect((await pvcs.list({ namespace })).items.length).toBe(1);
    const patch = { metadata: { labels: { patched: 'true' } } };
    expect((await pvs.patch('pv', patch, strategic)).metadata?.labels).toMatchObject({ patched: 'true' });
    expect((await pvcs.patch('pvc', patch, { ...strategic, namespace })).metadata?.labels).toMatchObject({
      patched: 'true',
    });
    expect((await pvs.get('pv')).metadata?.uid).toBe(pv.metadata?.uid);
    expect((await pvcs.get('pvc', { namespace })).metadata?.uid).toBe(pvc.metadata?.uid);
    const clear = async () => {
      const gone = async () =>
        (await pvs.list({ labelSelector })).items.length +
          (await pvcs.list({ namespace, labelSelector })).items.length ===
        0;
      await stage.cluster.until(gone);
    };
    await pvcs.delete('pvc', { namespace });
    await pvs.delete('pv');
    await clear();
    await pvs.create(volume('pv2'));
    await pvcs.create(claim('pvc2'));
    // The binder says how it is with them.
    await stage.cluster.until(async () => (await pvs.get('pv2')).status?.phase === 'Available');
    const [pv2, pvc2] = [await pvs.get('pv2'), await pvcs.get('pvc2', { namespace })];
    const updated = { ...labels, updated: 'true' };
    expect((await pvs.update({ ...pv2, metadata: { ...pv2.metadata, labels: updated } })).metadata?.labels).toEqual(
      updated,
    );
    expect((await pvcs.update({ ...pvc2, metadata: { ...pvc2.metadata, labels: updated } })).metadata?.labels).toEqual(
      updated,
    );
    await pvcs.deleteCollection({ namespace, labelSelector: 'updated=true' });
    await pvs.deleteCollection({ labelSelector: 'updated=true' });
    await clear();
  },
);

behaviour('[sig-storage] PersistentVolumes CSI Conformance should apply changes to a pv/pvc status', async (stage) => {
  const { namespace } = stage;
  const [pvs, pvcs] = [stage.of(persistentVolumes), stage.of(persistentVolumeClaims)];
  await pvs.create(volume('pv'));
  await pvcs.create(claim('pvc'));
  await stage.cluster.until(async () => (await pvs.get('pv')).status?.phase === 'Available');
  const subresource = 'status';
  expect((await pvs.get('pv', { subresource })).status?.phase).toMatch(/^(Pending|Available|Bound)$/);
  expect((await pvcs.get('pvc', { namespace, subresource })).status?.phase).toMatch(/^(Pending|Bound)$/);
  const condition = (type: string) => ({ type, status: 'True' as const, reason: 'E2E', message: 'Set by an e2e test' });
  const patched = await pvcs.patch(
    'pvc',
    { status: { conditions: [condition('StatusPatched')] } },
    { ...strategic, namespace, subresource },
  );
  expect(patched.status?.conditions).toEqual([expect.objectContaining(condition('StatusPatched'))]);
  const words = { message: 'StatusPatched', reason: 'E2E patchedStatus' };
  expect((await pvs.patch('pv', { status: words }, { ...strategic, subresource })).status).toMatchObject(words);
  const current = await pvcs.get('pvc', { namespace, subresource });
  const conditions = [condition('StatusUpdated')] as never;
  const updated = await pvcs.update({ ...current, status: { ...current.status, conditions } }, { subresource });
  expect(updated.status?.conditions).toEqual([expect.objectContaining(condition('StatusUpdated'))]);
  const next = { message: 'StatusUpdated', reason: 'E2E updatedStatus' };
  const read = await pvs.get('pv', { subresource });
  expect((await pvs.update({ ...read, status: { ...read.status, ...next } }, { subresource })).status).toMatchObject(
    next,
  );
});
