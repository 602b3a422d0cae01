/** Drivers of dynamic resources in processes of their own, over another implementation of gRPC: what pods claim is made ready before they begin, and given back after the last. */
import { rm } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { events, pods, resourceClaims, resourceSlices } from '#pkg/api/types/refs.ts';
import { PluginPeer } from '../testing/plugin-peer.ts';
import { startRealNode } from '../testing/real-node.ts';

const driver = 'cards.example.com';
type RealNode = Awaited<ReturnType<typeof startRealNode>>;

async function startDriver(
  node: RealNode,
  versions: readonly string[] = ['v1beta1.DRAPlugin', 'v1.DRAPlugin'],
  name = 'dra.sock',
) {
  const registered = await node.place('plugins_registry', name);
  const endpoint = await node.place('plugins', driver, name);
  await node.place('plugins', driver, 'x');
  const service = versions.includes('v1.DRAPlugin') ? 'k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin' : 'v1beta1.DRAPlugin';
  const plugin = await PluginPeer.start({
    sockets: [
      { socketPath: endpoint, names: [service] },
      { socketPath: registered, names: ['pluginregistration.Registration'] },
    ],
    answers: { GetInfo: { type: 'DRAPlugin', name: driver, endpoint, versions } },
  });
  await plugin.registered();
  return { plugin, registered };
}

/** A claim with two devices that is allocated, and a pod of which the first container uses all of it, the second one request. */
async function claimedPod({ client }: RealNode, name: string, podName = 'one') {
  const claims = client.resource(resourceClaims);
  const found = await claims.get(name, { namespace: 'default' }).catch(() => undefined);
  const claim =
    found ??
    (await claims.create({
      metadata: { name, namespace: 'default' },
      spec: { devices: { requests: [{ name: 'small', exactly: { deviceClassName: 'c' } }] } },
    }));
  const image = 'example.com/app:v1';
  const pod: Pod = {
    metadata: { name: podName, namespace: 'default' },
    spec: {
      nodeName: 'n1',
      resourceClaims: [{ name: 'cards', resourceClaimName: name }],
      containers: [
        { name: 'all', image, resources: { claims: [{ name: 'cards' }] } },
        { name: 'small', image, resources: { claims: [{ name: 'cards', request: 'small' }] } },
        { name: 'none', image },
      ],
    },
  };
  const made = await client.resource(pods).create(pod);
  const results = ['small', 'large'].map((request) => ({ request, driver, pool: 'n1', device: request }));
  const known = await claims.get(name, { namespace: 'default' });
  const user = { resource: 'pods', name: podName, uid: made.metadata?.uid ?? '' };
  await claims.update(
    {
      ...known,
      status: { allocation: { devices: { results } }, reservedFor: [...(known.status?.reservedFor ?? []), user] },
    },
    { subresource: 'status' },
  );
  return { uid: claim.metadata?.uid ?? '', name, namespace: 'default' };
}

const prepared = (uid: string) => ({
  claims: {
    [uid]: {
      devices: ['small', 'large'].map((device) => ({
        ...{ requests: [device], pool: 'n1', device, cdi: [`example.com/card=${device}`] },
      })),
    },
  },
});
const isRunning = ({ status }: Pod): boolean => status?.phase === 'Running';
const messages = async ({ client }: RealNode, reason: string): Promise<readonly (string | undefined)[]> =>
  (await client.resource(events).list({ namespace: 'default' })).items
    .filter((event) => event.reason === reason)
    .map(({ message }) => message);
const eventually = (node: RealNode, message: string) =>
  expect
    .poll(() => messages(node, 'FailedPrepareDynamicResources'))
    .toContain(`Failed to prepare dynamic resources: prepare dynamic resources: ${message}`);

test.each([
  ['the first version', ['v1.DRAPlugin', 'v1beta1.DRAPlugin']],
  ['the one before it', ['v1beta1.DRAPlugin']],
])(
  'what a pod claims is made ready by %s of the interface, and its containers get their part of it',
  async (_, versions) => {
    const node = await startRealNode();
    const { plugin } = await startDriver(node, versions);
    const pause = await claimedPod(node, 'gpu', 'waits');
    plugin.answer('NodePrepareResources', prepared(pause.uid));
    plugin.answer('NodeUnprepareResources', { claims: { [pause.uid]: {} } });
    await node.until('waits', isRunning);
    expect(plugin.requests('NodePrepareResources').at(-1)).toEqual({ claims: [pause] });
    const cdiOf = (container: string) => node.made.find(({ name }) => name === container)?.cdiDevices;
    expect(['all', 'small', 'none'].map(cdiOf)).toEqual([
      ['example.com/card=small', 'example.com/card=large'],
      ['example.com/card=small'],
      undefined,
    ]);
    await node.client.resource(pods).delete('waits', { namespace: 'default', gracePeriodSeconds: 0 });
    expect(await plugin.called('NodeUnprepareResources')).toEqual([{ claims: [pause] }]);
  },
);

test('a pod waits for its driver, and says what the driver says', async () => {
  const node = await startRealNode();
  const claim = await claimedPod(node, 'gpu');
  await eventually(node, `DRA driver ${driver} is not registered`);
  const { plugin } = await startDriver(node);
  plugin.answer('NodePrepareResources', { claims: { [claim.uid]: { error: 'no card today' } } });
  await eventually(node, 'NodePrepareResources failed for ResourceClaim gpu: no card today');
  plugin.answer('NodePrepareResources', {});
  await eventually(node, 'NodePrepareResources skipped 1 ResourceClaims');
  plugin.answer('NodePrepareResources', prepared(claim.uid));
  await node.until('one', isRunning);
});

test('a claim of two pods is made ready once, also over a restart of the kubelet, and given back after the last', async () => {
  const node = await startRealNode();
  const { plugin } = await startDriver(node);
  // Whatever its uid turns out to be, the driver knows it by then.
  plugin.refuse('NodePrepareResources', 'not yet');
  const claim = await claimedPod(node, 'gpu', 'one');
  plugin.answer('NodePrepareResources', prepared(claim.uid));
  plugin.answer('NodeUnprepareResources', { claims: { [claim.uid]: {} } });
  await node.until('one', isRunning);
  const before = plugin.requests('NodePrepareResources').length;
  await node.restart();
  await plugin.registered(2);
  await claimedPod(node, 'gpu', 'two');
  await node.until('two', isRunning);
  expect(plugin.requests('NodePrepareResources')).toHaveLength(before);
  const remove = (name: string) =>
    node.client.resource(pods).delete(name, { namespace: 'default', gracePeriodSeconds: 0 });
  await remove('one');
  await expect.poll(async () => (await node.runtime.containers.list()).length).toBe(3);
  expect(plugin.requests('NodeUnprepareResources')).toEqual([]);
  await remove('two');
  expect(await plugin.called('NodeUnprepareResources')).toEqual([{ claims: [claim] }]);
});

test('a pod that is not let use a claim does not get it', async () => {
  const node = await startRealNode();
  await startDriver(node);
  const claim = await claimedPod(node, 'gpu', 'one');
  const spec = (await node.client.resource(pods).get('one', { namespace: 'default' })).spec;
  const other = await node.client
    .resource(pods)
    .create({ metadata: { name: 'other', namespace: 'default' }, ...(spec && { spec }) });
  await eventually(node, `pod other (${other.metadata?.uid}) is not allowed to use ResourceClaim gpu (${claim.uid})`);
});

test('what a driver said of the devices is gone when the kubelet starts, and stays with a driver that is there', async () => {
  const node = await startRealNode();
  const slices = node.client.resource(resourceSlices);
  const publish = (name: string) =>
    slices.create({
      metadata: { name },
      spec: { driver, nodeName: 'n1', pool: { name: 'n1', generation: 1, resourceSliceCount: 1 } },
    });
  const names = async () => (await slices.list({})).items.map(({ metadata }) => metadata?.name);
  const { registered } = await startDriver(node);
  // While none runs, so that it is the next that takes it away.
  await node.restart(() => publish('first'));
  await expect.poll(names).toEqual([]);
  await publish('second');
  await startDriver(node, ['v1.DRAPlugin'], 'next.sock');
  await rm(registered);
  expect(await names()).toEqual(['second']);
});
