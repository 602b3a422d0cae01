/** What a pod may use as a whole, as upstream's kubelet reckons it. */
import { expect, test } from 'vitest';
import type { Container, Pod, PodSpec, ResourceRequirements } from '#pkg/api/types/core-v1.ts';
import { nodeResources, podResources, widerResources } from './container-resources.ts';

const container = (resources: ResourceRequirements, more: Partial<Container> = {}): Container => ({
  name: 'app',
  image: 'example.com/app:v1',
  resources,
  ...more,
});

const pod = (qosClass: string, spec: Partial<PodSpec>): Pod => ({
  spec: { containers: [], ...spec },
  status: { qosClass },
});

const full = (cpu: string, memory: string): ResourceRequirements => ({
  requests: { cpu, memory },
  limits: { cpu, memory },
});

test('a pod all of whose containers have limits has their sum', () => {
  const made = pod('Guaranteed', { containers: [container(full('500m', '64Mi')), container(full('1', '64Mi'))] });
  expect(podResources(made)).toEqual({
    qosClass: 'guaranteed',
    resources: { cpuShares: 1536, cpuPeriodUs: 100_000, cpuQuotaUs: 150_000, memoryLimitBytes: 2 ** 27 },
  });
});

test('the largest moment of its initialization counts where that is more, and sidecars in both', () => {
  const made = pod('Guaranteed', {
    initContainers: [container(full('100m', '10Mi'), { restartPolicy: 'Always' }), container(full('2', '20Mi'))],
    containers: [container(full('500m', '64Mi'))],
  });
  expect(podResources(made).resources).toEqual({
    cpuShares: 2150,
    cpuPeriodUs: 100_000,
    cpuQuotaUs: 210_000,
    memoryLimitBytes: 74 * 2 ** 20,
  });
});

test('one container without a limit leaves the pod without that one', () => {
  const made = pod('Burstable', {
    containers: [container(full('500m', '64Mi')), container({ limits: { cpu: '1' }, requests: { cpu: '250m' } })],
  });
  expect(podResources(made)).toEqual({
    qosClass: 'burstable',
    resources: { cpuShares: 768, cpuPeriodUs: 100_000, cpuQuotaUs: 150_000 },
  });
});

test('what a pod says itself holds, whatever its containers do', () => {
  const resources = { requests: { cpu: '1' }, limits: { cpu: '2', memory: '1Gi' } };
  const made = pod('Burstable', { resources, containers: [container({}), container({ requests: { cpu: '100m' } })] });
  expect(podResources(made).resources).toEqual({
    cpuShares: 1024,
    cpuPeriodUs: 100_000,
    cpuQuotaUs: 200_000,
    memoryLimitBytes: 2 ** 30,
  });
});

test('a pod that asks for nothing has the least weight', () => {
  expect(podResources(pod('BestEffort', { containers: [container({})] }))).toEqual({
    qosClass: 'besteffort',
    resources: { cpuShares: 2 },
  });
});

test('a node weighs as much as it may give', () => {
  expect(nodeResources({ cpu: '1500m', memory: '1Gi', pods: '110' })).toEqual({
    cpuShares: 1536,
    memoryLimitBytes: 2 ** 30,
  });
});

test('room for two is that of the larger, and none where one has no limit', () => {
  const before = { cpuShares: 2, cpuQuotaUs: 1000, memoryLimitBytes: 20 };
  expect(widerResources(before, { cpuShares: 4, memoryLimitBytes: 10 })).toEqual({
    cpuShares: 4,
    memoryLimitBytes: 20,
  });
});
