/** The bridge network in the kernel, among namespaces that this file makes and removes. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { createBridgeNetwork } from '#pkg/network/bridge/bridge-network.ts';
import { ensureClusterLinks, removeClusterLinks } from '#pkg/network/bridge/cluster-links.ts';
import { namespacePath, nodeNamespace } from '#pkg/network/bridge/places.ts';
import { networkConformance } from '#pkg/network/conformance.ts';
import { testNetwork } from './test-network.ts';

const network = testNetwork(`bridge-${process.pid}`);
const nodeName = `${network.cluster}-node-1`;

beforeAll(() => ensureClusterLinks(network));
afterAll(() => removeClusterLinks(network.cluster, [nodeNamespace(nodeName)]));

let sandboxes = 0;

networkConformance('bridge', {
  make: async () => createBridgeNetwork({ network, nodeName, nodeAddress: '10.94.0.2' }),
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
