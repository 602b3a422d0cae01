import { expect, test } from 'vitest';
import type { Container, NodeSpec, Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { podRequests } from '../model/amounts.ts';
import { admitPod } from './admission.ts';

const app: Container = { name: 'app', image: 'a:v1' };
const asks = (requests: Record<string, string>): Container => ({ ...app, resources: { requests } });
const listens = (hostPort: number, hostIP = '', protocol = 'TCP'): Container => ({
  ...app,
  ports: [{ containerPort: 80, hostPort, hostIP, protocol }],
});

function admit(spec: Partial<PodSpec>, options: { others?: readonly Container[]; node?: NodeSpec } = {}) {
  const podOf = (fields: Partial<PodSpec>): Pod => ({
    metadata: { name: 'p' },
    spec: { containers: [app], ...fields },
  });
  const pod = podOf(spec);
  const others = (options.others ?? []).map((container) => podOf({ containers: [container] }));
  const rejection = admitPod({
    pod,
    requests: podRequests(pod),
    others: others.map((other) => ({ pod: other, requests: podRequests(other) })),
    node: {
      metadata: { name: 'n1', labels: { zone: 'a' } },
      ...(options.node === undefined ? {} : { spec: options.node }),
    },
    allocatable: { cpu: '2', memory: '1Gi', pods: '3' },
    operatingSystem: 'linux',
  });
  return rejection === undefined ? 'admitted' : `${rejection.reason}: ${rejection.message}`;
}

test.each<[string, Partial<PodSpec>, Parameters<typeof admit>[1], string]>([
  ['a plain pod', {}, {}, 'admitted'],
  [
    'a pod beyond the number of pods',
    {},
    { others: [app, app, app] },
    "OutOfpods: Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
  ],
  ['a pod that just fits', { containers: [asks({ cpu: '500m' })] }, { others: [asks({ cpu: '1500m' })] }, 'admitted'],
  [
    'a pod that asks for too much',
    { containers: [asks({ memory: '2Gi' })], nodeSelector: { zone: 'b' } },
    {},
    "OutOfmemory: Node didn't have enough resource: memory, requested: 2147483648, used: 0, capacity: 1073741824",
  ],
  ['what the node does not know of', { containers: [asks({ 'example.com/gpu': '1' })] }, {}, 'admitted'],
  [
    'a pod of another zone',
    { nodeSelector: { zone: 'b' } },
    {},
    "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
  ],
  [
    'a host port that another pod has',
    { containers: [listens(80, '127.0.0.1')] },
    { others: [listens(80)] },
    "NodePorts: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
  ],
  [
    'the same port of another address',
    { containers: [listens(80, '127.0.0.1')] },
    { others: [listens(80, '127.0.0.2')] },
    'admitted',
  ],
  [
    'the same port of another protocol',
    { containers: [listens(80)] },
    { others: [listens(80, '', 'UDP')] },
    'admitted',
  ],
  [
    'a taint that ends pods',
    { tolerations: [{ key: 'other', operator: 'Exists' }] },
    { node: { taints: [{ key: 'k', value: 'v', effect: 'NoExecute' }] } },
    "TaintToleration: Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate",
  ],
  [
    'a taint that is tolerated',
    { tolerations: [{ key: 'k', operator: 'Equal', value: 'v', effect: 'NoExecute' }] },
    { node: { taints: [{ key: 'k', value: 'v', effect: 'NoExecute' }] } },
    'admitted',
  ],
  ['a taint that only keeps pods away', {}, { node: { taints: [{ key: 'k', effect: 'NoSchedule' }] } }, 'admitted'],
  [
    'another operating system',
    { os: { name: 'windows' } },
    {},
    "PodOSNotSupported: Failed to admit pod as the OS field doesn't match node OS",
  ],
])('%s', (_, spec, options, expected) => {
  expect(admit(spec, options)).toBe(expected);
});
