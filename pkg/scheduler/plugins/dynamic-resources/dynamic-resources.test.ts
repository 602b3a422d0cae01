import { expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type {
  Device,
  DeviceClaim,
  DeviceClass,
  ExactDeviceRequest,
  ResourceClaim,
  ResourceSlice,
} from '#pkg/api/types/resource-v1.ts';
import type { DeviceTaintRule } from '#pkg/api/types/resource-v1beta2.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { cycleOf, filtered } from '../../framework/plugin-tester.ts';
import { podInfoOf } from '../../model/pod-info.ts';
import { createDynamicResources, type DeviceSource } from './dynamic-resources.ts';
import type { ClaimWrite } from './write-claims.ts';

const driver = 'gpu.example.com';

function gpu(name: string, model: string, memory: string, more: Partial<Device> = {}): Device {
  const attributes = { model: { string: model }, index: { int: Number(name.at(-1)) }, version: { version: '2.1.0' } };
  return { name, attributes, capacity: { memory: { value: memory } }, ...more };
}

function sliceOf(node: string, devices: readonly Device[], more: Partial<ResourceSlice['spec']> = {}): ResourceSlice {
  const pool = { name: node, generation: 1, resourceSliceCount: 1 };
  return { metadata: { name: `${node}-slice` }, spec: { driver, pool, nodeName: node, devices, ...more } };
}

const gpuClass: DeviceClass = {
  metadata: { name: 'gpu' },
  spec: { selectors: [{ cel: { expression: `device.driver == "${driver}"` } }] },
};

function claimOf(name: string, devices: DeviceClaim, status: ResourceClaim['status'] = {}): ResourceClaim {
  return { metadata: { name, namespace: 'default', uid: name }, spec: { devices }, status };
}

const exactly = (count: number, expression?: string) => ({
  deviceClassName: 'gpu',
  count,
  ...(expression === undefined ? {} : { selectors: [{ cel: { expression } }] }),
});
const one = (expression?: string): DeviceClaim => ({ requests: [{ name: 'gpu', exactly: exactly(1, expression) }] });

const tainted = (effect: string) => ({ key: 'sick', effect });

const slices = [
  sliceOf('small', [gpu('gpu-0', 'a', '16Gi')]),
  sliceOf('large', [gpu('gpu-0', 'b', '80Gi'), gpu('gpu-1', 'b', '80Gi'), gpu('gpu-2', 'a', '80Gi')]),
];
const nodes = [makeNode('small'), makeNode('large'), makeNode('none')];

interface World {
  readonly claims: readonly ResourceClaim[];
  readonly slices?: readonly ResourceSlice[];
  readonly rules?: readonly DeviceTaintRule[];
}

function makeWorld({ claims, slices: there = slices, rules }: World) {
  const byKey = new Map(claims.map((claim) => [objectKey(claim), claim]));
  const writes: ClaimWrite[] = [];
  const source: DeviceSource = {
    claim: (key) => byKey.get(key),
    claims: () => [...byKey.values()],
    deviceClass: (name) => (name === 'gpu' ? gpuClass : undefined),
    slices: () => there,
    ...(rules === undefined ? {} : { taintRules: () => rules }),
  };
  const plugin = createDynamicResources(source, async (written) => void writes.push(...written));
  return { plugin, writes, show: (claim: ResourceClaim) => void byKey.set(objectKey(claim), claim) };
}

function asking(...claims: readonly string[]): Pod {
  const resourceClaims = claims.map((resourceClaimName) => ({ name: resourceClaimName, resourceClaimName }));
  return makePod('p').meta({ uid: 'p' }).spec({ resourceClaims }).object;
}

const refused = 'Unschedulable: cannot allocate all claims';

test.each<[string, DeviceClaim, Readonly<Record<string, string>>]>([
  ['one device', one(), { small: 'Success', large: 'Success', none: refused }],
  [
    'two devices',
    { requests: [{ name: 'gpus', exactly: exactly(2) }] },
    { small: refused, large: 'Success', none: refused },
  ],
  [
    'one of a model, without naming the domain twice',
    one(`device.attributes["${driver}"].model == "b"`),
    { small: refused, large: 'Success', none: refused },
  ],
  [
    'one with so much memory and of a version',
    one(
      `device.capacity["${driver}"].memory.compareTo(quantity("40Gi")) >= 0 && device.attributes["${driver}"].version.isGreaterThan(semver("2.0.0"))`,
    ),
    { small: refused, large: 'Success', none: refused },
  ],
  [
    'two of one model',
    { requests: [{ name: 'gpus', exactly: exactly(2) }], constraints: [{ matchAttribute: `${driver}/model` }] },
    { small: refused, large: 'Success', none: refused },
  ],
  [
    'three of one model',
    { requests: [{ name: 'gpus', exactly: exactly(3) }], constraints: [{ matchAttribute: `${driver}/model` }] },
    { small: refused, large: refused, none: refused },
  ],
  [
    'two of different models',
    {
      requests: [
        { name: 'x', exactly: exactly(1) },
        { name: 'y', exactly: exactly(1) },
      ],
      constraints: [{ requests: ['x', 'y'], distinctAttribute: `${driver}/model` }],
    },
    { small: refused, large: 'Success', none: refused },
  ],
  [
    'so many as there are, at least one',
    { requests: [{ name: 'all', exactly: { deviceClassName: 'gpu', allocationMode: 'All' } }] },
    { small: 'Success', large: 'Success', none: refused },
  ],
  [
    'what is first to be had of alternatives',
    {
      requests: [
        {
          name: 'any',
          firstAvailable: [
            { name: 'many', ...exactly(5) },
            { name: 'few', ...exactly(1) },
          ],
        },
      ],
    },
    { small: 'Success', large: 'Success', none: refused },
  ],
  [
    'a selector that fails',
    one(`device.attributes["${driver}"].none == "b"`),
    {
      small: expect.stringContaining('UnschedulableAndUnresolvable: CEL expression'),
      large: expect.stringContaining('no such key: none'),
      none: refused,
    },
  ],
])('a claim for %s', (_, devices, expected) => {
  const { plugin } = makeWorld({ claims: [claimOf('c', devices)] });
  expect(filtered(plugin, asking('c'), { nodes })).toEqual(expected);
});

test('what is allocated, or chosen for a pod that is about to be bound, is not there for others', async () => {
  const results = [{ request: 'gpu', driver, pool: 'small', device: 'gpu-0' }];
  const taken = claimOf('taken', one(), { allocation: { devices: { results } } });
  const both = { requests: [{ name: 'gpus', exactly: exactly(2) }] };
  const { plugin, writes } = makeWorld({ claims: [taken, claimOf('mine', both), claimOf('other', both)] });
  expect(filtered(plugin, asking('mine'), { nodes })).toMatchObject({ small: refused, large: 'Success' });
  const cycle = cycleOf(asking('mine'), { nodes });
  expect(plugin.reserve(cycle, 'large')).toMatchObject({ code: 'Success' });
  expect(filtered(plugin, asking('other'), { nodes })).toMatchObject({ large: refused });
  plugin.unreserve(cycle, 'large');
  expect(filtered(plugin, asking('other'), { nodes })).toMatchObject({ large: 'Success' });
  plugin.reserve(cycle, 'large');
  await plugin.preBind(cycle, 'large', new AbortController().signal);
  expect(writes.map(({ claim, allocation }) => [claim.metadata?.name, allocation])).toEqual([
    [
      'mine',
      {
        devices: {
          results: ['gpu-0', 'gpu-1'].map((device) => ({ request: 'gpus', driver, pool: 'large', device })),
        },
        nodeSelector: {
          nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['large'] }] }],
        },
      },
    ],
  ]);
  // What is written counts until the claim shows it, whatever becomes of the pod.
  plugin.unreserve(cycle, 'large');
  expect(filtered(plugin, asking('other'), { nodes })).toMatchObject({ large: refused });
});

test('a pod that shares a claim and is taken back leaves it to the pod for which its devices were chosen', () => {
  const { plugin } = makeWorld({ claims: [claimOf('shared', one()), claimOf('other', one())] });
  const only = { nodes: [makeNode('small')] };
  const second = makePod('q')
    .meta({ uid: 'q' })
    .spec(asking('shared').spec ?? {}).object;
  plugin.reserve(cycleOf(asking('shared'), only), 'small');
  expect(plugin.reserve(cycleOf(second, only), 'small').code).toBe('Success');
  plugin.unreserve(cycleOf(second, only), 'small');
  expect(filtered(plugin, asking('other'), only)).toEqual({ small: refused });
  plugin.unreserve(cycleOf(asking('shared'), only), 'small');
  expect(filtered(plugin, asking('other'), only)).toEqual({ small: 'Success' });
});

test('a claim that was allocated and is free again between two looks is allocated anew', async () => {
  const claim = claimOf('c', one());
  const inVersion = (resourceVersion: string, finalizers: readonly string[] = []): ResourceClaim => ({
    ...claim,
    metadata: { ...claim.metadata, resourceVersion, finalizers },
  });
  const { plugin, show } = makeWorld({ claims: [inVersion('1'), claimOf('other', one())] });
  const only = { nodes: [makeNode('small')] };
  const cycle = cycleOf(asking('c'), only);
  plugin.reserve(cycle, 'small');
  await plugin.preBind(cycle, 'small', new AbortController().signal);
  show(inVersion('2', ['resource.kubernetes.io/delete-protection']));
  expect(filtered(plugin, asking('other'), only)).toEqual({ small: refused });
  show(inVersion('4'));
  expect(filtered(plugin, asking('other'), only)).toEqual({ small: 'Success' });
});

test('a claim that is allocated holds its pods to where its devices are', () => {
  const nodeSelector = {
    nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['small'] }] }],
  };
  const { plugin } = makeWorld({ claims: [claimOf('c', one(), { allocation: { nodeSelector } })] });
  const elsewhere = 'UnschedulableAndUnresolvable: resourceclaim not available on the node';
  expect(filtered(plugin, asking('c'), { nodes })).toEqual({ small: 'Success', large: elsewhere, none: elsewhere });
});

test.each<[string, readonly ResourceSlice[], string]>([
  [
    'of a pool that is not whole',
    [sliceOf('small', [gpu('gpu-0', 'a', '1Gi')], { pool: { name: 'small', generation: 1, resourceSliceCount: 2 } })],
    refused,
  ],
  [
    'of an older generation',
    [
      sliceOf('small', [gpu('gpu-0', 'a', '1Gi')]),
      {
        ...sliceOf('small', [], { pool: { name: 'small', generation: 2, resourceSliceCount: 1 } }),
        metadata: { name: 'new' },
      },
    ],
    refused,
  ],
  [
    'with a taint',
    [sliceOf('small', [gpu('gpu-0', 'a', '1Gi', { taints: [{ key: 'broken', effect: 'NoSchedule' }] })])],
    refused,
  ],
  [
    'whose shared counters are used up',
    [
      sliceOf(
        'small',
        [
          gpu('gpu-0', 'a', '1Gi', {
            consumesCounters: [{ counterSet: 'card', counters: { slices: { value: '3' } } }],
          }),
        ],
        {
          sharedCounters: [{ name: 'card', counters: { slices: { value: '2' } } }],
        },
      ),
    ],
    refused,
  ],
])('a device %s is none', (_, there, expected) => {
  const { plugin } = makeWorld({ claims: [claimOf('c', one())], slices: there });
  expect(filtered(plugin, asking('c'), { nodes: [makeNode('small')] })).toEqual({ small: expected });
});

test.each<[string, DeviceTaintRule['spec'], Partial<ExactDeviceRequest>, readonly string[]]>([
  ['one node', { deviceSelector: { pool: 'small' }, taint: tainted('NoSchedule') }, {}, ['large']],
  [
    'one device of a pool',
    { deviceSelector: { pool: 'large', device: 'gpu-0' }, taint: tainted('NoExecute') },
    {},
    ['large', 'small'],
  ],
  ['all devices', { deviceSelector: {}, taint: tainted('NoExecute') }, {}, []],
  ['all devices, to be looked at', { deviceSelector: {}, taint: tainted('None') }, {}, ['large', 'small']],
  ['no device', { taint: tainted('NoSchedule') }, {}, ['large', 'small']],
  [
    'those of another driver',
    { deviceSelector: { driver: 'b.io' }, taint: tainted('NoSchedule') },
    {},
    ['large', 'small'],
  ],
  [
    'all devices, which is tolerated',
    { deviceSelector: { driver }, taint: tainted('NoSchedule') },
    { tolerations: [{ key: 'sick', operator: 'Exists' }] },
    ['large', 'small'],
  ],
])('a rule that taints %s keeps pods off them', (_, spec, more, expected) => {
  const devices = { requests: [{ name: 'gpu', exactly: { ...exactly(1), ...more } }] };
  const { plugin } = makeWorld({ claims: [claimOf('c', devices)], rules: [{ metadata: { name: 'r' }, spec }] });
  const answers = Object.entries(filtered(plugin, asking('c'), { nodes }));
  expect(answers.flatMap(([node, answer]) => (answer === 'Success' ? [node] : [])).toSorted()).toEqual(expected);
});

test('a pod waits for rules to change or to go where the API has them', () => {
  const waitsFor = (world: World) => makeWorld(world).plugin.events?.map(({ resource }) => resource);
  expect(waitsFor({ claims: [], rules: [] })).toContain('DeviceTaintRule');
  expect(waitsFor({ claims: [] })).not.toContain('DeviceTaintRule');
});

test('a pod is not tried before its claim is made, nor without a claim that it names', () => {
  const { plugin } = makeWorld({ claims: [] });
  const early = makePod('p').spec({ resourceClaims: [{ name: 'c', resourceClaimTemplateName: 't' }] }).object;
  expect(plugin.preEnqueue(podInfoOf(early)).reasons).toEqual([
    'waiting for dynamic resource controller to create the resourceclaim for pod "default/p"',
  ]);
  expect(plugin.preEnqueue(podInfoOf(asking('x'))).code).toBe('Success');
  expect(plugin.preFilter(cycleOf(asking('x'), { nodes })).status.reasons).toEqual([
    'resourceclaim.resource.k8s.io "x" not found',
  ]);
});

test('a class that is not there is said by name', () => {
  const claim = claimOf('c', { requests: [{ name: 'r', exactly: { deviceClassName: 'tpu' } }] });
  const { plugin } = makeWorld({ claims: [claim] });
  expect(plugin.preFilter(cycleOf(asking('c'), { nodes })).status.reasons).toEqual([
    'request r: device class tpu does not exist',
  ]);
});

test('a search without an end is ended', () => {
  const many = Array.from({ length: 60 }, (_, index) => gpu(`gpu-${index}`, String(index), '1Gi'));
  const claim = claimOf('c', {
    requests: [{ name: 'r', exactly: exactly(30) }],
    constraints: [{ matchAttribute: `${driver}/model` }],
  });
  const { plugin } = makeWorld({ claims: [claim], slices: [sliceOf('small', many)] });
  expect(filtered(plugin, asking('c'), { nodes: [makeNode('small')] })).toEqual({ small: refused });
});
