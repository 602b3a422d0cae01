/** Daemon sets: a pod on every node, rolled from template to template, and the revisions that are kept of them. */
import { expect } from 'vitest';
import type { ControllerRevision, DaemonSet } from '#pkg/api/types/apps-v1.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { controllerRevisions, daemonSets, nodes, pods } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { replicaSet, type WorkloadOptions } from './objects.ts';
import { rewrite } from './rewrite.ts';
import { statusEndpoints } from './status-endpoints.ts';

const area = '[sig-apps] Daemon set [Serial]';
const threeNodes = { nodes: 3 };
const strategic = { namespace: 'conformance', type: 'strategic' } as const;
const hashOf = ({ metadata }: ControllerRevision | Pod) => metadata?.labels?.['controller-revision-hash'];

/** A daemon set whose pods carry the label `name`. */
function daemonSet(name: string, options: WorkloadOptions = {}): DaemonSet {
  const { replicas: _, ...spec } = replicaSet(name, options).spec!;
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name, namespace: 'conformance', labels: { name } },
    spec: { ...spec, template: spec.template! },
  };
}

const get = (stage: Stage, name: string): Promise<DaemonSet> =>
  stage.of(daemonSets).get(name, { namespace: stage.namespace });

const daemonsOf = (stage: Stage): readonly Pod[] =>
  stage.cluster.pods(stage.namespace).filter(({ metadata }) => metadata?.deletionTimestamp === undefined);

/** Lets time pass until the set has its current template on as many nodes. */
async function everywhere(stage: Stage, name: string, count: number): Promise<void> {
  await stage.cluster.until(async () => {
    const { metadata, status } = await get(stage, name);
    return (
      status?.observedGeneration === metadata?.generation &&
      status?.desiredNumberScheduled === count &&
      (status?.updatedNumberScheduled ?? 0) === count &&
      (status?.numberAvailable ?? 0) === count
    );
  });
}

const withImage = (image: string) => ({ spec: { template: { spec: { containers: [{ name: 'main', image }] } } } });

behaviour(
  `${area} should run and stop simple daemon`,
  async (stage) => {
    await stage.of(daemonSets).create(daemonSet('simple'));
    await everywhere(stage, 'simple', 3);
    expect(
      daemonsOf(stage)
        .map(({ spec }) => spec?.nodeName)
        .sort(),
    ).toEqual(['node-1', 'node-2', 'node-3']);
    const [first] = daemonsOf(stage);
    await stage.of(pods).delete(first!.metadata!.name!, { namespace: stage.namespace });
    await stage.cluster.until(
      () =>
        daemonsOf(stage).length === 3 &&
        daemonsOf(stage).every(({ metadata }) => metadata?.uid !== first!.metadata?.uid),
    );
    await everywhere(stage, 'simple', 3);
  },
  threeNodes,
);

behaviour(
  `${area} should run and stop complex daemon`,
  async (stage) => {
    const updateStrategy = { type: 'OnDelete' };
    const podSpec = { nodeSelector: { color: 'blue' } };
    await stage.of(daemonSets).create(daemonSet('complex', { podSpec, spec: { updateStrategy } }));
    const label = (color: string) =>
      stage.of(nodes).patch('node-2', { metadata: { labels: { color } } }, { type: 'merge' });
    await everywhere(stage, 'complex', 0);
    expect(daemonsOf(stage)).toEqual([]);
    await label('blue');
    await everywhere(stage, 'complex', 1);
    await label('green');
    await stage.cluster.until(() => daemonsOf(stage).length === 0);
    await stage.of(daemonSets).patch(
      'complex',
      {
        spec: { updateStrategy: { type: 'RollingUpdate' }, template: { spec: { nodeSelector: { color: 'green' } } } },
      },
      strategic,
    );
    await everywhere(stage, 'complex', 1);
    expect(daemonsOf(stage).map(({ spec }) => spec?.nodeName)).toEqual(['node-2']);
  },
  threeNodes,
);

behaviour(
  `${area} should retry creating failed daemon pods`,
  async (stage) => {
    await stage.of(daemonSets).create(daemonSet('retries'));
    await everywhere(stage, 'retries', 3);
    const [pod] = daemonsOf(stage);
    const options = { namespace: stage.namespace, subresource: 'status' };
    const { name = '', uid } = pod!.metadata!;
    await stage.of(pods).patch(name, { status: { phase: 'Failed' } }, { ...options, type: 'merge' });
    await stage.cluster.until(() => !stage.cluster.pods(stage.namespace).some(({ metadata }) => metadata?.uid === uid));
    await everywhere(stage, 'retries', 3);
  },
  threeNodes,
);

behaviour(
  `${area} should update pod when spec was updated and update strategy is RollingUpdate`,
  async (stage) => {
    await stage.of(daemonSets).create(daemonSet('rolls', { spec: { updateStrategy: { type: 'RollingUpdate' } } }));
    await everywhere(stage, 'rolls', 3);
    const before = new Set(daemonsOf(stage).map(hashOf));
    await stage.of(daemonSets).patch('rolls', withImage('coxswain.dev/pause:v2'), strategic);
    let fewest = 3;
    await stage.cluster.until(async () => {
      const { metadata, status } = await get(stage, 'rolls');
      fewest = Math.min(fewest, status?.numberAvailable ?? 0);
      if (status?.observedGeneration !== metadata?.generation) return false;
      return status?.updatedNumberScheduled === 3 && status.numberAvailable === 3;
    });
    expect(fewest).toBeGreaterThanOrEqual(2);
    const after = new Set(daemonsOf(stage).map(hashOf));
    expect([before.size, after.size]).toEqual([1, 1]);
    expect([...after]).not.toEqual([...before]);
    const kept = (await stage.of(controllerRevisions).list({ namespace: stage.namespace })).items;
    const numbers = new Map(kept.map((revision) => [hashOf(revision), revision.revision]));
    expect([...before, ...after].map((hash) => numbers.get(hash))).toEqual([1, 2]);
  },
  threeNodes,
);

behaviour(
  `${area} should rollback without unnecessary restarts`,
  async (stage) => {
    await stage.of(daemonSets).create(daemonSet('undone', { spec: { updateStrategy: { type: 'RollingUpdate' } } }));
    await everywhere(stage, 'undone', 3);
    const before = daemonsOf(stage).map(({ metadata }) => metadata?.uid);
    const change = (error: string | null, image: string) =>
      stage.of(daemonSets).patch(
        'undone',
        {
          spec: {
            template: {
              metadata: { annotations: { 'fake.coxswain.dev/pull-error': error } },
              spec: { containers: [{ name: 'main', image }] },
            },
          },
        },
        strategic,
      );
    await change('not found', 'no-such.example.com/webserver:404');
    await stage.cluster.until(
      () => daemonsOf(stage).filter(({ metadata }) => !before.includes(metadata?.uid)).length === 1,
    );
    await change(null, 'coxswain.dev/pause:v1');
    await everywhere(stage, 'undone', 3);
    expect(daemonsOf(stage).filter(({ metadata }) => before.includes(metadata?.uid)).length).toBe(2);
  },
  threeNodes,
);

behaviour(
  `${area} should list and delete a collection of DaemonSets`,
  async (stage) => {
    await stage.of(daemonSets).create(daemonSet('many'));
    await everywhere(stage, 'many', 3);
    const labelSelector = 'name=many';
    expect((await stage.of(daemonSets).list({ labelSelector })).items.length).toBe(1);
    await stage.of(daemonSets).deleteCollection({ namespace: stage.namespace, labelSelector });
    expect((await stage.of(daemonSets).list({ labelSelector })).items).toEqual([]);
    await stage.cluster.until(() => stage.cluster.pods(stage.namespace).length === 0);
  },
  threeNodes,
);

behaviour(
  `${area} should verify changes to a daemon set status`,
  async (stage) => {
    await stage.of(daemonSets).create(daemonSet('statuses'));
    await everywhere(stage, 'statuses', 3);
    await statusEndpoints(stage, daemonSets, 'statuses');
  },
  threeNodes,
);

behaviour(
  '[sig-apps] ControllerRevision [Serial] should manage the lifecycle of a ControllerRevision',
  async (stage) => {
    const { namespace } = stage;
    const client = stage.of(controllerRevisions);
    const all = async () => (await client.list({ namespace })).items;
    await stage.of(daemonSets).create(daemonSet('past'));
    await everywhere(stage, 'past', 3);
    const [first] = await all();
    const { name = '' } = first!.metadata!;
    const patched = await client.patch(name, { metadata: { labels: { [name]: 'patched' } } }, strategic);
    expect(patched.metadata?.labels).toMatchObject({ [name]: 'patched' });
    const { resourceVersion: _, uid: __, ...metadata } = first!.metadata!;
    await client.create({ ...first!, metadata: { ...metadata, name: 'past-second' }, revision: first!.revision + 1 });
    // Two of one template are made one: the newer stays.
    await stage.cluster.until(async () => (await all()).length === 1);
    const [left] = await all();
    expect([left?.metadata?.name, left?.revision]).toEqual(['past-second', 2]);
    const updated = await rewrite(client, 'past-second', {
      namespace,
      change: (current) => ({
        ...current,
        metadata: { ...current.metadata, labels: { ...current.metadata?.labels, 'past-second': 'updated' } },
      }),
    });
    expect(updated.metadata?.labels).toMatchObject({ 'past-second': 'updated' });
    await client.delete('past-second', { namespace });
    await expect(client.get('past-second', { namespace })).rejects.toSatisfy(isNotFound);
    await stage.cluster.until(async () => (await all()).length === 1);
    await client.patch((await all())[0]!.metadata!.name!, { metadata: { labels: { sweep: 'yes' } } }, strategic);
    await stage.of(daemonSets).patch('past', withImage('coxswain.dev/pause:v2'), strategic);
    await everywhere(stage, 'past', 3);
    expect((await all()).map(({ revision }) => revision).sort()).toEqual([1, 2]);
    await client.deleteCollection({ namespace, labelSelector: 'sweep=yes' });
    await stage.cluster.until(async () => (await all()).length === 1);
  },
  threeNodes,
);
