/** Virtual machines beside containers on the networks of the kernel, as a cluster has them: reached through a Service, probed, forwarded to, closed off by a policy, as any pod, and moved to another node. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hookMs, RunningCluster } from '#tests/e2e/running-cluster.ts';
import { SteadyClient } from '#tests/vm/steady-client.ts';
import { noBusybox, writeBusyboxArchive } from './busybox-image.ts';
import { noNetwork, noPlugins } from './kernel-network.ts';
import { noContainers } from './real-containers.ts';

const impossible = noContainers ?? noNetwork ?? noBusybox;
if (impossible !== undefined) console.log(`skipped: machines beside containers: ${impossible}`);
else if (noPlugins !== undefined) console.log(`skipped: machines on the network of CNI plugins: ${noPlugins}`);
const networks = noPlugins === undefined ? ['bridge', 'cni'] : ['bridge'];

const image = 'busybox:1';
const objects = `
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: { name: vm }
handler: vm
---
apiVersion: vm.coxswain.dev/v1alpha1
kind: VirtualMachine
metadata: { name: store }
spec:
  image: coxswain.dev/vm/kernel
  memory: 8Mi
  args: [port=8090]
  ports: [{ name: http, port: 8090 }]
  labels: { app: store }
  evictionStrategy: None
  limits: { egressBandwidth: 100M }
---
apiVersion: v1
kind: Service
metadata: { name: store }
spec:
  selector: { app: store }
  ports: [{ port: 80, targetPort: 8090 }]
---
apiVersion: v1
kind: Pod
metadata: { name: probed }
spec:
  runtimeClassName: vm
  terminationGracePeriodSeconds: 0
  containers:
    - name: machine
      image: coxswain.dev/vm/kernel
      args: [port=8091]
      ports: [{ containerPort: 8091 }]
      resources: { limits: { memory: 8Mi } }
      readinessProbe: { httpGet: { path: /healthz, port: 8091 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Pod
metadata: { name: client, labels: { app: client } }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - { name: client, image: '${image}', command: [sleep, '3600'], imagePullPolicy: Never }
`;
const closed = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: closed }
spec:
  podSelector: { matchLabels: { app: store } }
  policyTypes: [Ingress]
  ingress: [{ from: [{ podSelector: { matchLabels: { app: nobody } } }] }]
`;

describe.skipIf(impossible !== undefined).each(networks)('machines beside containers: %s', (network) => {
  let cluster: RunningCluster;
  const kubectl = (...args: readonly string[]) => cluster.kubectl('35', args);
  const soon = { timeout: 110_000, interval: 200 };

  const apply = async (text: string): Promise<string> => {
    const file = join(cluster.dataDir, 'objects.yaml');
    writeFileSync(file, text);
    return kubectl('apply', '-f', file);
  };
  /** What a container gets of the Service, whose address the kernel of its node translates; a static program may not look for names. */
  const ask = async (): Promise<string> => {
    const address = await kubectl('get', 'service', 'store', '-o', 'jsonpath={.spec.clusterIP}');
    const request = 'GET /healthz HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n';
    const command = `printf '${request}' | nc -w 2 ${address} 80`;
    const { stdout } = await cluster.tryKubectl('35', ['exec', 'client', '--', 'sh', '-c', command]);
    return stdout.split('\r\n').at(-1) ?? '';
  };

  beforeAll(async () => {
    const name = `${network}${process.pid}`;
    const flags = ['--name', name, '--nodes', '2', '--network', network, '--runtime', 'container,vm', '--processes'];
    cluster = await RunningCluster.start({ flags });
    const archive = join(cluster.dataDir, 'busybox.tar');
    writeBusyboxArchive(archive, image);
    const loaded = await cluster.coxswain(['image', 'load', archive]);
    expect(loaded.code, loaded.stderr).toBe(0);
    await apply(objects);
    await kubectl('wait', '--for=condition=Ready', 'vm/store', 'pod/probed', 'pod/client', '--timeout=110s');
  }, hookMs);

  afterAll(async () => {
    if (cluster === undefined) return;
    await cluster.coxswain(['down', '--delete-data']);
    await cluster.remove();
  }, hookMs);

  test('a container reaches one through its Service, and its address is the one that the machine has', async () => {
    await expect.poll(ask, soon).toBe('ok\n');
    const address = await kubectl('get', 'vm', 'store', '-o', 'jsonpath={.status.address}');
    expect(address).toMatch(/^10\./);
    const pod = await kubectl('get', 'vm', 'store', '-o', 'jsonpath={.status.podName}');
    expect(await kubectl('logs', pod)).toMatch(/^kernel: 8192 KiB, network\n/);
    expect(await kubectl('exec', pod, '--', 'echo', 'inside')).toBe('inside\n');
  });

  test('a policy closes it off, and opens it again', async () => {
    await apply(closed);
    await expect.poll(ask, soon).toBe('');
    await kubectl('delete', 'networkpolicy', 'closed');
    await expect.poll(ask, soon).toBe('ok\n');
  });

  test('one moves with its connections to another node and back, and is reached there by new ones', async () => {
    const status = (path: string) => kubectl('get', 'vm', 'store', '-o', `jsonpath={.status.${path}}`);
    const service = await kubectl('get', 'service', 'store', '-o', 'jsonpath={.spec.clusterIP}');
    const first = { address: await status('address'), node: await status('nodeName') };
    const clients = [
      new SteadyClient({ host: first.address, port: 8090 }),
      new SteadyClient({ host: service, port: 80 }),
    ];
    for (const mode of ['pre-copy', 'post-copy']) {
      const before = { node: await status('nodeName'), answers: clients.map(({ seen }) => seen.answers) };
      const { code, stderr } = await cluster.coxswain(['vm', 'migrate', 'store', '--mode', mode]);
      expect(code, stderr).toBe(0);
      await expect.poll(() => status('nodeName'), soon).not.toBe(before.node);
      const hasMore = () => clients.every(({ seen }, at) => seen.answers > (before.answers[at] ?? 0) + 20);
      const hasEnded = () => clients.some(({ seen }) => seen.problems.length > 0);
      await expect.poll(() => hasMore() || hasEnded(), soon).toBe(true);
      await expect.poll(ask, soon).toBe('ok\n');
      expect(await kubectl('exec', await status('podName'), '--', 'echo', 'inside')).toBe('inside\n');
    }
    for (const client of clients) expect(await client.stop()).toMatchObject({ problems: [], connections: 1 });
    expect({ address: await status('address'), node: await status('nodeName') }).toEqual(first);
    expect(await status('runs')).toBe('1');
  });
});
