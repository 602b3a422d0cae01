/** `kubectl patch --subresource resize` on real programs: what the node has not is refused in words, what it has is in force when it is said to be (fault 36). */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, hookMs, RunningCluster } from './running-cluster.ts';

const kubectl = '35';
let cluster: RunningCluster;

beforeAll(async () => {
  cluster = await RunningCluster.start();
  const container = {
    name: 'web',
    image: 'coxswain.dev/echo:v1',
    resources: { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: '64Mi' } },
  };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: { containers: [container] } };
  await cluster.kubectl(kubectl, ['apply', '-f', '-'], { input: JSON.stringify(pod) });
  await cluster.kubectl(kubectl, ['wait', '--for=condition=Ready', 'pod/web', '--timeout=60s']);
}, hookMs);

afterAll(() => cluster?.remove(), hookMs);

async function resize(requests: object, limits: object): Promise<void> {
  const patch = JSON.stringify({ spec: { containers: [{ name: 'web', resources: { requests, limits } }] } });
  await cluster.kubectl(kubectl, ['patch', 'pod', 'web', '--subresource', 'resize', '--patch', patch]);
}

const read = (path: string): Promise<string> =>
  cluster.kubectl(kubectl, ['get', 'pod', 'web', '-o', `jsonpath={.status.${path}}`]);
const pending = (): Promise<string> => read('conditions[?(@.type=="PodResizePending")].reason');
const inForce = (): Promise<string> => read('containerStatuses[0].resources');
const restarts = (): Promise<string> => read('containerStatuses[0].restartCount');

test('60 CPUs are infeasible, and the container goes on with what it has', async () => {
  await resize({ cpu: '60' }, {});
  await eventually(pending, (reason) => reason === 'Infeasible');
  expect(JSON.parse(await inForce())).toEqual({
    limits: { memory: '64Mi' },
    requests: { cpu: '10m', memory: '32Mi' },
  });
  expect(await read('containerStatuses[0].allocatedResources.cpu')).toBe('10m');
  // Events are written beside what they tell of, and may come after it.
  await eventually(
    () => cluster.kubectl(kubectl, ['events', '--for', 'pod/web']),
    (events) => /ResizeInfeasible .*Node didn't have enough capacity: cpu, requested: 60000/.test(events),
  );
});

test('a request that the node can meet is met without a restart', async () => {
  await resize({ cpu: '20m' }, {});
  await eventually(inForce, (text) => text.includes('"cpu":"20m"'));
  expect([await pending(), await restarts()]).toEqual(['', '0']);
});

test('a memory limit, which programs have from their start, is changed by a restart', async () => {
  await resize({ memory: '32Mi' }, { memory: '96Mi' });
  await eventually(inForce, (text) => text.includes('"memory":"96Mi"'));
  expect(await restarts()).toBe('1');
});
