/** Plugins in processes of their own, over another implementation of gRPC: registered, asked for what pods want, gone and back, over restarts of the kubelet. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Node, Pod } from '#pkg/api/types/core-v1.ts';
import { nodes, pods } from '#pkg/api/types/refs.ts';
import type { Client } from '#pkg/client/client.ts';
import { PluginPeer } from './testing/plugin-peer.ts';
import { startRealNode } from './testing/real-node.ts';

const resource = 'example.com/card';
const healthyCard = (id: string, node?: number) => ({
  id,
  health: 'Healthy',
  ...(node === undefined ? {} : { topology: { nodes: [{ id: node }] } }),
});

type RealNode = Awaited<ReturnType<typeof startRealNode>>;

/** A device plugin in the folder of the node, which registers at the kubelet's own socket. */
async function cards(node: RealNode, ids: readonly string[], answers: Readonly<Record<string, object>> = {}) {
  const socketPath = await node.place('device-plugins', 'cards.sock');
  const kubelet = join(node.folder, 'device-plugins/kubelet.sock');
  await expect.poll(() => existsSync(kubelet)).toBe(true);
  await rm(socketPath, { force: true });
  const plugin = await PluginPeer.start({ sockets: [{ socketPath, names: ['v1beta1.DevicePlugin'] }], answers });
  plugin.push('ListAndWatch', { devices: ids.map((id) => healthyCard(id)) });
  const register = (request: object = {}) =>
    plugin.ask(kubelet, 'v1beta1.Registration', 'Register', {
      ...{ version: 'v1beta1', endpoint: 'cards.sock', resource },
      ...request,
    });
  return { plugin, register, kubelet };
}

const amountOf = async (client: Client): Promise<readonly (string | undefined)[]> => {
  const { status }: Node = await client.resource(nodes).get('n1');
  return [status?.capacity?.[resource], status?.allocatable?.[resource]];
};
const eventuallyAmounts = (client: Client, amounts: readonly (string | undefined)[]) =>
  expect.poll(() => amountOf(client)).toEqual(amounts);

const podOf = (name: string, count: number, rest: Partial<NonNullable<Pod['spec']>> = {}): Pod => ({
  metadata: { name, namespace: 'default' },
  spec: {
    nodeName: 'n1',
    containers: [
      {
        name: 'app',
        image: 'example.com/app:v1',
        resources: { limits: { [resource]: String(count) }, requests: { [resource]: String(count) } },
      },
    ],
    ...rest,
  },
});
const isRunning = ({ status }: Pod): boolean => status?.phase === 'Running';
const isFailed = ({ status }: Pod): boolean => status?.phase === 'Failed';

test("a device plugin is taken in, its devices are the node's, and a container gets what the plugin says with them", async () => {
  const node = await startRealNode();
  const { plugin, register } = await cards(node, ['a', 'b', 'c'], {
    GetDevicePluginOptions: { preStart: true, preferred: true },
    GetPreferredAllocation: { containers: [{ ids: ['c'] }] },
    Allocate: {
      containers: [
        {
          envs: { CARD: 'c' },
          mounts: [{ containerPath: '/lib/card', hostPath: '/var/lib/kubelet/plugins/card', readOnly: true }],
          devices: [{ containerPath: '/dev/card', hostPath: '/dev/null', permissions: 'rw' }],
          annotations: { 'example.com/card': 'c' },
          cdi: [{ name: 'example.com/card=c' }],
        },
      ],
    },
  });
  await register();
  await eventuallyAmounts(node.client, ['3', '3']);
  await node.client.resource(pods).create(podOf('one', 1));
  const { status } = await node.until('one', isRunning);
  expect(status?.containerStatuses?.[0]?.allocatedResourcesStatus).toEqual([
    { name: resource, resources: [{ resourceID: 'c', health: 'Healthy' }] },
  ]);
  expect(plugin.requests('GetPreferredAllocation')).toEqual([
    { containers: [{ available: ['a', 'b', 'c'], size: 1 }] },
  ]);
  expect(plugin.requests('Allocate')).toEqual([{ containers: [{ ids: ['c'] }] }]);
  expect(plugin.requests('PreStartContainer')).toEqual([{ ids: ['c'] }]);
  expect(node.made.at(-1)).toMatchObject({
    env: { CARD: 'c' },
    mounts: [{ containerPath: '/lib/card', hostPath: join(node.folder, 'plugins/card'), readOnly: true }],
    devices: [{ containerPath: '/dev/card', hostPath: '/dev/null', permissions: 'rw' }],
    annotations: { 'example.com/card': 'c' },
    cdiDevices: ['example.com/card=c'],
  });
});

test('more than there are is refused, devices that turn ill are said to be, and what a pod had is free when it is over', async () => {
  const node = await startRealNode();
  const { plugin, register } = await cards(node, ['a', 'b'], { Allocate: { containers: [{}] } });
  await register();
  await eventuallyAmounts(node.client, ['2', '2']);
  await node.client.resource(pods).create(podOf('large', 3));
  expect((await node.until('large', isFailed)).status).toMatchObject({
    reason: `OutOf${resource}`,
    message: `Pod was rejected: Node didn't have enough resource: ${resource}, requested: 3, used: 0, capacity: 2`,
  });
  await node.client.resource(pods).create(podOf('two', 2));
  await node.until('two', isRunning);
  plugin.push('ListAndWatch', { devices: [healthyCard('a'), { id: 'b', health: 'Unhealthy' }] });
  await eventuallyAmounts(node.client, ['2', '1']);
  const { status } = await node.until('two', ({ status }) =>
    JSON.stringify(status?.containerStatuses).includes('Unhealthy'),
  );
  expect(status?.containerStatuses?.[0]?.allocatedResourcesStatus?.[0]?.resources).toEqual([
    { resourceID: 'a', health: 'Healthy' },
    { resourceID: 'b', health: 'Unhealthy' },
  ]);
  await node.client.resource(pods).delete('two', { namespace: 'default', gracePeriodSeconds: 0 });
  await node.client.resource(pods).create(podOf('next', 1));
  await node.until('next', isRunning);
  expect(plugin.requests('Allocate')).toHaveLength(2);
  expect(plugin.requests('Allocate').at(-1)).toEqual({ containers: [{ ids: ['a'] }] });
});

test('a pod whose plugin gives nothing fails, and says what the plugin says', async () => {
  const node = await startRealNode();
  const { plugin, register } = await cards(node, ['a']);
  plugin.refuse('Allocate', 'the card is on fire');
  await register();
  await eventuallyAmounts(node.client, ['1', '1']);
  await node.client.resource(pods).create(podOf('one', 1));
  const { status } = await node.until('one', isFailed);
  expect(status).toMatchObject({
    reason: 'UnexpectedAdmissionError',
    message:
      'Pod was rejected: Allocate failed due to rpc error: code = Internal desc = the card is on fire, which is unexpected',
  });
  expect(status?.containerStatuses).toBeUndefined();
  plugin.answer('Allocate', { containers: [{}] });
  await node.client.resource(pods).create(podOf('two', 1));
  await node.until('two', isRunning);
});

test('containers of init have their devices for those that come after, sidecars for themselves', async () => {
  const node = await startRealNode();
  const { plugin, register } = await cards(node, ['a', 'b'], { Allocate: { containers: [{}] } });
  await register();
  await eventuallyAmounts(node.client, ['2', '2']);
  const limits = { limits: { [resource]: '1' }, requests: { [resource]: '1' } };
  const image = 'example.com/app:v1';
  await node.client.resource(pods).create({
    ...podOf('chain', 1, {
      initContainers: [
        { name: 'first', image, resources: limits },
        { name: 'beside', image, resources: limits, restartPolicy: 'Always' },
      ],
    }),
    metadata: { name: 'chain', namespace: 'default', annotations: { 'fake.coxswain.dev/first.exit-after': '0s' } },
  });
  await plugin.called('Allocate', 3);
  expect(plugin.requests('Allocate')).toEqual(['a', 'a', 'b'].map((id) => ({ containers: [{ ids: [id] }] })));
});

test('what is given outlives the kubelet, and the plugin that is told so by a new socket', async () => {
  const node = await startRealNode();
  const first = await cards(node, ['a', 'b'], { Allocate: { containers: [{ envs: { CARD: 'a' } }] } });
  await first.register();
  await eventuallyAmounts(node.client, ['2', '2']);
  await node.client.resource(pods).create(podOf('one', 1));
  await node.until('one', isRunning);
  await node.restart();
  await eventuallyAmounts(node.client, ['0', '0']);
  // Sockets of plugins of the last kubelet are gone.
  await expect.poll(() => existsSync(join(node.folder, 'device-plugins/cards.sock'))).toBe(false);
  await first.plugin.stop();
  const { plugin, register } = await cards(node, ['a', 'b'], { Allocate: { containers: [{}] } });
  await register();
  await eventuallyAmounts(node.client, ['2', '2']);
  await node.client.resource(pods).create(podOf('two', 1));
  await node.until('two', isRunning);
  expect(plugin.requests('Allocate')).toEqual([{ containers: [{ ids: ['b'] }] }]);
  // A container that is started again has what it had.
  const [container] = await node.runtime.containers.list();
  node.runtime.exit(container?.id ?? '', { exitCode: 1 });
  await expect.poll(() => node.made.length).toBe(3);
  expect(node.made.at(-1)?.env).toMatchObject({ CARD: 'a' });
});

test.each([
  ['an unknown version', { version: 'v1' }, 'requested API version "v1" is not supported by kubelet'],
  ['a name that is no resource', { resource: 'cpu' }, 'the ResourceName "cpu" is invalid'],
  ['a socket elsewhere', { endpoint: '../../x.sock' }, 'the socket "../../x.sock" is no name'],
  ['a socket at which nobody answers', { endpoint: 'nobody.sock' }, 'connect ENOENT'],
])('a device plugin with %s is refused, and told why', async (_, request, message) => {
  const node = await startRealNode();
  const { register } = await cards(node, ['a']);
  await expect(register(request)).rejects.toThrow(message);
  await eventuallyAmounts(node.client, [undefined, undefined]);
});

test('programs of the node are told whose devices are whose', async () => {
  const node = await startRealNode();
  const { plugin, register } = await cards(node, ['a'], { Allocate: { containers: [{}] } });
  await register();
  plugin.push('ListAndWatch', { devices: [healthyCard('a', 1), { id: 'b', health: 'Unhealthy' }] });
  await eventuallyAmounts(node.client, ['2', '1']);
  await node.client.resource(pods).create(podOf('one', 1));
  await node.until('one', isRunning);
  const at = join(node.folder, 'pod-resources/kubelet.sock');
  const ask = (method: string, request: object = {}) => plugin.ask(at, 'v1.PodResourcesLister', method, request);
  const devices = [{ resource, ids: ['a'], topology: { nodes: [{ id: 1 }] } }];
  const one = { name: 'one', namespace: 'default', containers: [{ name: 'app', devices }] };
  expect(await ask('List')).toEqual({ pods: [one] });
  expect(await ask('Get', { name: 'one', namespace: 'default' })).toEqual({ pod: one });
  expect(await ask('GetAllocatableResources')).toEqual({ devices });
  await expect(ask('Get', { name: 'two', namespace: 'default' })).rejects.toThrow(
    'pod two in namespace default not found',
  );
});

test('a plugin is found in plugins_registry, tried again until it can be taken in, and gone with its socket', async () => {
  const node = await startRealNode();
  const socketPath = await node.place('plugins_registry', 'deep', 'cards-reg.sock');
  const info = { type: 'DevicePlugin', name: resource, versions: ['v1beta1'] };
  const plugin = await PluginPeer.start({
    sockets: [{ socketPath, names: ['pluginregistration.Registration', 'v1beta1.DevicePlugin'] }],
    answers: { GetInfo: { ...info, type: 'Unknown' } },
  });
  plugin.push('ListAndWatch', { devices: [healthyCard('a')] });
  const [refusal] = await plugin.called('NotifyRegistrationStatus');
  expect(refusal).toEqual({
    error: `RegisterPlugin error -- no handler registered for plugin type: Unknown at socket ${socketPath}`,
  });
  plugin.answer('GetInfo', info);
  // What it has may be seen before it has been told.
  await plugin.registered();
  expect(plugin.requests('NotifyRegistrationStatus').at(-1)).toEqual({ registered: true });
  await eventuallyAmounts(node.client, ['1', '1']);
  await rm(socketPath);
  await eventuallyAmounts(node.client, ['1', '0']);
});

test('a plugin that another has taken the place of may go, and its successor stays', async () => {
  const node = await startRealNode();
  const plugins = [];
  for (const [at, name] of ['first', 'second'].entries()) {
    const socketPath = await node.place('plugins_registry', `${name}-reg.sock`);
    const plugin = await PluginPeer.start({
      sockets: [{ socketPath, names: ['pluginregistration.Registration', 'v1beta1.DevicePlugin'] }],
      answers: {
        GetInfo: { type: 'DevicePlugin', name: resource, versions: ['v1beta1'] },
        Allocate: { containers: [{}] },
      },
    });
    plugin.push('ListAndWatch', { devices: ['a', 'b'].slice(0, at + 1).map((id) => healthyCard(id)) });
    await eventuallyAmounts(node.client, [String(at + 1), String(at + 1)]);
    plugins.push({ plugin, socketPath });
  }
  const [first, second] = plugins;
  await rm(first?.socketPath ?? '');
  // Found after the first has gone, as each look is for all.
  const last = await node.place('plugins_registry', 'last-reg.sock');
  const witness = await PluginPeer.start({
    sockets: [{ socketPath: last, names: ['pluginregistration.Registration'] }],
    answers: { GetInfo: { type: 'Unknown', name: resource } },
  });
  await witness.called('NotifyRegistrationStatus');
  await node.client.resource(pods).create(podOf('one', 2));
  await node.until('one', isRunning);
  expect(second?.plugin.requests('Allocate')).toHaveLength(1);
});

test('a plugin that says more than there is room for is refused, and so is its pod', async () => {
  const node = await startRealNode();
  const { plugin, register } = await cards(node, ['a']);
  plugin.answer('Allocate', { containers: [{ envs: { LARGE: 'x'.repeat(4 * 1024 * 1024) } }] });
  await register();
  await eventuallyAmounts(node.client, ['1', '1']);
  await node.client.resource(pods).create(podOf('one', 1));
  const { status } = await node.until('one', isFailed);
  expect(status?.message).toMatch(
    /^Pod was rejected: Allocate failed due to rpc error: code = ResourceExhausted desc = Cannot read a message of 41943\d\d bytes: at most 4194304 are taken, which is unexpected$/,
  );
});
