/** The network of CNI plugins in the kernel, by Debian's, among namespaces that this file makes and removes. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ensureClusterLinks, removeClusterLinks } from '#pkg/network/bridge/cluster-links.ts';
import { namespaceRoutes } from '#pkg/network/bridge/node-links.ts';
import { namespacePath, nodeNamespace } from '#pkg/network/bridge/places.ts';
import { createCniNetwork, removeCniState } from '#pkg/network/cni/cni-network.ts';
import { parseCniList } from '#pkg/network/cni/cni-plugins.ts';
import { networkConformance } from '#pkg/network/conformance.ts';
import { noPlugins } from '#tests/containers/kernel-network.ts';
import { Peer } from './peer.ts';
import { testNetwork } from './test-network.ts';

if (noPlugins !== undefined) console.log(`skipped: the network of CNI plugins: ${noPlugins}`);

const network = testNetwork(`cni-${process.pid}`);
const nodeName = `${network.cluster}-node-1`;
const node = { network, nodeName, nodeAddress: '10.94.0.2' };

describe.skipIf(noPlugins !== undefined)('the network of CNI plugins', () => {
  beforeAll(() => ensureClusterLinks(network));
  afterAll(async () => {
    await removeClusterLinks(network.cluster, [nodeNamespace(nodeName)]);
    await removeCniState([nodeName]);
  });

  let sandboxes = 0;
  const sandbox = async (owner: string) => {
    const id = `${network.cluster}-pod-${++sandboxes}`;
    execFileSync('ip', ['netns', 'add', id]);
    onTestFinished(() => void execFileSync('ip', ['netns', 'delete', id]));
    return { id: `${owner}-${id}`, namespacePath: namespacePath(id) };
  };

  networkConformance('cni', {
    make: async () => createCniNetwork({ nodeName, ...namespaceRoutes(node) }),
    small: { ranges: ['10.95.1.0/29', 'fd00:95:1::/125'], places: 5 },
    others: ['10.95.2.0/24'],
    refused: [['10.95.1.0/31'], ['nonsense'], ['10.95.1.0/24', '10.95.2.0/24'], ['127.0.1.0/24'], []],
    sandbox,
  });

  test('pods reach each other and the machine', async () => {
    const cni = createCniNetwork({ nodeName, ...namespaceRoutes(node) });
    cni.configure(['10.95.3.0/24']);
    const peers: Peer[] = [];
    const start = async (owner: string): Promise<{ readonly ip: string; readonly peer: Peer }> => {
      const made = await sandbox(owner);
      const [ip = ''] = await cni.attach({ owner, ...made });
      const peer = new Peer(made.namespacePath);
      peers.push(peer);
      await peer.serve('0.0.0.0', 8080, owner);
      return { ip, peer };
    };
    const [a, b] = [await start('a'), await start('b')];
    const machine = new Peer();
    peers.push(machine);
    expect(await a.peer.ask(b.ip, 8080)).toBe(`b ${a.ip}`);
    expect(await machine.ask(b.ip, 8080)).toBe(`b ${network.machineAddress}`);
    for (const peer of peers) await peer.end();
    await Promise.all([cni.detach('a'), cni.detach('b')]);
  });

  test('a plugin that holds pods to their bandwidth is told it, and without one nobody is said to', async () => {
    const bridge = { type: 'bridge', bridge: 'cni0', isGateway: true, forceAddress: true };
    const first = { ...bridge, ipam: { type: 'host-local' }, capabilities: { ipRanges: true } };
    const open = (plugins: readonly object[]) => {
      const list = parseCniList(JSON.stringify({ cniVersion: '1.0.0', name: 'slow', plugins }), 'slow.conflist');
      const cni = createCniNetwork({ nodeName, ...namespaceRoutes(node), list });
      cni.configure(['10.95.5.0/24']);
      return cni;
    };
    const buckets = (): readonly string[] =>
      execFileSync('ip', ['netns', 'exec', nodeNamespace(nodeName), 'tc', 'qdisc', 'show'], { encoding: 'utf8' })
        .split('\n')
        .flatMap((line) => /qdisc tbf .* rate (\S+) /.exec(line)?.[1] ?? [])
        .toSorted();
    const cni = open([first, { type: 'bandwidth', capabilities: { bandwidth: true } }]);
    await cni.attach({ owner: 'slow', ...(await sandbox('slow')), bandwidth: { toPod: 10e6, fromPod: 1e6 } });
    expect([cni.limitsBandwidth, buckets()]).toEqual([true, ['10Mbit', '1Mbit']]);
    await cni.detach('slow');
    expect(buckets()).toEqual([]);
    const plain = open([first]);
    await plain.attach({ owner: 'plain', ...(await sandbox('plain')), bandwidth: { toPod: 10e6 } });
    expect([plain.limitsBandwidth, buckets()]).toEqual([false, []]);
    await plain.detach('plain');
  });

  test('what the plugins refuse, or are not, is said in one line', async () => {
    // A range that is not the node's.
    const plugin = { type: 'bridge', bridge: 'cni0', ipam: { type: 'host-local', subnet: '10.95.9.0/24' } };
    const attempt = (plugins: readonly object[]): Promise<unknown> => {
      const list = parseCniList(JSON.stringify({ cniVersion: '1.0.0', name: 'odd', plugins }), 'odd.conflist');
      const odd = createCniNetwork({ nodeName, ...namespaceRoutes(node), list });
      odd.configure(['10.95.4.0/24']);
      return sandbox('odd').then((made) => odd.attach({ owner: 'odd', ...made }));
    };
    await expect(attempt([plugin])).rejects.toThrow(
      /^Cannot connect the pod as the CNI plugin bridge says: .*10\.95\.4\.2/,
    );
    await expect(attempt([{ type: 'nothing' }])).rejects.toThrow(
      /^Cannot connect the pod as the CNI plugin nothing says: there is no such program/,
    );

    expect(() => parseCniList('{}', 'x')).toThrow('it needs cniVersion and name');
    expect(() => parseCniList('{"cniVersion":"1.0.0","name":"x","plugins":[{"type":"../sh"}]}', 'x')).toThrow(
      'name of a program',
    );
  });
});
