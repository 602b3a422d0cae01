/** The bridge network in the kernel, among namespaces that this file makes and removes. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createBridgeNetwork } from '#pkg/network/bridge/bridge-network.ts';
import { ensureClusterLinks, removeClusterLinks } from '#pkg/network/bridge/cluster-links.ts';
import { ensureNodeLinks, namespaceLinks } from '#pkg/network/bridge/node-links.ts';
import { machineLink, namespacePath, nodeNamespace, routerNamespace } from '#pkg/network/bridge/places.ts';
import { networkConformance } from '#pkg/network/conformance.ts';
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
