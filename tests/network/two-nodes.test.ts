/** Two nodes, their pods and the machine, with Services and policies, in the kernel. Pods are namespaces with a program that serves. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { NetworkPolicy, NetworkPolicySpec } from '#pkg/api/types/networking-v1.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { createBridgeNetwork } from '#pkg/network/bridge/bridge-network.ts';
import { ensureClusterLinks, removeClusterLinks } from '#pkg/network/bridge/cluster-links.ts';
import { namespaceLinks } from '#pkg/network/bridge/node-links.ts';
import { machineServicesTable, namespacePath, nodeNamespace } from '#pkg/network/bridge/places.ts';
import { NftSession } from '#pkg/network/nft/nft-session.ts';
import type { PodNetwork } from '#pkg/network/pod-network.ts';
import type { Backend } from '#pkg/proxy/backend.ts';
import { createNftablesBackend } from '#pkg/proxy/backends/nftables/nftables-backend.ts';
import { createHealthCheckServer } from '#pkg/proxy/health/health-check-server.ts';
import type { Rule, RuleEndpoint } from '#pkg/proxy/model/rule.ts';
import { PolicyRules } from '#pkg/proxy/policy/policy-rules.ts';
import { PolicyTracker } from '#pkg/proxy/policy/policy-tracker.ts';
import { makeRule, setOf } from '#pkg/proxy/testing/rules.ts';
import { Peer } from './peer.ts';
import { testNetwork } from './test-network.ts';

const network = testNetwork(`two-${process.pid}`);
const nodes = ['n1', 'n2'].map((short, index) => {
  const nodeName = `${network.cluster}-${short}`;
  return { nodeName, nodeAddress: `10.94.0.${index + 2}`, namespace: namespacePath(nodeNamespace(nodeName)) };
});
const sessions = nodes.map(({ namespace }) => new NftSession({ namespace }));
const policies = sessions.map(
  (session) => new PolicyRules({ session, nodeSources: [network.machineAddress], nodeServices: [] }),
);

interface TestPod {
  readonly name: string;
  readonly nodeName: string;
  readonly peer: Peer;
  readonly ip: string;
  readonly ip6: string;
}

const pods = new Map<string, TestPod>();
const pod = (name: string): TestPod => {
  const found = pods.get(name);
  if (found === undefined) throw new Error(`there is no pod ${name}`);
  return found;
};
const networks: PodNetwork[] = [];
let machine: Peer;
let backends: readonly Backend[];

async function startPod(name: string, index: number): Promise<void> {
  const namespace = `${network.cluster}-${name}`;
  execFileSync('ip', ['netns', 'add', namespace]);
  const path = namespacePath(namespace);
  const [ip = '', ip6 = ''] = (await networks[index]?.attach({ owner: name, id: name, namespacePath: path })) ?? [];
  const peer = new Peer(path);
  pods.set(name, { name, nodeName: nodes[index]?.nodeName ?? '', peer, ip, ip6 });
  await Promise.all([
    peer.serve('::', 8080, name),
    peer.serve('::', 8081, name),
    peer.serve('0.0.0.0', 5353, name, 'UDP'),
  ]);
}

beforeAll(async () => {
  await ensureClusterLinks(network);
  await ensureClusterLinks(network);
  for (const [index, node] of nodes.entries()) {
    const one = createBridgeNetwork({ links: namespaceLinks({ network, ...node }) });
    one.configure([`10.95.${index + 1}.0/24`, `fd00:95:${index + 1}::/64`]);
    networks.push(one);
  }
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  machine = new Peer();
  await startPod('a', 0);
  await startPod('b', 0);
  await startPod('c', 1);
  await startPod('d', 1);
  const common = {
    log: silentLogger,
    podRanges: network.podRanges,
    serviceRanges: network.serviceRanges,
    served: network.machineServiceAddresses,
    keepsRules: false,
  };
  backends = [
    ...nodes.map(({ nodeName, nodeAddress, namespace }) =>
      createNftablesBackend({
        ...common,
        namespace,
        nodeName,
        nodePortAddresses: [nodeAddress],
        tableName: 'services',
      }),
    ),
    createNftablesBackend({
      ...common,
      nodePortAddresses: ['127.0.0.1'],
      tableName: machineServicesTable(network.cluster),
    }),
  ];
});

afterAll(async () => {
  await Promise.all([...pods.values()].map(({ peer }) => peer.end()));
  await machine?.end();
  for (const { name } of pods.values()) execFileSync('ip', ['netns', 'delete', `${network.cluster}-${name}`]);
  await Promise.all([...backends, ...sessions].map((one) => one.close()));
  await removeClusterLinks(
    network.cluster,
    nodes.map(({ nodeName }) => nodeNamespace(nodeName)),
  );
});

const endpoint = (name: string, port = 8080): RuleEndpoint => {
  const { ip, nodeName } = pod(name);
  return { ip, port, nodeName, ready: true, serving: true, terminating: false };
};

/** All nodes and the machine follow the rules, which say for the node what is local. */
async function serve(...rules: readonly ((nodeName: string | undefined) => Rule)[]): Promise<void> {
  const names = [...nodes.map(({ nodeName }) => nodeName), undefined];
  const failures = await Promise.all(
    backends.map((backend, index) => backend.sync(setOf(...rules.map((rule) => rule(names[index]))))),
  );
  expect(failures.flat()).toEqual([]);
}

test('pods reach each other on a node and across, keep their address, and the machine and they reach each other', async () => {
  const [a, b, c] = [pod('a'), pod('b'), pod('c')];
  expect(await a.peer.ask(b.ip, 8080)).toBe(`b ::ffff:${a.ip}`);
  expect(await a.peer.ask(c.ip, 8080)).toBe(`c ::ffff:${a.ip}`);
  expect(await a.peer.ask(b.ip6, 8080)).toBe(`b ${a.ip6}`);
  expect(await machine.ask(c.ip, 8080)).toBe(`c ::ffff:${network.machineAddress}`);
  await machine.serve(network.machineAddress, 7000, 'machine');
  expect(await c.peer.ask(network.machineAddress, 7000)).toBe(`machine ${c.ip}`);
  expect(await a.peer.ask(b.ip, 5353, 'UDP')).toBe(`b ${a.ip}`);
});

test('a cluster IP leads pods and the machine to an endpoint, a pod to itself too, and refuses without one', async () => {
  await serve(
    () => makeRule({ clusterIPs: ['10.93.0.1'], port: 80, key: 'one' }, [endpoint('c')]),
    () => makeRule({ clusterIPs: ['10.93.0.2'], port: 53, key: 'udp', protocol: 'UDP' }, [endpoint('d', 5353)]),
    () => makeRule({ clusterIPs: ['10.93.0.3'], port: 80, key: 'none' }, []),
  );
  const [a, c] = [pod('a'), pod('c')];
  expect(await a.peer.ask('10.93.0.1', 80)).toBe(`c ::ffff:${a.ip}`);
  expect(await machine.ask('10.93.0.1', 80)).toMatch(/^c /);
  expect(await c.peer.ask('10.93.0.1', 80)).toMatch(/^c /);
  expect(await a.peer.ask('10.93.0.2', 53, 'UDP')).toBe(`d ${a.ip}`);
  expect(await a.peer.ask('10.93.0.3', 80)).toBe('ECONNREFUSED');
  expect(await a.peer.ask('10.93.0.1', 81)).toBe('ECONNREFUSED');
  expect(await a.peer.ask('10.93.0.9', 80)).toBe('ECONNREFUSED');
  expect(await machine.ask('10.93.0.3', 80)).toBe('ECONNREFUSED');
});

test('an address of the range at which a program of the machine answers reaches it from pods, with their address', async () => {
  await serve();
  const [a, c] = [pod('a'), pod('c')];
  await machine.serve('10.93.0.10', 53, 'dns', 'UDP');
  expect(await a.peer.ask('10.93.0.10', 53, 'UDP')).toBe(`dns ${a.ip}`);
  expect(await c.peer.ask('10.93.0.10', 53, 'UDP')).toBe(`dns ${c.ip}`);
  expect(await c.peer.ask('10.93.0.10', 54)).toBe('ECONNREFUSED');
});

test('node ports answer at all nodes and at the loopback address of the machine; load balancer addresses there and in pods', async () => {
  await serve(() =>
    makeRule({ clusterIPs: ['10.93.0.1'], port: 80, nodePort: 30_080, loadBalancerIPs: ['10.92.0.1'] }, [
      endpoint('c'),
    ]),
  );
  for (const { nodeAddress } of nodes) {
    expect(await machine.ask(nodeAddress, 30_080)).toMatch(/^c /);
    expect(await pod('a').peer.ask(nodeAddress, 30_080)).toMatch(/^c /);
  }
  expect(await machine.ask('127.0.0.1', 30_080)).toMatch(/^c /);
  expect(await machine.ask('10.92.0.1', 80)).toMatch(/^c /);
  expect(await pod('b').peer.ask('10.92.0.1', 80)).toMatch(/^c /);
});

test('under the external policy Local a node leads outsiders to its own endpoints with their address, and pods to all', async () => {
  const { ip } = pod('a');
  await serve((nodeName) =>
    makeRule(
      {
        clusterIPs: ['10.93.0.1'],
        port: 80,
        nodePort: 30_080,
        externalTrafficPolicy: 'Local',
        externalEndpoints: [endpoint('c')].filter((one) => nodeName === undefined || one.nodeName === nodeName),
        clusterEndpoints: [endpoint('c')],
      },
      [endpoint('c')],
    ),
  );
  const [first, second] = nodes;
  expect(await machine.ask(second?.nodeAddress ?? '', 30_080)).toBe(`c ::ffff:${network.machineAddress}`);
  expect(await machine.askInVain(first?.nodeAddress ?? '', 30_080)).toBe('silence');
  expect(await pod('a').peer.ask(first?.nodeAddress ?? '', 30_080)).toBe(`c ::ffff:${ip}`);
});

test('a health check port answers at the address of its node alone, in whose namespace the process itself is not', async () => {
  const [first, second] = nodes;
  const addresses = [first?.nodeAddress ?? ''];
  const { namespace } = first ?? {};
  const server = createHealthCheckServer({ addresses, namespace, clock: new SystemClock(), log: silentLogger });
  const check = { namespace: 'shop', serviceName: 'web', serviceUid: 'web', port: 30_999, localEndpoints: 2 };
  expect(await server.sync([check])).toEqual([]);
  for (const answer of [
    await fetch(`http://${addresses[0]}:30999/`),
    await fetch(`http://${addresses[0]}:30999/healthz`),
  ]) {
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ service: { name: 'web' }, localEndpoints: 2 });
  }
  expect(await machine.ask(second?.nodeAddress ?? '', 30_999)).toBe('ECONNREFUSED');
  const other = createHealthCheckServer({ addresses, namespace, clock: new SystemClock(), log: silentLogger });
  expect((await other.sync([check])).map(({ message }) => message)).toEqual([
    expect.stringContaining('Cannot answer health checks'),
  ]);
  await server.sync([]);
  expect(await machine.ask(addresses[0] ?? '', 30_999)).toBe('ECONNREFUSED');
  await Promise.all([server.close(), other.close()]);
});

test('load balancer source ranges keep others out', async () => {
  const withRanges = (ranges: readonly string[]): Rule =>
    makeRule(
      { clusterIPs: ['10.93.0.1'], port: 80, loadBalancerIPs: ['10.92.0.1'], loadBalancerSourceRanges: ranges },
      [endpoint('c')],
    );
  const { peer, ip } = pod('a');
  await serve(() => withRanges([`${ip}/32`]));
  expect(await peer.ask('10.92.0.1', 80)).toMatch(/^c /);
  expect(await pod('b').peer.askInVain('10.92.0.1', 80)).toBe('silence');
});

/** Policies of the namespace `shop`, in which all pods are but `d`, which is in `other`. Each pod has its name as its label `app`. */
async function enforce(...specs: readonly NetworkPolicySpec[]): Promise<void> {
  for (const [index, { nodeName }] of nodes.entries()) {
    const tracker = new PolicyTracker({ nodeName });
    for (const [name, labels] of [
      ['shop', { team: 'shop' }],
      ['other', { team: 'other' }],
    ] as const)
      tracker.setNamespace({ metadata: { name, labels } });
    for (const one of pods.values())
      tracker.setPod({
        metadata: { name: one.name, namespace: one.name === 'd' ? 'other' : 'shop', labels: { app: one.name } },
        spec: {
          nodeName: one.nodeName,
          containers: [{ name: 'c', ports: [{ name: 'web', containerPort: 8080, protocol: 'TCP' }] }],
        },
        status: { podIPs: [{ ip: one.ip }, { ip: one.ip6 }] },
      });
    for (const [number, spec] of specs.entries()) {
      const policy: NetworkPolicy = { metadata: { name: `p${number}`, namespace: 'shop' }, spec };
      tracker.setPolicy(policy);
    }
    await policies[index]?.apply(tracker.state());
  }
}

const app = (name: string) => ({ matchLabels: { app: name } });
const reached = (answer: string): boolean => /^[a-d] /.test(answer);
const gets = async (from: string, to: string, port = 8080): Promise<boolean> =>
  reached(await pod(from).peer.ask(pod(to).ip, port));
const getsNothing = async (from: string, to: string, port = 8080): Promise<boolean> =>
  (await pod(from).peer.askInVain(pod(to).ip, port)) === 'silence';

test('a policy keeps out whom it does not name, on a node and across, by both families, and never the node', async () => {
  await enforce({ podSelector: app('b'), policyTypes: ['Ingress'], ingress: [{ from: [{ podSelector: app('c') }] }] });
  expect(await getsNothing('a', 'b')).toBe(true);
  expect(await pod('a').peer.askInVain(pod('b').ip6, 8080)).toBe('silence');
  expect(await getsNothing('d', 'b')).toBe(true);
  expect(await gets('c', 'b')).toBe(true);
  expect(await gets('b', 'a')).toBe(true);
  expect(reached(await machine.ask(pod('b').ip, 8080))).toBe(true);
  await enforce();
  expect(await gets('a', 'b')).toBe(true);
});

test('namespaces, ports by number, name and range, and several policies together', async () => {
  const podSelector = app('b');
  await enforce(
    { podSelector, ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'other' } } }] }] },
    { podSelector, ingress: [{ from: [{ podSelector: app('a') }], ports: [{ port: 'web' }] }] },
    { podSelector, ingress: [{ from: [{ podSelector: app('c') }], ports: [{ port: 8081, endPort: 8090 }] }] },
  );
  expect(await gets('d', 'b', 8081)).toBe(true);
  expect(await gets('a', 'b', 8080)).toBe(true);
  expect(await getsNothing('a', 'b', 8081)).toBe(true);
  expect(await gets('c', 'b', 8081)).toBe(true);
  expect(await getsNothing('c', 'b', 8080)).toBe(true);
  await enforce({ podSelector, policyTypes: ['Ingress'] });
  expect(await getsNothing('d', 'b', 8081)).toBe(true);
});

test('what leaves a pod is held to policies too: blocks of addresses with exceptions, names of ports, and through Services', async () => {
  await serve(() => makeRule({ clusterIPs: ['10.93.0.1'], port: 80 }, [endpoint('c')]));
  const podSelector = app('a');
  const block = { cidr: '10.95.0.0/16', except: [`${pod('c').ip}/32`] };
  await enforce({ podSelector, policyTypes: ['Egress'], egress: [{ to: [{ ipBlock: block }] }] });
  expect(await gets('a', 'd')).toBe(true);
  expect(await gets('a', 'b')).toBe(true);
  expect(await getsNothing('a', 'c')).toBe(true);
  expect(await pod('a').peer.askInVain('10.93.0.1', 80)).toBe('silence');
  expect(await gets('c', 'a')).toBe(true);
  await enforce({
    podSelector,
    policyTypes: ['Egress'],
    egress: [{ to: [{ podSelector: app('c') }], ports: [{ port: 'web' }] }],
  });
  expect(await gets('a', 'c')).toBe(true);
  expect(reached(await pod('a').peer.ask('10.93.0.1', 80))).toBe(true);
  expect(await getsNothing('a', 'c', 8081)).toBe(true);
  expect(await getsNothing('a', 'b')).toBe(true);
  await enforce();
});
