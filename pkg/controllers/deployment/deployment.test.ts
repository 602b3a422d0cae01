import { afterEach, expect, test } from 'vitest';
import type { Deployment, ReplicaSet } from '#pkg/api/types/apps-v1.ts';
import { deployments, events, pods, replicaSets } from '#pkg/api/types/refs.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import { deploymentOf, type Harness, startHarness, templateOf, until } from '../testing/harness.ts';
import { isComplete } from './status.ts';

let harness: Harness;
afterEach(() => harness.stop());

const controllers = ['deployment-controller', 'replicaset-controller'];
const web = () => harness.get(deployments, 'default/web') as Promise<Deployment>;
const sets = () => harness.list(replicaSets, 'default');
const patch = (spec: Record<string, unknown>) =>
  harness.client.resource(deployments).patch('web', { spec }, { namespace: 'default', type: 'merge' });
const complete = async () => {
  const deployment = await web();
  return isComplete(deployment, deployment.status);
};
const imageOf = (set: ReplicaSet) => set.spec?.template?.spec?.containers[0]?.image;
const sizes = async () =>
  Object.fromEntries((await sets()).map((set) => [imageOf(set), set.spec?.replicas])) as Record<string, number>;
const revision = async () => (await web()).metadata?.annotations?.['deployment.kubernetes.io/revision'];

test('a new deployment makes one replica set with its hash and reports when it is complete', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(deployments).create(deploymentOf('web'));
  await until(harness, complete);
  const [set] = await sets();
  const hash = set?.metadata?.labels?.['pod-template-hash'];
  expect(set?.metadata).toMatchObject({
    name: `web-${hash}`,
    labels: { app: 'web', 'pod-template-hash': hash },
    annotations: {
      'deployment.kubernetes.io/revision': '1',
      'deployment.kubernetes.io/desired-replicas': '3',
      'deployment.kubernetes.io/max-replicas': '4',
    },
  });
  expect(set?.spec?.selector).toEqual({ matchLabels: { app: 'web', 'pod-template-hash': hash } });
  const { status, metadata } = await web();
  expect(metadata?.annotations?.['deployment.kubernetes.io/revision']).toBe('1');
  expect(status).toMatchObject({
    observedGeneration: 1,
    replicas: 3,
    updatedReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
  });
  expect(status?.conditions).toMatchObject([
    {
      type: 'Available',
      status: 'True',
      reason: 'MinimumReplicasAvailable',
      message: 'Deployment has minimum availability.',
    },
    {
      type: 'Progressing',
      status: 'True',
      reason: 'NewReplicaSetAvailable',
      message: `ReplicaSet "web-${hash}" has successfully progressed.`,
    },
  ]);
  expect(await harness.eventsOf('web')).toEqual([`ScalingReplicaSet: Scaled up replica set web-${hash} from 0 to 3`]);
});

test('a new template rolls out within surge and unavailability, and undo takes the old set again', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(deployments).create(
    deploymentOf('web', {
      replicas: 4,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
    }),
  );
  await until(harness, complete);
  await patch({ template: templateOf('web', 'v2') });
  const extremes = { most: 0, fewest: 9 };
  await until(harness, async () => {
    const all = await harness.list(pods, 'default');
    const live = all.filter((pod) => pod.metadata?.deletionTimestamp === undefined);
    const ready = live.filter((pod) => pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'));
    extremes.most = Math.max(extremes.most, live.length);
    extremes.fewest = Math.min(extremes.fewest, ready.length);
    return complete();
  });
  expect(extremes.most).toBeLessThanOrEqual(5);
  expect(extremes.fewest).toBeGreaterThanOrEqual(3);
  expect(await sizes()).toEqual({ v1: 0, v2: 4 });
  expect(await revision()).toBe('2');
  await patch({ template: templateOf('web', 'v1') });
  await until(harness, complete);
  expect(await sizes()).toEqual({ v1: 4, v2: 0 });
  expect(await revision()).toBe('3');
  const first = (await sets()).find((set) => imageOf(set) === 'v1');
  expect(first?.metadata?.annotations).toMatchObject({
    'deployment.kubernetes.io/revision': '3',
    'deployment.kubernetes.io/revision-history': '1',
  });
});

test('recreate starts no new pod before the last old one has ended', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(deployments).create(deploymentOf('web', { strategy: { type: 'Recreate' } }));
  await until(harness, complete);
  await patch({ template: templateOf('web', 'v2') });
  await until(harness, async () => {
    const images = new Set((await harness.list(pods, 'default')).map((pod) => pod.spec?.containers[0]?.image));
    expect(images.size).toBeLessThan(2);
    return complete();
  });
  expect(await sizes()).toEqual({ v1: 0, v2: 3 });
});

test('while paused a new template waits and scaling goes on', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(deployments).create(deploymentOf('web'));
  await until(harness, complete);
  await patch({ paused: true, template: templateOf('web', 'v2') });
  await harness.clock.advance(5_000);
  expect(await sizes()).toEqual({ v1: 3 });
  expect((await web()).status?.conditions).toContainEqual(
    expect.objectContaining({
      type: 'Progressing',
      status: 'Unknown',
      reason: 'DeploymentPaused',
      message: 'Deployment is paused',
    }),
  );
  await patch({ replicas: 5 });
  await harness.clock.advance(5_000);
  expect(await sizes()).toEqual({ v1: 5 });
  await patch({ paused: false });
  await until(harness, complete);
  expect(await sizes()).toEqual({ v1: 0, v2: 5 });
});

test('a rollout that stands still fails its deadline, and a scale in the middle is spread in proportion', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(deployments).create(
    deploymentOf('web', {
      replicas: 10,
      progressDeadlineSeconds: 60,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } },
    }),
  );
  await until(harness, complete);
  await patch({ template: templateOf('web', 'bad', { broken: '' }) });
  await harness.clock.advance(10_000);
  expect(await sizes()).toEqual({ v1: 8, bad: 5 });
  await harness.clock.advance(60_000);
  const failed = (await web()).status?.conditions?.find(({ type }) => type === 'Progressing');
  expect(failed).toMatchObject({
    status: 'False',
    reason: 'ProgressDeadlineExceeded',
    message: expect.stringMatching(/^ReplicaSet "web-.*" has timed out progressing\.$/),
  });
  await patch({ replicas: 15 });
  await harness.clock.advance(10_000);
  expect(await sizes()).toEqual({ v1: 11, bad: 7 });
});

test('old replica sets beyond the history limit are removed', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(deployments).create(deploymentOf('web', { revisionHistoryLimit: 1 }));
  for (const image of ['v1', 'v2', 'v3', 'v4']) {
    await patch({ template: templateOf('web', image) });
    await until(harness, complete);
    await harness.clock.advance(2_000);
  }
  expect((await sets()).map(imageOf).sort()).toEqual(['v3', 'v4']);
});

test('nothing is written once a rollout is complete', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(deployments).create(deploymentOf('web'));
  await until(harness, complete);
  await harness.clock.advance(5_000);
  harness.writes.length = 0;
  await harness.clock.advance(3_600_000);
  expect(harness.writes).toEqual([]);
});

/** What the deployment's events say happened, in order, with images in place of the names of replica sets. */
async function scaling(): Promise<readonly string[]> {
  const byName = new Map((await sets()).map((set) => [set.metadata?.name ?? '', imageOf(set) ?? '']));
  const { items } = await harness.client.resource(events).list({ namespace: 'default' });
  return items
    .filter(({ involvedObject }) => involvedObject.kind === 'Deployment')
    .map(
      ({ reason, message = '' }) =>
        `${reason}: ${message.replace(/web-[0-9a-z]+/, (name) => byName.get(name) ?? name)}`,
    );
}

test('the steps of a rolling update, as its events tell them', async () => {
  harness = await startHarness({ controllers });
  const rollingUpdate = { maxSurge: 1, maxUnavailable: 0 };
  await harness.client
    .resource(deployments)
    .create(deploymentOf('web', { replicas: 2, strategy: { type: 'RollingUpdate', rollingUpdate } }));
  await until(harness, complete);
  await patch({ template: templateOf('web', 'v2') });
  await until(harness, complete);
  await harness.clock.advance(2_000);
  expect(await scaling()).toEqual([
    'ScalingReplicaSet: Scaled up replica set v1 from 0 to 2',
    'ScalingReplicaSet: Scaled up replica set v2 from 0 to 1',
    'ScalingReplicaSet: Scaled down replica set v1 from 2 to 1',
    'ScalingReplicaSet: Scaled up replica set v2 from 1 to 2',
    'ScalingReplicaSet: Scaled down replica set v1 from 1 to 0',
  ]);
});

test('a name taken by a set with another template is counted as a collision and avoided', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(deployments).create(deploymentOf('web'));
  await until(harness, complete);
  const [first] = await sets();
  await harness.client.resource(deployments).delete('web', { namespace: 'default', propagationPolicy: 'Orphan' });
  const { name = '', namespace } = first!.metadata!;
  await harness.client.resource(replicaSets).delete(name, { namespace: 'default' });
  const selector = { matchLabels: { app: 'other' } };
  await harness.client.resource(replicaSets).create({
    metadata: { name, namespace: namespace! },
    spec: { replicas: 0, selector, template: templateOf('other', 'v1') },
  });
  await harness.client
    .resource(deployments)
    .patch('web', { metadata: { finalizers: null } }, { namespace: 'default', type: 'merge' });
  await harness.client.resource(deployments).create(deploymentOf('web'));
  await until(harness, complete);
  expect((await web()).status?.collisionCount).toBe(1);
  expect((await sets()).length).toBe(2);
});

test('a replica set that the server refuses shows in condition and event, and is tried again', async () => {
  harness = await startHarness({ controllers });
  const refusal = forbidden({ group: 'apps', resource: 'replicasets' }, 'web', 'not today');
  harness.hooks.beforeRequest = (request) => {
    const isCreation = request.method === 'POST' && request.path.endsWith('/replicasets');
    return isCreation ? Promise.reject(refusal) : Promise.resolve();
  };
  await harness.client.resource(deployments).create(deploymentOf('web'));
  await harness.clock.advance(1_000);
  const message = expect.stringMatching(/^Failed to create new replica set "web-[0-9a-z]+": .*not today$/) as string;
  expect((await web()).status?.conditions).toMatchObject([
    { type: 'Progressing', status: 'False', reason: 'ReplicaSetCreateError', message },
  ]);
  expect((await harness.eventsOf('web'))[0]).toMatch(/^ReplicaSetCreateError: Failed to create new replica set "web-/);
  harness.hooks.beforeRequest = undefined;
  await until(harness, complete);
});

test('a deployment takes matching replica sets that nobody owns, and lets go of those that match no longer', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(deployments).create(deploymentOf('web'));
  await until(harness, complete);
  await harness.client.resource(deployments).delete('web', { namespace: 'default', propagationPolicy: 'Orphan' });
  await harness.client
    .resource(deployments)
    .patch('web', { metadata: { finalizers: null } }, { namespace: 'default', type: 'merge' });
  const name = (await sets())[0]!.metadata!.name!;
  const owners = async () => (await harness.get(replicaSets, `default/${name}`))?.metadata?.ownerReferences ?? [];
  await harness.client
    .resource(replicaSets)
    .patch(name, { metadata: { ownerReferences: null } }, { namespace: 'default', type: 'merge' });
  await harness.client.resource(deployments).create(deploymentOf('web'));
  await until(harness, complete);
  expect((await owners()).map(({ uid }) => uid)).toEqual([(await web()).metadata!.uid]);
  expect((await sets()).length).toBe(1);
  await harness.client
    .resource(replicaSets)
    .patch(name, { metadata: { labels: { app: 'mine' } } }, { namespace: 'default', type: 'merge' });
  await harness.clock.advance(5_000);
  expect(await owners()).toEqual([]);
});

test('while its dependents go first, a deployment still counts what is up to date', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(deployments).create(deploymentOf('web'));
  await until(harness, complete);
  await harness.client.resource(deployments).delete('web', { namespace: 'default', propagationPolicy: 'Foreground' });
  await harness.clock.advance(2_000);
  expect((await web()).status).toMatchObject({ replicas: 3, updatedReplicas: 3 });
});

test('the revision is written with the status, not before it', async () => {
  harness = await startHarness({ controllers });
  await harness.client.resource(deployments).create(deploymentOf('web'));
  await until(harness, complete);
  const written = harness.writes.filter((line) => line.includes('/deployments/'));
  expect(new Set(written)).toEqual(new Set(['PUT /apis/apps/v1/namespaces/default/deployments/web/status']));
  expect(await revision()).toBe('1');
});
