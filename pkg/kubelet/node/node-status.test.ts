import { expect, test } from 'vitest';
import { type NodeFacts, nodeStatus, statusDiffers } from './node-status.ts';

const facts: NodeFacts = {
  name: 'n1',
  labels: {},
  taints: [],
  addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
  kubeletPort: 10_250,
  capacity: { cpu: '4' },
  allocatable: { cpu: '4' },
  pressure: new Set(),
  kubeletVersion: 'v1.36.0',
  runtimeVersion: 'fake://1.0.0',
  runtimeHandlers: [{ name: 'fake', features: { userNamespaces: true, recursiveReadOnlyMounts: true } }],
  machine: {
    machineId: '',
    systemUuid: '',
    bootId: '',
    kernelVersion: '',
    osImage: '',
    operatingSystem: 'linux',
    architecture: 'amd64',
  },
  images: [{ names: ['example.com/app:v1'], sizeBytes: 0 }],
  notReady: undefined,
};

test('a size that is not known is not said, so that the status is what comes back from the API and is not written again', () => {
  const status = nodeStatus(facts, undefined, 0);
  expect(status.images).toEqual([{ names: ['example.com/app:v1'] }]);
  expect(statusDiffers(JSON.parse(JSON.stringify(status)), nodeStatus(facts, status, 1_000))).toBe(false);
  const known = { ...facts, images: [{ names: ['example.com/app:v1'], sizeBytes: 5 }] };
  expect(statusDiffers(status, nodeStatus(known, status, 1_000))).toBe(true);
});
