/** What becomes of the objects that others own, for each way of deleting the owner. */
import { expect } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { deployments, pods, replicaSets, replicationControllers } from '#pkg/api/types/refs.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { deployment, pod, replicationController } from './objects.ts';

const gc = '[sig-api-machinery] Garbage collector';
const orphanSeconds = 30;

async function list(stage: Stage): Promise<readonly Pod[]> {
  return (await stage.of(pods).list({ namespace: stage.namespace })).items;
}

async function replicated(stage: Stage, name: string, replicas: number) {
  const owner = await stage.of(replicationControllers).create(replicationController(name, { replicas }));
  await stage.cluster.until(async () => {
    const { status } = await stage.of(replicationControllers).get(name, { namespace: stage.namespace });
    return status?.readyReplicas === replicas;
  });
  return owner;
}

behaviour(`${gc} should delete pods created by rc when not orphaning`, async (stage) => {
  await replicated(stage, 'rc', 2);
  await stage.of(replicationControllers).delete('rc', { namespace: stage.namespace, propagationPolicy: 'Background' });
  await stage.cluster.until(async () => (await list(stage)).length === 0);
});

behaviour(`${gc} should orphan pods created by rc if delete options say so [Serial]`, async (stage) => {
  await replicated(stage, 'rc', 10);
  await stage.of(replicationControllers).delete('rc', { namespace: stage.namespace, propagationPolicy: 'Orphan' });
  await stage.cluster.until(async () => {
    const { items } = await stage.of(replicationControllers).list({ namespace: stage.namespace });
    return items.length === 0;
  });
  await stage.cluster.advance(orphanSeconds * 1000);
  const left = await list(stage);
  expect(left.length).toBe(10);
  expect(left.every(({ metadata }) => metadata?.ownerReferences === undefined)).toBe(true);
});

behaviour(`${gc} should delete RS created by deployment when not orphaning`, async (stage) => {
  await stage.of(deployments).create(deployment('web', { replicas: 2 }));
  await stage.cluster.until(async () => (await list(stage)).length === 2);
  await stage.of(deployments).delete('web', { namespace: stage.namespace, propagationPolicy: 'Background' });
  await stage.cluster.until(async () => {
    const { items } = await stage.of(replicaSets).list({ namespace: stage.namespace });
    return items.length === 0 && (await list(stage)).length === 0;
  });
});

behaviour(
  `${gc} should orphan RS created by deployment when deleteOptions.PropagationPolicy is Orphan`,
  async (stage) => {
    await stage.of(deployments).create(deployment('web', { replicas: 2 }));
    await stage.cluster.until(async () => (await list(stage)).length === 2);
    await stage.of(deployments).delete('web', { namespace: stage.namespace, propagationPolicy: 'Orphan' });
    await stage.cluster.until(
      async () => (await stage.of(deployments).list({ namespace: stage.namespace })).items.length === 0,
    );
    await stage.cluster.advance(orphanSeconds * 1000);
    const { items } = await stage.of(replicaSets).list({ namespace: stage.namespace });
    expect(items.map(({ metadata }) => metadata?.ownerReferences)).toEqual([undefined]);
    expect((await list(stage)).length).toBe(2);
  },
);

behaviour(
  `${gc} should keep the rc around until all its pods are deleted if the deleteOptions says so [Serial]`,
  async (stage) => {
    const owner = replicationController('rc', { replicas: 10, podSpec: { terminationGracePeriodSeconds: 5 } });
    await stage.of(replicationControllers).create({
      ...owner,
      spec: {
        ...owner.spec,
        template: {
          ...owner.spec!.template,
          metadata: { labels: { name: 'rc' }, annotations: { 'fake.coxswain.dev/stop-time': '3s' } },
        },
      },
    });
    await stage.cluster.until(() => stage.cluster.pods(stage.namespace).length === 10);
    await stage.cluster.until(() =>
      stage.cluster.pods(stage.namespace).every((one) => one.status?.phase === 'Running'),
    );
    await stage
      .of(replicationControllers)
      .delete('rc', { namespace: stage.namespace, propagationPolicy: 'Foreground' });
    let seenTerminating = false;
    await stage.cluster.until(async () => {
      const left = (await list(stage)).length;
      const owners = (await stage.of(replicationControllers).list({ namespace: stage.namespace })).items;
      if (left > 0) expect(owners.length).toBe(1);
      if (owners[0]?.metadata?.deletionTimestamp !== undefined && left > 0) seenTerminating = true;
      return owners.length === 0;
    });
    expect(await list(stage)).toEqual([]);
    expect(seenTerminating).toBe(true);
  },
);

behaviour(
  `${gc} should not delete dependents that have both valid owner and owner that's waiting for dependents to be deleted [Serial]`,
  async (stage) => {
    await replicated(stage, 'to-be-deleted', 10);
    const staying = await stage.of(replicationControllers).create(replicationController('to-stay', { replicas: 0 }));
    const half = (await list(stage)).slice(0, 5);
    for (const { metadata } of half) {
      const owner = { apiVersion: 'v1', kind: 'ReplicationController', name: 'to-stay', uid: staying.metadata!.uid! };
      const patch = { metadata: { ownerReferences: [...metadata!.ownerReferences!, owner] } };
      const options = { namespace: stage.namespace, type: 'merge' } as const;
      await stage.of(pods).patch(metadata!.name!, JSON.parse(JSON.stringify(patch)), options);
    }
    const foreground = { namespace: stage.namespace, propagationPolicy: 'Foreground' } as const;
    await stage.of(replicationControllers).delete('to-be-deleted', foreground);
    await stage.cluster.until(async () => {
      const { items } = await stage.of(replicationControllers).list({ namespace: stage.namespace });
      return items.length === 1;
    });
    await stage.cluster.advance(orphanSeconds * 1000);
    const left = await list(stage);
    const names = (all: readonly Pod[]) => all.map(({ metadata }) => metadata?.name).sort();
    expect(names(left)).toEqual(names(half));
    expect(left.map(({ metadata }) => metadata?.deletionTimestamp)).toEqual(left.map(() => undefined));
    expect(left.every(({ metadata }) => metadata?.ownerReferences?.length === 1)).toBe(true);
  },
);

behaviour(`${gc} should not be blocked by dependency circle`, async (stage) => {
  const uids = new Map<string, string>();
  for (const name of ['pod1', 'pod2', 'pod3']) {
    uids.set(name, (await stage.of(pods).create(pod(name))).metadata!.uid!);
  }
  for (const [name, owner] of [
    ['pod1', 'pod3'],
    ['pod2', 'pod1'],
    ['pod3', 'pod2'],
  ] as const) {
    const reference = {
      apiVersion: 'v1',
      kind: 'Pod',
      name: owner,
      uid: uids.get(owner)!,
      controller: true,
      blockOwnerDeletion: true,
    };
    const options = { namespace: stage.namespace, type: 'merge' } as const;
    await stage.of(pods).patch(name, { metadata: { ownerReferences: [reference] } }, options);
  }
  await stage.of(pods).delete('pod1', { namespace: stage.namespace, propagationPolicy: 'Foreground' });
  await stage.cluster.until(async () => (await list(stage)).length === 0);
});
