import { expect, test } from 'vitest';
import type { ResourceQuota } from '../types/core-v1.ts';
import { listOf } from './amounts.ts';
import { evaluatorOf, isInScopes } from './evaluator.ts';

const core = (resource: string) => ({ group: '', resource });

const usageOf = (resource: string, object: object, nowMs = 0): object =>
  listOf(evaluatorOf(resource.includes('.') ? claimsOfDevices : core(resource))!.usage(object, nowMs));

const claimsOfDevices = { group: 'resource.k8s.io', resource: 'resourceclaims' };
const container = (name: string, requests: object, extra: object = {}) => ({ name, resources: { requests }, ...extra });

test.each([
  [
    'containers and sidecars together, or an init container with the sidecars before it',
    {
      containers: [container('a', { cpu: '1', memory: '1Gi' }), container('b', { cpu: '500m' })],
      initContainers: [container('s', { cpu: '100m' }, { restartPolicy: 'Always' }), container('i', { cpu: '2' })],
    },
    { cpu: '2100m', memory: '1Gi' },
  ],
  [
    'what the pod says of itself, and the overhead of its runtime',
    { containers: [container('a', { cpu: '1' })], resources: { requests: { cpu: '3' } }, overhead: { cpu: '250m' } },
    { cpu: '3250m' },
  ],
])('a pod takes %s', (_, spec, requests) => {
  const wanted = Object.entries(requests).flatMap(([name, amount]) => [
    [name, amount],
    [`requests.${name}`, amount],
  ]);
  expect(usageOf('pods', { spec })).toEqual({ 'count/pods': '1', pods: '1', ...Object.fromEntries(wanted) });
});

test('limits, huge pages and extended resources have names of their own', () => {
  const requests = { 'hugepages-2Mi': '4Mi', 'example.com/dongle': '2' };
  const resources = { requests, limits: { memory: '1Gi', ...requests } };
  expect(usageOf('pods', { spec: { containers: [{ name: 'a', resources }] } })).toEqual({
    'count/pods': '1',
    pods: '1',
    'limits.memory': '1Gi',
    'hugepages-2Mi': '4Mi',
    'requests.hugepages-2Mi': '4Mi',
    'requests.example.com/dongle': '2',
  });
});

test.each([
  ['has ended', { status: { phase: 'Succeeded' } }],
  ['should have gone', { metadata: { deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 } }],
])('a pod that %s is there and takes nothing', (_, pod) => {
  expect(usageOf('pods', { spec: { containers: [] }, ...pod }, Date.parse('2026-01-01T00:01:01Z'))).toEqual({
    'count/pods': '1',
  });
});

test('a resized pod takes the larger of what it asks for and what it has', () => {
  const spec = { containers: [container('a', { cpu: '1' })] };
  const held = { name: 'a', resources: { requests: { cpu: '2' } }, allocatedResources: { cpu: '1500m' } };
  expect(usageOf('pods', { spec, status: { containerStatuses: [held] } })).toMatchObject({ cpu: '2' });
});

const ports = [{ port: 1, nodePort: 30000 }, { port: 2 }];

test.each([
  [{ type: 'ClusterIP', ports }, '0', '0'],
  [{ type: 'NodePort', ports }, '2', '0'],
  [{ type: 'LoadBalancer', ports }, '2', '1'],
  [{ type: 'LoadBalancer', ports, allocateLoadBalancerNodePorts: false }, '1', '1'],
])('a Service with %j has %s node ports and %s load balancers', (spec, nodePorts, balancers) => {
  expect(usageOf('services', { spec })).toEqual({
    'count/services': '1',
    services: '1',
    'services.nodeports': nodePorts,
    'services.loadbalancers': balancers,
  });
});

test('a claim counts for its class too, with what it was promised if that is more, in whole bytes', () => {
  const spec = { storageClassName: 'gold', resources: { requests: { storage: '1500m' } } };
  expect(usageOf('persistentvolumeclaims', { spec, status: { allocatedResources: { storage: '3' } } })).toEqual({
    'count/persistentvolumeclaims': '1',
    persistentvolumeclaims: '1',
    'requests.storage': '3',
    'gold.storageclass.storage.k8s.io/persistentvolumeclaims': '1',
    'gold.storageclass.storage.k8s.io/requests.storage': '3',
  });
  expect(usageOf('persistentvolumeclaims', { spec })).toMatchObject({ 'requests.storage': '2' });
});

test('a claim of devices counts for the most that each class may have to give', () => {
  const requests = [
    { name: 'a', exactly: { deviceClassName: 'gpu', count: 2 } },
    {
      name: 'b',
      firstAvailable: [
        { deviceClassName: 'gpu', count: 4 },
        { deviceClassName: 'cpu', allocationMode: 'All' },
      ],
    },
  ];
  expect(usageOf('resourceclaims.resource.k8s.io', { spec: { devices: { requests } } })).toEqual({
    'count/resourceclaims.resource.k8s.io': '1',
    'gpu.deviceclass.resource.k8s.io/devices': '6',
    'cpu.deviceclass.resource.k8s.io/devices': '32',
  });
});

test('every other kind counts for one, events and questions for nothing', () => {
  expect(listOf(evaluatorOf({ group: 'stable.example.com', resource: 'tabs' })!.usage({}, 0))).toEqual({
    'count/tabs.stable.example.com': '1',
  });
  expect(evaluatorOf(core('events'))).toBeUndefined();
  expect(evaluatorOf({ group: 'authentication.k8s.io', resource: 'tokenreviews' })).toBeUndefined();
});

const withPriority = { spec: { containers: [], priorityClassName: 'high' } };
const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ namespaces: ['b'] }] } };

test.each([
  ['PriorityClass', 'In', ['high'], withPriority, true],
  ['PriorityClass', 'In', ['low'], withPriority, false],
  ['PriorityClass', 'NotIn', ['low'], { spec: { containers: [] } }, true],
  ['PriorityClass', 'DoesNotExist', undefined, withPriority, false],
  ['PriorityClass', 'Exists', undefined, withPriority, true],
  ['CrossNamespacePodAffinity', 'Exists', undefined, { spec: { containers: [], affinity } }, true],
  ['CrossNamespacePodAffinity', 'Exists', undefined, withPriority, false],
  ['Terminating', 'Exists', undefined, { spec: { activeDeadlineSeconds: 0 } }, true],
  ['NotBestEffort', 'Exists', undefined, { status: { qosClass: 'Burstable' } }, true],
  ['VolumeAttributesClass', 'Exists', undefined, withPriority, false],
])('scope %s %s %j of %j: %s', (scopeName, operator, values, pod, wanted) => {
  const requirement = { scopeName, operator, ...(values === undefined ? {} : { values }) };
  const quota: ResourceQuota = { spec: { scopeSelector: { matchExpressions: [requirement] } } };
  expect(isInScopes(evaluatorOf(core('pods'))!, quota, pod)).toBe(wanted);
});

test('a claim is in the scope of the attributes that it has, wants or is being given', () => {
  const requirement = { scopeName: 'VolumeAttributesClass', operator: 'In', values: ['fast'] };
  const quota: ResourceQuota = { spec: { scopeSelector: { matchExpressions: [requirement] } } };
  const isIn = (claim: object): boolean => isInScopes(evaluatorOf(core('persistentvolumeclaims'))!, quota, claim);
  expect(isIn({ spec: { volumeAttributesClassName: 'fast' } })).toBe(true);
  expect(isIn({ status: { currentVolumeAttributesClassName: 'fast' } })).toBe(true);
  expect(isIn({ status: { modifyVolumeStatus: { targetVolumeAttributesClassName: 'slow' } } })).toBe(false);
});
