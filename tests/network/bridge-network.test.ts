/** The bridge network in the kernel, among namespaces that this file makes and removes. */
import { execFileSync, spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createBridgeNetwork } from '#pkg/network/bridge/bridge-network.ts';
import { ensureClusterLinks, removeClusterLinks } from '#pkg/network/bridge/cluster-links.ts';
import { ensureNodeLinks, namespaceLinks } from '#pkg/network/bridge/node-links.ts';
import {
  machineLink,
  namespacePath,
  nodeNamespace,
  podLink,
  podShaper,
  routerNamespace,
} from '#pkg/network/bridge/places.ts';
import { networkConformance } from '#pkg/network/conformance.ts';
import type { PodBandwidth, PodNetwork } from '#pkg/network/pod-network.ts';
import { testNetwork } from './test-network.ts';

const network = testNetwork(`bridge-${process.pid}`);
const nodeName = `${network.cluster}-node-1`;

beforeAll(() => ensureClusterLinks(network));
afterAll(() => removeClusterLinks(network.cluster, [nodeNamespace(nodeName)]));

let sandboxes = 0;

networkConformance('bridge', {
  make: async () => createBridgeNetwork({ links: namespaceLinks({ network, nodeName, nodeAddress: '10.94.0.2' }) }),
  small: { ranges: ['10.95.1.0/29', 'fd00:95:1::/125'], places: 5 },
  others: ['10.95.2.0/24'],
  refused: [['10.95.1.0/31'], ['nonsense'], ['10.95.1.0/24', '10.95.2.0/24'], ['127.0.1.0/24'], []],
  sandbox: async (owner) => {
    const id = `${network.cluster}-pod-${++sandboxes}`;
    execFileSync('ip', ['netns', 'add', id]);
    onTestFinished(() => void execFileSync('ip', ['netns', 'delete', id]));
    return { id: `${owner}-${id}`, namespacePath: namespacePath(id) };
  },
});

test('the links of pods that go are gone from the bridge, whatever of them has gone by itself', async () => {
  const other = `${network.cluster}-node-2`;
  const links = namespaceLinks({ network, nodeName: other, nodeAddress: '10.94.0.3' });
  const bridge = createBridgeNetwork({ links });
  bridge.configure(['10.95.3.0/28']);
  const ports = (): number =>
    execFileSync('ip', ['-n', nodeNamespace(other), '-br', 'link', 'show', 'master', 'pods'], {
      encoding: 'utf8',
    }).split('\n').length - 1;
  const pods = ['a', 'b', 'c', 'd'].map((owner) => ({ owner, name: `${network.cluster}-gone-${owner}` }));
  const attach = async ({ owner, name }: (typeof pods)[number]): Promise<unknown> => {
    execFileSync('ip', ['netns', 'add', name]);
    return bridge.attach({ owner, id: name, namespacePath: namespacePath(name) });
  };
  await Promise.all(pods.slice(0, 3).map(attach));
  expect(ports()).toBe(3);
  execFileSync('ip', ['netns', 'delete', pods[0]?.name ?? '']);
  const [last] = pods.slice(3);
  await Promise.all([
    ...['a', 'b'].map((owner) => bridge.detach(owner)),
    ...(last === undefined ? [] : [attach(last)]),
  ]);
  expect(ports()).toBe(2);
  execFileSync('ip', ['netns', 'delete', nodeNamespace(other)]);
  await bridge.detach('c');
  await bridge.detach('d');
  for (const { name } of pods.slice(1)) execFileSync('ip', ['netns', 'delete', name]);
});

test('who believes other pods of its node to be neighbours reaches them by the node', async () => {
  const other = `${network.cluster}-node-4`;
  const bridge = createBridgeNetwork({ links: namespaceLinks({ network, nodeName: other, nodeAddress: '10.94.0.5' }) });
  bridge.configure(['10.95.5.0/28']);
  const [from = '', to = ''] = ['from', 'to'].map((owner) => `${network.cluster}-near-${owner}`);
  const attach = async (id: string): Promise<string> => {
    execFileSync('ip', ['netns', 'add', id]);
    const [address = ''] = await bridge.attach({ owner: id, id, namespacePath: namespacePath(id) });
    return address;
  };
  await attach(from);
  const address = await attach(to);
  execFileSync('ip', ['-n', from, 'route', 'add', '10.95.5.0/28', 'dev', 'eth0', 'scope', 'link']);
  // Nobody listens there, which the pod itself says.
  const { stderr } = spawnSync('ip', ['netns', 'exec', from, 'bash', '-c', `: < /dev/tcp/${address}/9`], {
    encoding: 'utf8',
  });
  expect(stderr).toContain('Connection refused');
  for (const id of [from, to]) {
    await bridge.detach(id);
    execFileSync('ip', ['netns', 'delete', id]);
  }
  execFileSync('ip', ['netns', 'delete', nodeNamespace(other)]);
});

test('a pod is held to its bandwidth in each direction, and nothing of that is left when it goes', async () => {
  const other = `${network.cluster}-node-3`;
  const open = (): PodNetwork => {
    const links = namespaceLinks({ network, nodeName: other, nodeAddress: '10.94.0.4' });
    const bridge = createBridgeNetwork({ links });
    bridge.configure(['10.95.4.0/28']);
    return bridge;
  };
  const placeOf = (owner: string) => {
    const id = `${network.cluster}-slow-${owner}`;
    return { owner, id, namespacePath: namespacePath(id) };
  };
  const before = open();
  const attach = async (owner: string, bandwidth: PodBandwidth): Promise<readonly string[]> => {
    const place = placeOf(owner);
    execFileSync('ip', ['netns', 'add', place.id]);
    onTestFinished(() => void execFileSync('ip', ['netns', 'delete', place.id]));
    return before.attach({ ...place, bandwidth });
  };
  const inNode = (...command: readonly string[]): string =>
    execFileSync('ip', ['netns', 'exec', nodeNamespace(other), ...command], { encoding: 'utf8' });
  const buckets = (): readonly string[] =>
    inNode('tc', 'qdisc', 'show')
      .split('\n')
      .flatMap((line) => / dev (\w)\S+ .*rate (\S+) /.exec(line)?.slice(1).join(' ') ?? [])
      .toSorted();
  const addresses = await attach('both', { toPod: 10e6, fromPod: 1e6 });
  await attach('one', { fromPod: 2e6 });
  expect(before.limitsBandwidth).toBe(true);
  // What goes to it waits at its link, what comes from it at a device of its own, to which all of that is led.
  expect(buckets()).toEqual(['p 10Mbit', 's 1Mbit', 's 2Mbit']);
  expect(inNode('tc', 'filter', 'show', 'dev', podLink('both'), 'parent', 'ffff:')).toContain(
    `Egress Redirect to device ${podShaper('both')}`,
  );
  // The next kubelet finds it so, or half of it.
  const after = open();
  after.recover('both', addresses);
  await after.attach({ ...placeOf('both'), bandwidth: { toPod: 10e6, fromPod: 1e6 } });
  expect(buckets()).toEqual(['p 10Mbit', 's 1Mbit', 's 2Mbit']);
  await Promise.all([after.detach('both'), before.detach('one')]);
  expect([buckets(), inNode('ip', '-br', 'link', 'show', 'type', 'ifb')]).toEqual([[], '']);
  execFileSync('ip', ['netns', 'delete', nodeNamespace(other)]);
});

test('what is missing of the links is made again, and nothing is left once they are removed', async () => {
  const other = {
    ...testNetwork(`again-${process.pid}`),
    nodeRange: '10.94.1.0/24',
    machineAddress: '10.94.1.1',
    routerAddress: '10.94.1.254',
  };
  const name = `${other.cluster}-node-1`;
  const node = { network: other, nodeName: name, nodeAddress: '10.94.1.2' };
  const linksOf = (): string => execFileSync('ip', ['-n', nodeNamespace(name), '-br', 'link'], { encoding: 'utf8' });
  await ensureClusterLinks(other);
  await ensureNodeLinks(node);
  execFileSync('ip', ['netns', 'delete', routerNamespace(other.cluster)]);
  await ensureClusterLinks(other);
  await ensureNodeLinks(node);
  await ensureNodeLinks(node);
  expect(linksOf()).toMatch(/^uplink@\S+ +UP /m);
  expect(linksOf()).toMatch(/^pods /m);
  await removeClusterLinks(other.cluster, [nodeNamespace(name)]);
  await removeClusterLinks(other.cluster, [nodeNamespace(name)]);
  const left = ['netns', 'link'].map((what) => execFileSync('ip', [what, 'list'], { encoding: 'utf8' })).join('');
  expect(left).not.toContain(other.cluster);
  expect(left).not.toContain(machineLink(other.cluster));
  expect(execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' })).not.toContain(other.cluster);
});
