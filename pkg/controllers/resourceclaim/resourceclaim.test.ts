import { afterEach, expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods, resourceClaims, resourceClaimTemplates } from '#pkg/api/types/refs.ts';
import type { ResourceClaim } from '#pkg/api/types/resource-v1.ts';
import { endPod, type Harness, type HarnessOptions, startHarness, until } from '../testing/harness.ts';
import { claimFor } from './template-claim.ts';

const namespace = 'default';
const controllers = ['resourceclaim-controller', 'garbage-collector-controller'];
let harness: Harness;
afterEach(() => harness.stop());

const start = async (options: HarnessOptions = {}): Promise<void> => {
  harness = await startHarness({ controllers, runPods: false, ...options });
};
const spec = { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu.example.com' } }] } };
const makeTemplate = () =>
  harness.client.resource(resourceClaimTemplates).create({
    metadata: { name: 'gpu', namespace },
    spec: { metadata: { labels: { team: 'a' }, annotations: { note: 'b' } }, spec },
  });
const podOf = (name: string, more: Partial<NonNullable<Pod['spec']>> = {}): Pod => ({
  metadata: { name, namespace },
  spec: {
    containers: [{ name: 'main', image: 'v1' }],
    resourceClaims: [{ name: 'card', resourceClaimTemplateName: 'gpu' }],
    ...more,
  },
});
const makePod = (name: string, more: Partial<NonNullable<Pod['spec']>> = {}) =>
  harness.client.resource(pods).create(podOf(name, more));
const claims = () => harness.list(resourceClaims, namespace);
const namesIn = async (name: string): Promise<readonly (string | undefined)[]> =>
  ((await harness.get(pods, `default/${name}`))?.status?.resourceClaimStatuses ?? []).map(
    ({ resourceClaimName }) => resourceClaimName,
  );
/** As the scheduler does when it has found devices. */
async function allocate(claim: ResourceClaim, user: Pod): Promise<void> {
  const { name = '', uid = '' } = user.metadata ?? {};
  const resource = harness.client.resource(resourceClaims);
  const finalizers = ['resource.kubernetes.io/delete-protection'];
  const kept = await resource.update({ ...claim, metadata: { ...claim.metadata, finalizers } });
  const status = { allocation: {}, reservedFor: [{ resource: 'pods', name, uid }] };
  await resource.update({ ...kept, status }, { subresource: 'status' });
}

test('a pod gets the claim of its template, which its status names; one that is deleted is made anew', async () => {
  await start();
  await makeTemplate();
  const pod = await makePod('p');
  await harness.clock.advance(1_000);
  const [claim] = await claims();
  expect(claim?.metadata?.name).toMatch(/^p-card-[a-z0-9]{5}$/);
  expect(claim?.metadata).toMatchObject({
    labels: { team: 'a' },
    annotations: { note: 'b', 'resource.kubernetes.io/pod-claim-name': 'card' },
    ownerReferences: [{ kind: 'Pod', name: 'p', uid: pod.metadata?.uid, controller: true, blockOwnerDeletion: true }],
  });
  expect(await namesIn('p')).toEqual([claim?.metadata?.name]);
  expect(harness.writes).toHaveLength(2);
  await harness.client.resource(resourceClaims).delete(claim?.metadata?.name ?? '', { namespace });
  await harness.clock.advance(1_000);
  const [again] = await claims();
  expect(again?.metadata?.uid).not.toBe(claim?.metadata?.uid);
  expect(await namesIn('p')).toEqual([again?.metadata?.name]);
});

test('a template that is not there is said in an event, asked for ever more seldom, and found as soon as it comes', async () => {
  await start();
  await makePod('p');
  await harness.clock.advance(3_600_000);
  expect(await harness.eventsOf('p')).toEqual([
    'FailedResourceClaimCreation: PodResourceClaim card: resource claim template "gpu": resourceclaimtemplate.resource.k8s.io "gpu" not found',
  ]);
  expect(harness.writes.filter((line) => !line.includes('/events'))).toEqual([]);
  expect(harness.writes.length).toBeLessThan(30);
  await makeTemplate();
  await harness.clock.advance(1_000);
  expect(await namesIn('p')).toHaveLength(1);
});

test('a claim that its pod no longer uses is given up, and goes when it was made for the pod', async () => {
  await start();
  await makeTemplate();
  const shared = await harness.client
    .resource(resourceClaims)
    .create({ metadata: { name: 'shared', namespace }, spec });
  const own = await makePod('own', { nodeName: 'n1' });
  const user = await makePod('user', {
    nodeName: 'n1',
    resourceClaims: [{ name: 'card', resourceClaimName: 'shared' }],
  });
  await harness.clock.advance(1_000);
  await allocate((await claims())[0]!, own);
  await allocate(shared, user);
  await harness.clock.advance(60_000);
  const used = await claims();
  expect(used.map(({ status }) => status?.reservedFor?.map(({ name }) => name))).toEqual([['own'], ['user']]);
  for (const name of ['own', 'user']) await endPod(harness, (await harness.get(pods, `default/${name}`))!, 0);
  await harness.clock.advance(1_000);
  const left = await claims();
  expect(left.map(({ metadata, status }) => [metadata?.name, metadata?.finalizers, status ?? {}])).toEqual([
    ['shared', undefined, {}],
  ]);
});

test('a claim that is reserved for a pod which is not there is given up; what others use is theirs', async () => {
  await start();
  const resource = harness.client.resource(resourceClaims);
  const reserve = async (name: string, user: { apiGroup?: string; resource: string }): Promise<void> => {
    const claim = await resource.create({ metadata: { name, namespace }, spec });
    const status = { allocation: {}, reservedFor: [{ ...user, name: 'none', uid: 'none' }] };
    await resource.update({ ...claim, status }, { subresource: 'status' });
  };
  await reserve('of-none', { resource: 'pods' });
  await reserve('of-others', { apiGroup: 'example.com', resource: 'things' });
  await harness.clock.advance(1_000);
  expect((await claims()).map(({ status }) => status?.reservedFor?.length ?? 0)).toEqual([0, 1]);
  harness.writes.length = 0;
  await harness.clock.advance(3_600_000);
  expect(harness.writes).toEqual([]);
});

test('an allocated claim is reserved for a pod that came to its node past the scheduler', async () => {
  await start();
  const claim = await harness.client.resource(resourceClaims).create({ metadata: { name: 'shared', namespace }, spec });
  const named = { resourceClaims: [{ name: 'card', resourceClaimName: 'shared' }] };
  const first = await makePod('first', { ...named, nodeName: 'n1' });
  await allocate(claim, first);
  await makePod('second', { ...named, nodeName: 'n1' });
  await makePod('waiting', named);
  await harness.clock.advance(1_000);
  const { status } = (await harness.get(resourceClaims, 'default/shared'))!;
  expect(status?.reservedFor?.map(({ name }) => name)).toEqual(['first', 'second']);
});

test.each([1, 2, 3, 4])('lost requests, answers and watches: every pod has one claim (seed %i)', async (seed) => {
  await start({ seed, faultShare: 0.3 });
  await makeTemplate();
  for (let i = 0; i < 10; i++) {
    await makePod(`p${i}`);
    harness.dropWatches({ history: i % 2 === 0 });
    await harness.clock.advance(200);
  }
  await until(harness, async () =>
    (await Promise.all(Array.from({ length: 10 }, (_, i) => namesIn(`p${i}`)))).every((names) => names.length === 1),
  );
  await harness.clock.advance(10_000);
  const owners = (await claims()).map(({ metadata }) => metadata?.ownerReferences?.[0]?.name);
  expect(owners.toSorted()).toEqual(Array.from({ length: 10 }, (_, i) => `p${i}`));
});

test('of names that are too long together, both give in proportion', () => {
  const pod = { metadata: { name: 'p'.repeat(100), namespace } };
  const claim = claimFor(pod, 'c'.repeat(20), { spec: { spec } });
  expect(claim.metadata?.generateName).toBe(`${'p'.repeat(47)}-${'c'.repeat(9)}-`);
});
