/** A node with two NUMA nodes: processors of its own, devices of a plugin in a process, and what becomes of pods that want both. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import { CpuManager } from '../cpus/cpu-manager.ts';
import { StaticCpus } from '../cpus/static-cpus.ts';
import { MemoryManager } from '../memory/memory-manager.ts';
import { StaticMemory } from '../memory/static-memory.ts';
import { PluginPeer } from '../testing/plugin-peer.ts';
import { startRealNode } from '../testing/real-node.ts';
import type { TopologySettings } from './topology-manager.ts';

const resource = 'example.com/card';
/** Four processors of each node, of which the first is reserved. */
const cpus = [0, 1, 2, 3, 4, 5, 6, 7].map((id) => ({ id, core: `${id}`, socket: '0', numa: `node${id < 4 ? 0 : 1}` }));

const mi = 1024 ** 2;
/** 8Mi of each node, of which 2 are reserved of the second. */
const memoryNodes = [0, 1].map((id) => ({ id, total: { memory: 8 * mi }, reserved: { memory: id * 2 * mi } }));

/** The node, with a card on the first NUMA node and two on the second, and what was asked of their plugin. */
async function start(settings: Omit<TopologySettings, 'nodes'>) {
  const node = await startRealNode({
    capacity: { cpu: '8', memory: '8Gi', pods: '110' },
    allocatable: { cpu: '7', memory: '8Gi', pods: '110' },
    cpus: (deps) =>
      new CpuManager(deps, { cpus: new StaticCpus({ cpus, reserved: [0], wholeCores: false }), save: () => {} }),
    memory: (deps) => new MemoryManager(deps, { memory: new StaticMemory(memoryNodes), save: () => {} }),
    topology: { ...settings, nodes: [0, 1] },
  });
  const socketPath = await node.place('device-plugins', 'cards.sock');
  const kubelet = join(node.folder, 'device-plugins/kubelet.sock');
  await expect.poll(() => existsSync(kubelet)).toBe(true);
  const plugin = await PluginPeer.start({
    sockets: [{ socketPath, names: ['v1beta1.DevicePlugin'] }],
    answers: { Allocate: { containers: [{}] } },
  });
  const devices = Object.entries({ first: 0, second: 1, third: 1 }).map(([id, place]) => ({
    ...{ id, health: 'Healthy' },
    topology: { nodes: [{ id: place }] },
  }));
  plugin.push('ListAndWatch', { devices });
  await plugin.ask(kubelet, 'v1beta1.Registration', 'Register', {
    version: 'v1beta1',
    endpoint: 'cards.sock',
    resource,
  });
  const known = async () => (await node.client.resource(nodes).get('n1')).status?.allocatable?.[resource];
  await expect.poll(known).toBe('3');
  /** Runs a pod, or sees it refused: processors and cards of its containers, or why. */
  const run = async (pod: Pod): Promise<readonly string[]> => {
    await node.client.resource(pods).create(pod);
    const { metadata, status } = await node.until(
      pod.metadata?.name ?? '',
      ({ status: { phase } = {} }) => phase === 'Running' || phase === 'Failed',
    );
    if (status?.phase === 'Failed') return [`${status.reason}: ${status.message}`];
    const all = await node.runtime.containers.list();
    return all
      .filter(({ podUid }) => podUid === metadata?.uid)
      .map(({ name, resources }) => {
        const own = status?.containerStatuses?.find((one) => one.name === name)?.allocatedResourcesStatus ?? [];
        const ids = own.flatMap((one) => (one.resources ?? []).map(({ resourceID }) => resourceID));
        return [name, resources.cpusetCpus, `on ${resources.cpusetMems}`, ...ids].join(' ');
      });
  };
  /** What the node says of what is whose. */
  const ask = (method: string): Promise<unknown> =>
    plugin.ask(join(node.folder, 'pod-resources/kubelet.sock'), 'v1.PodResourcesLister', method, {});
  return { ...node, ask, plugin, run };
}

/** A guaranteed pod whose containers want so many processors and cards each. */
const podOf = (name: string, ...wanted: readonly (readonly [cpu: number, count: number])[]): Pod => ({
  metadata: { name, namespace: 'default' },
  spec: {
    nodeName: 'n1',
    containers: wanted.map(([cpu, count], index) => {
      const amounts = { cpu: String(cpu), memory: '1Mi', ...(count === 0 ? {} : { [resource]: String(count) }) };
      return { name: `app${index}`, image: 'example.com/app:v1', resources: { limits: amounts, requests: amounts } };
    }),
  },
});
const refused = 'TopologyAffinityError: Pod was rejected: Resources cannot be allocated with Topology locality';

test('processors and cards of a container are near each other, and who cannot have them so is refused and has nothing', async () => {
  const { run } = await start({ policy: 'single-numa-node', isForPods: false });
  expect(await run(podOf('two', [2, 2]))).toEqual(['app0 4-5 on 1 second third']);
  expect(await run(podOf('large', [3, 1]))).toEqual(['app0 1-3 on 0 first']);
  expect(await run(podOf('late', [1, 1]))).toEqual([
    `OutOf${resource}: Pod was rejected: Node didn't have enough resource: ${resource}, requested: 1, used: 3, capacity: 3`,
  ]);
  expect(await run(podOf('rest', [2, 0]))).toEqual(['app0 6-7 on 1']);
});

test('what would be in two places is refused where it could be in one, and in no others', async () => {
  const { run } = await start({ policy: 'restricted', isForPods: false });
  expect(await run(podOf('near', [3, 0]))).toEqual(['app0 1-3 on 0']);
  expect(await run(podOf('apart', [1, 3]))).toEqual([refused]);
  expect(await run(podOf('beside', [1, 2]))).toEqual(['app0 4 on 1 second third']);
  expect(await run(podOf('far', [1, 1]))).toEqual([refused]);
});

test('what cannot be near is as near as can be where that is enough', async () => {
  const { run } = await start({ policy: 'best-effort', isForPods: false });
  expect(await run(podOf('near', [3, 0]))).toEqual(['app0 1-3 on 0']);
  expect(await run(podOf('two', [4, 2]))).toEqual(['app0 4-7 on 1 second third']);
});

test('all containers of a pod are near each other where that is asked for', async () => {
  const { run } = await start({ policy: 'single-numa-node', isForPods: true });
  expect(await run(podOf('both', [1, 1], [2, 1]))).toEqual(['app0 4 on 1 second', 'app1 5-6 on 1 third']);
  expect(await run(podOf('wide', [2, 0], [2, 0]))).toEqual([refused]);
});

test('memory is on the nodes of what else a container has, and says with it where that may be', async () => {
  const { ask, client, run } = await start({ policy: 'single-numa-node', isForPods: false });
  const large = podOf('large', [1, 0]);
  const amounts = { cpu: '1', memory: '7Mi' };
  const containers = large.spec?.containers.map((one) => ({
    ...one,
    resources: { limits: amounts, requests: amounts },
  }));
  expect(await run({ ...large, spec: { nodeName: 'n1', containers: containers ?? [] } })).toEqual(['app0 1 on 0']);
  expect(await run(podOf('card', [1, 1]))).toEqual(['app0 2 on 0 first']);
  const memoryOn = (id: number, size: number): object => ({
    type: 'memory',
    size: size * mi,
    topology: { nodes: [id === 0 ? {} : { id }] },
  });
  expect(await ask('List')).toMatchObject({
    pods: [
      { name: 'large', containers: [{ cpus: [1], memory: [memoryOn(0, 7)] }] },
      { name: 'card', containers: [{ cpus: [2], memory: [memoryOn(0, 1)] }] },
    ],
  });
  expect(await ask('GetAllocatableResources')).toMatchObject({
    cpus: [1, 2, 3, 4, 5, 6, 7],
    memory: [memoryOn(0, 8), memoryOn(1, 6)],
  });
  // The first node has no memory left, and the card of another pod is there.
  expect(await run(podOf('next', [1, 0]))).toEqual(['app0 4 on 1']);
  const patch = { spec: { containers: [{ name: 'app0', resources: { limits: amounts, requests: amounts } }] } };
  const inDefault = { namespace: 'default' };
  await client.resource(pods).patch('next', patch, { ...inDefault, type: 'strategic', subresource: 'resize' });
  const resized = async () => (await client.resource(pods).get('next', inDefault)).status?.conditions ?? [];
  await expect.poll(resized).toContainEqual(
    expect.objectContaining({
      type: 'PodResizePending',
      reason: 'Infeasible',
      message: 'Resize is infeasible for Guaranteed Pods alongside CPU Manager static policy',
    }),
  );
});
