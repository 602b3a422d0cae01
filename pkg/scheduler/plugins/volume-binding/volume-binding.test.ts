import { expect, test } from 'vitest';
import type { PersistentVolume, PersistentVolumeClaim } from '#pkg/api/types/core-v1.ts';
import type { CSIStorageCapacity, StorageClass } from '#pkg/api/types/storage-v1.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { cycleOf } from '../../framework/plugin-tester.ts';
import { createVolumeBinding, type VolumeSource } from './volume-binding.ts';

/** A cluster without volumes. */
const noVolumes: VolumeSource = {
  claim: () => undefined,
  volume: () => undefined,
  volumes: () => [],
  storageClass: () => undefined,
  driver: () => undefined,
  capacities: () => [],
};

const bindNothing = async (): Promise<void> => undefined;
const lazy: StorageClass = { provisioner: 'p', volumeBindingMode: 'WaitForFirstConsumer' };

const pod = makePod('p').spec({ volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] }).object;

function claim(volumeName: string, phase: string, storageClassName = 'fast'): PersistentVolumeClaim {
  return {
    metadata: { name: 'data', namespace: 'default' },
    spec: { volumeName, storageClassName },
    status: { phase },
  };
}

const onNodeA: PersistentVolume = {
  metadata: { name: 'pv' },
  spec: {
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['a'] }] }],
      },
    },
  },
};

test.each<{
  readonly rule: string;
  readonly claim?: PersistentVolumeClaim;
  readonly volume?: PersistentVolume;
  readonly said: string;
}>([
  { rule: 'a claim that is not there', said: 'persistentvolumeclaim "data" not found' },
  {
    rule: 'a claim that is not bound',
    claim: claim('', 'Pending'),
    said: 'pod has unbound immediate PersistentVolumeClaims',
  },
  {
    rule: 'a claim that waits for a consumer, of which a volume can be made anywhere',
    claim: claim('', 'Pending', 'lazy'),
    said: 'a b',
  },
  {
    rule: 'a claim whose volume was lost',
    claim: claim('pv', 'Lost'),
    said: 'persistentvolumeclaim "data" bound to non-existent persistentvolume "pv"',
  },
  { rule: 'a volume that every node reaches', claim: claim('pv', 'Bound'), volume: {}, said: 'a b' },
  { rule: 'a volume of one node', claim: claim('pv', 'Bound'), volume: onNodeA, said: 'a' },
  { rule: 'a bound volume that is gone', claim: claim('pv', 'Bound'), said: '' },
])('$rule', ({ claim: theClaim, volume, said }) => {
  const plugin = createVolumeBinding(
    {
      ...noVolumes,
      claim: () => theClaim,
      volume: () => volume,
      storageClass: (name) => (name === 'lazy' ? lazy : undefined),
    },
    bindNothing,
  );
  const cycle = cycleOf(pod, { nodes: [makeNode('a'), makeNode('b')] });
  const { status } = plugin.preFilter(cycle);
  const passed = [...cycle.cluster.nodes()].filter((node) => plugin.filter(cycle)!(node).code === 'Success');
  expect(status.code === 'Success' ? passed.map(({ name }) => name).join(' ') : status.reasons.join()).toBe(said);
});

const made = makePod('p')
  .meta({ uid: 'p' })
  .spec({ volumes: [{ name: 'scratch', ephemeral: {} }] }).object;
const owned = (uid: string): PersistentVolumeClaim => ({
  ...claim('pv', 'Bound'),
  metadata: {
    name: 'p-scratch',
    namespace: 'default',
    ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid, controller: true }],
  },
});

test.each<{
  readonly rule: string;
  readonly claims: readonly PersistentVolumeClaim[];
  readonly said: readonly string[];
}>([
  {
    rule: 'is not made yet',
    claims: [],
    said: ['waiting for ephemeral volume controller to create the persistentvolumeclaim "p-scratch"'],
  },
  {
    rule: 'was made for another pod',
    claims: [owned('other')],
    said: ['PVC default/p-scratch was not created for pod default/p (pod is not owner)'],
  },
  { rule: 'is bound', claims: [owned('p')], said: [] },
])('the claim of an ephemeral volume $rule', ({ claims, said }) => {
  const find = (key: string) => claims.find(({ metadata }) => `${metadata?.namespace}/${metadata?.name}` === key);
  const plugin = createVolumeBinding({ ...noVolumes, claim: find }, bindNothing);
  expect(plugin.preFilter(cycleOf(made, { nodes: [] })).status.reasons).toEqual(said);
});

test('a pod without claims costs nothing', () => {
  expect(createVolumeBinding(noVolumes, bindNothing).filter(cycleOf(makePod('p').object, { nodes: [] }))).toBe(
    undefined,
  );
});

test('claims of one pod get different volumes that a node reaches, and those of pods before it are taken', async () => {
  const free = (name: string, storage: string): PersistentVolume => ({
    ...onNodeA,
    metadata: { name },
    spec: { ...onNodeA.spec, capacity: { storage }, storageClassName: 'static' },
    status: { phase: 'Available' },
  });
  const volumes = [free('large', '3Gi'), free('small', '1Gi'), free('middle', '2Gi')];
  const bound: string[] = [];
  const plugin = createVolumeBinding(
    {
      ...noVolumes,
      claim: (key) => ({ ...claim('', 'Pending', 'static'), metadata: { namespace: 'default', name: key.slice(8) } }),
      volumes: () => volumes,
      storageClass: () => ({ provisioner: 'kubernetes.io/no-provisioner', volumeBindingMode: 'WaitForFirstConsumer' }),
    },
    async (decisions) => void bound.push(...decisions.map(({ volume }) => volume?.metadata?.name ?? '')),
  );
  const podOf = (name: string, claims: number) =>
    cycleOf(
      makePod(name).spec({
        volumes: Array.from({ length: claims }, (_, i) => ({
          name: `v${i}`,
          persistentVolumeClaim: { claimName: `${name}-c${i}` },
        })),
      }).object,
      { nodes: [makeNode('a'), makeNode('b')] },
    );
  const passed = (cycle: ReturnType<typeof podOf>): string =>
    [...cycle.cluster.nodes()]
      .filter((node) => plugin.filter(cycle)?.(node).code === 'Success')
      .map(({ name }) => name)
      .join(' ');
  const [first, second] = [podOf('p', 2), podOf('q', 2)];
  expect(passed(first)).toBe('a');
  expect(plugin.reserve(first, 'a').code).toBe('Success');
  expect(passed(second)).toBe('');
  await plugin.preBind(first, 'a', new AbortController().signal);
  expect(bound).toEqual(['small', 'middle']);
  plugin.unreserve(first, 'a');
  expect(passed(second)).toBe('a');
});

const capacity = (
  nodeName: string,
  storageClassName: string,
  sizes: Partial<CSIStorageCapacity>,
): CSIStorageCapacity => ({
  storageClassName,
  nodeTopology: { matchLabels: { 'kubernetes.io/hostname': nodeName } },
  ...sizes,
});
const capacities: readonly CSIStorageCapacity[] = [
  capacity('a', 'lazy', { capacity: '5Gi' }),
  capacity('b', 'lazy', { capacity: '9Gi', maximumVolumeSize: '1Gi' }),
  capacity('c', 'other', { capacity: '9Gi' }),
  { storageClassName: 'lazy', capacity: '9Gi' },
];

test.each<{ readonly rule: string; readonly says: boolean; readonly storage?: string; readonly passing: string }>([
  { rule: 'where there is enough', says: true, storage: '4Gi', passing: 'a' },
  { rule: 'where one may be as large', says: true, storage: '1Gi', passing: 'a b' },
  { rule: 'nowhere, if it is larger than all', says: true, storage: '6Gi', passing: '' },
  { rule: 'anywhere, as its driver does not say what it has', says: false, storage: '6Gi', passing: 'a b c' },
  { rule: 'anywhere, if no size is asked for', says: true, passing: 'a b c' },
])('a volume can be made $rule', ({ says, storage, passing }) => {
  const { spec, ...rest } = claim('', 'Pending', 'lazy');
  const resources = storage === undefined ? {} : { resources: { requests: { storage } } };
  const plugin = createVolumeBinding(
    {
      ...noVolumes,
      claim: () => ({ ...rest, spec: { ...spec, ...resources } }),
      storageClass: (name) => ({ ...lazy, metadata: { name } }),
      driver: () => ({ spec: { storageCapacity: says } }),
      capacities: () => capacities,
    },
    bindNothing,
  );
  const cycle = cycleOf(pod, { nodes: ['a', 'b', 'c'].map((name) => makeNode(name)) });
  const answers = Array.from(cycle.cluster.nodes(), (node) => ({
    name: node.name,
    said: plugin.filter(cycle)?.(node),
  }));
  const passed = answers.filter(({ said }) => said?.code === 'Success').map(({ name }) => name);
  expect(passed.join(' ')).toBe(passing);
  const reasons = new Set(answers.flatMap(({ said }) => said?.reasons ?? []));
  expect([...reasons]).toEqual(passed.length === 3 ? [] : ['node(s) did not have enough free storage']);
});

test.each<[string, StorageClass]>([
  ['its volume', { provisioner: 'kubernetes.io/no-provisioner', volumeBindingMode: 'WaitForFirstConsumer' }],
  ['the node where one is made', lazy],
])('pods that share a claim share %s, though the API does not show it yet', async (what, storageClass) => {
  const volumes = ['first', 'second'].map(
    (name): PersistentVolume => ({
      ...onNodeA,
      metadata: { name },
      spec: { ...onNodeA.spec, storageClassName: 'lazy' },
    }),
  );
  let shown = { ...claim('', 'Pending', 'lazy'), metadata: { name: 'data', namespace: 'default', uid: 'data' } };
  const written: string[] = [];
  const plugin = createVolumeBinding(
    {
      ...noVolumes,
      claim: () => shown,
      volume: () => volumes[0],
      volumes: () => (what === 'its volume' ? volumes : []),
      storageClass: () => storageClass,
    },
    async (decisions) => {
      for (const { volume, isShared } of decisions) written.push(`${volume?.metadata?.name} ${isShared}`);
    },
  );
  const podOf = (name: string) =>
    cycleOf(
      makePod(name)
        .meta({ uid: name })
        .spec(pod.spec ?? {}).object,
      {
        nodes: [makeNode('a'), makeNode('b')],
      },
    );
  const passing = (cycle: ReturnType<typeof podOf>): string =>
    Array.from(cycle.cluster.nodes())
      .filter((node) => plugin.filter(cycle)?.(node).code === 'Success')
      .map(({ name }) => name)
      .join(' ');
  const { signal } = new AbortController();
  const [one, two, three] = [podOf('one'), podOf('two'), podOf('three')];
  expect(plugin.reserve(one, 'a').code).toBe('Success');
  expect(passing(two)).toBe('a');
  expect(plugin.reserve(two, 'a').code).toBe('Success');
  await plugin.preBind(two, 'a', signal);
  await plugin.preBind(one, 'a', signal);
  const name = what === 'its volume' ? 'first' : undefined;
  expect(written).toEqual([`${name} true`, `${name} false`]);
  // Bound, which the API shows a moment later.
  expect(passing(three)).toBe('a');
  shown = { ...shown, spec: { ...shown.spec, volumeName: 'first' }, status: { phase: 'Bound' } };
  expect(passing(three)).toBe('a');
  // One that could not be bound leaves the claim to the next.
  shown = { ...shown, spec: { ...shown.spec, volumeName: '' }, status: { phase: 'Pending' } };
  plugin.reserve(one, 'a');
  plugin.unreserve(one, 'a');
  expect(passing(three)).toBe(what === 'its volume' ? 'a' : 'a b');
});
