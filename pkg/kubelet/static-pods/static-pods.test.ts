/** A node with static pods, over the simulated runtime: files come, change and go, and so do mirrors, kubelets and the API. */
import { expect, test } from 'vitest';
import { isMirrorPod, staticPodAnnotations } from '#pkg/api/core/static-pods.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods } from '#pkg/api/types/refs.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { unlessGone } from '#pkg/apimachinery/status-error.ts';
import { type Cluster, start } from '../testing/virtual-node.ts';
import type { StaticPodFile } from './static-pods.ts';

const inDefault = { namespace: 'default' };
const periodMs = 20_000;

/** A pod as it is read of a file: what it says is in its uid. */
function staticPod(name: string, image = 'example.com/app:v1'): Pod {
  const uid = `hash of ${name} ${image}`;
  const { hash, source } = staticPodAnnotations;
  return {
    metadata: {
      name: `${name}-n1`,
      namespace: 'default',
      uid,
      annotations: { 'fake.coxswain.dev/stop-time': '10s', [hash]: uid, [source]: 'file' },
    },
    spec: {
      nodeName: 'n1',
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      containers: [{ name: 'app', image, imagePullPolicy: 'IfNotPresent' }],
    },
    status: { phase: 'Pending', qosClass: 'BestEffort' },
  };
}

/** The node, with the files that are put there. */
async function startNode(...first: readonly StaticPodFile[]) {
  const disk: { files: readonly StaticPodFile[]; fails: boolean; changed: () => void } = {
    files: first,
    fails: false,
    changed: () => {},
  };
  const cluster = await start({
    staticPods: {
      periodMs,
      read: async () => {
        if (disk.fails) throw new Error('the disk is away');
        return disk.files;
      },
      watch: (onChange) => {
        disk.changed = onChange;
      },
    },
  });
  await cluster.clock.settle();
  const put = async (...files: readonly StaticPodFile[]): Promise<void> => {
    disk.files = files;
    disk.changed();
    await cluster.clock.settle();
  };
  return { cluster, disk, put };
}

const file = (pod: Pod): StaticPodFile => ({ place: `/manifests/${pod.metadata?.name}.yaml`, pod });
const mirrorOf = (cluster: Cluster, name: string): Promise<Pod | undefined> =>
  unlessGone(cluster.client.resource(pods).get(`${name}-n1`, inDefault));
const images = async ({ runtime }: Cluster): Promise<readonly string[]> =>
  (await runtime.containers.list()).filter(({ state }) => state === 'running').map(({ podUid }) => podUid);

test('a pod of a file runs, and the API shows it as its node’s', async () => {
  const { cluster } = await startNode(file(staticPod('web')));
  expect(await images(cluster)).toEqual(['hash of web example.com/app:v1']);
  const mirror = await mirrorOf(cluster, 'web');
  expect(mirror?.metadata?.annotations).toMatchObject({
    [staticPodAnnotations.mirror]: 'hash of web example.com/app:v1',
    [staticPodAnnotations.source]: 'file',
  });
  expect(mirror?.metadata?.ownerReferences).toMatchObject([{ kind: 'Node', name: 'n1', controller: true }]);
  expect(mirror?.metadata?.uid).not.toBe('hash of web example.com/app:v1');
  expect(mirror?.status).toMatchObject({ phase: 'Running', containerStatuses: [{ name: 'app', ready: true }] });
  expect(findCondition(mirror?.status?.conditions, 'Ready')).toMatchObject({ status: 'True' });
});

test('a mirror that is deleted is made anew, and the pod does not notice', async () => {
  const { cluster } = await startNode(file(staticPod('web')));
  const before = await mirrorOf(cluster, 'web');
  const [running] = await cluster.runtime.containers.list();
  await cluster.client.resource(pods).delete('web-n1', inDefault);
  await cluster.clock.advance(60_000);
  const after = await mirrorOf(cluster, 'web');
  expect(after?.metadata?.uid).not.toBe(before?.metadata?.uid);
  expect(after?.metadata?.deletionTimestamp).toBeUndefined();
  expect(after?.status?.phase).toBe('Running');
  expect(await cluster.runtime.containers.list()).toEqual([running]);
});

test('another pod of the same name begins once the first has ended, and its mirror takes the place of the other', async () => {
  const { cluster, put } = await startNode(file(staticPod('web')));
  await put(file(staticPod('web', 'example.com/app:v2')));
  expect(await images(cluster)).toEqual(['hash of web example.com/app:v1']);
  await cluster.clock.advance(40_000);
  expect(await images(cluster)).toEqual(['hash of web example.com/app:v2']);
  const mirror = await mirrorOf(cluster, 'web');
  expect(mirror?.spec?.containers[0]?.image).toBe('example.com/app:v2');
  expect(mirror?.status?.phase).toBe('Running');
});

test('a pod whose file goes ends, and then its mirror goes', async () => {
  const { cluster, put } = await startNode(file(staticPod('web')), file(staticPod('other')));
  await put(file(staticPod('other')));
  expect(await mirrorOf(cluster, 'web')).toBeDefined();
  await cluster.clock.advance(40_000);
  expect(await images(cluster)).toEqual(['hash of other example.com/app:v1']);
  expect(await mirrorOf(cluster, 'web')).toBeUndefined();
  expect((await mirrorOf(cluster, 'other'))?.status?.phase).toBe('Running');
});

test('a file that is not right, or a disk that is away, changes nothing of what runs', async () => {
  const { cluster, disk, put } = await startNode(file(staticPod('web')));
  await put({ place: '/manifests/web-n1.yaml', problem: 'it is no Pod of v1' });
  await cluster.clock.advance(60_000);
  expect(await images(cluster)).toEqual(['hash of web example.com/app:v1']);
  disk.fails = true;
  await cluster.clock.advance(60_000);
  expect(await images(cluster)).toEqual(['hash of web example.com/app:v1']);
});

test('of two files with one pod the first counts', async () => {
  const [one, two] = [staticPod('web'), staticPod('web', 'example.com/app:v2')];
  const { cluster } = await startNode({ place: '/a.yaml', pod: one }, { place: '/b.yaml', pod: two });
  await cluster.clock.advance(60_000);
  expect(await images(cluster)).toEqual([one.metadata?.uid]);
});

test('the next kubelet goes on with what runs, and ends what has no file any more', async () => {
  const { cluster, disk } = await startNode(file(staticPod('web')), file(staticPod('gone')));
  const before = (await cluster.runtime.containers.list()).find(({ podUid }) => podUid.includes('web'));
  await cluster.end();
  disk.files = [file(staticPod('web'))];
  const { end } = cluster.startKubelet();
  await cluster.clock.advance(60_000);
  expect(await cluster.runtime.containers.list()).toEqual([before]);
  expect(await mirrorOf(cluster, 'gone')).toBeUndefined();
  expect((await mirrorOf(cluster, 'web'))?.status?.phase).toBe('Running');
  await end();
});

test('a mirror of no pod is taken away, on a node without static pods too', async () => {
  const cluster = await start();
  await cluster.clock.settle();
  const orphan = staticPod('nobody');
  const annotations = { [staticPodAnnotations.mirror]: 'x' };
  await cluster.client
    .resource(pods)
    .create({ ...orphan, metadata: { name: 'nobody-n1', namespace: 'default', annotations } });
  await cluster.clock.settle();
  expect(await mirrorOf(cluster, 'nobody')).toBeUndefined();
  expect(await cluster.runtime.containers.list()).toEqual([]);
  expect(isMirrorPod(orphan)).toBe(false);
});
