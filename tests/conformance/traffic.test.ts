/** What connections to Services and pods reach. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { expect } from 'vitest';
import { endpointSlices, endpoints, pods, replicaSets, replicationControllers, services } from '#pkg/api/types/refs.ts';
import { replicaSet, replicationController } from './objects.ts';
import { netexec, onRealCluster, patienceMs, type RealStage } from './real-stage.ts';

const { behaviour } = onRealCluster({ nodes: 2 });
const inDefault = { namespace: 'default' };
const timeout = patienceMs;

/** The answer of a server, or why there is none. Every request is a connection of its own. */
const ask = (url: string): Promise<string> =>
  fetch(url, { headers: { connection: 'close' } }).then(
    (answer) => answer.text(),
    () => '(none)',
  );

const service = (stage: RealStage, name: string, spec: object) =>
  stage
    .of(services)
    .create({ apiVersion: 'v1' as const, kind: 'Service' as const, metadata: { name, ...inDefault }, spec });

const echo = (
  name: string,
  labels: Readonly<Record<string, string>>,
  ports: readonly { readonly name?: string; readonly containerPort: number }[],
) => ({
  containers: [
    {
      name: 'main',
      image: 'coxswain.dev/echo:v1',
      env: [{ name: 'PORT', value: String(ports[0]!.containerPort) }],
      ports,
    },
  ],
  name,
  labels,
});

async function run(stage: RealStage, { containers, name, labels }: ReturnType<typeof echo>): Promise<string> {
  await stage.create({ containers }, { name, labels });
  const { status } = await stage.until(
    name,
    (pod) => pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true,
  );
  return status!.podIP!;
}

const addressesOf = async (stage: RealStage, name: string): Promise<readonly string[]> => {
  const { subsets = [] } = await stage.of(endpoints).get(name, inDefault);
  return subsets
    .flatMap(({ addresses = [], ports = [] }) =>
      addresses.flatMap(({ targetRef }) => ports.map(({ port }) => `${targetRef?.name}:${port}`)),
    )
    .sort();
};

behaviour('[sig-network] API Server should provide secure master service', async (stage) => {
  const { spec } = await stage.of(services).get('kubernetes', inDefault);
  expect(spec?.ports?.map(({ name, port, protocol }) => [name, port, protocol])).toEqual([['https', 443, 'TCP']]);
  const reached = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(443, spec!.clusterIP!);
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  await expect.poll(reached, { timeout }).toBe(true);
});

behaviour('[sig-network] API Server should have Endpoints and EndpointSlices pointing to API Server', async (stage) => {
  const server = new URL(stage.cluster.server);
  const { subsets = [] } = await stage.of(endpoints).get('kubernetes', inDefault);
  const [subset] = subsets;
  expect([subset?.addresses?.length, subset?.ports?.[0]?.port]).toEqual([1, Number(server.port)]);
  const { items } = await stage
    .of(endpointSlices)
    .list({ ...inDefault, labelSelector: 'kubernetes.io/service-name=kubernetes' });
  expect(items.flatMap((slice) => (slice.endpoints ?? []).flatMap((one) => one.addresses))).toEqual([
    subset?.addresses?.[0]?.ip,
  ]);
  expect(items[0]?.ports?.[0]?.port).toBe(Number(server.port));
});

behaviour('[sig-network] Services should serve a basic endpoint from pods', async (stage) => {
  const created = await service(stage, 'endpoint-test', {
    selector: { name: 'endpoint-test' },
    ports: [{ port: 80, targetPort: 8080 }],
  });
  await expect.poll(() => addressesOf(stage, 'endpoint-test').catch(() => ['none']), { timeout }).toEqual([]);
  const labels = { name: 'endpoint-test' };
  const url = `http://${created.spec?.clusterIP}:80/`;
  await run(stage, echo('basic-1', labels, [{ containerPort: 8080 }]));
  await expect.poll(() => addressesOf(stage, 'endpoint-test'), { timeout }).toEqual(['basic-1:8080']);
  await expect.poll(() => ask(url), { timeout }).toContain('basic-1 ');
  await run(stage, echo('basic-2', labels, [{ containerPort: 8080 }]));
  await expect.poll(() => addressesOf(stage, 'endpoint-test'), { timeout }).toEqual(['basic-1:8080', 'basic-2:8080']);
  await stage.of(pods).delete('basic-1', inDefault);
  await expect.poll(() => addressesOf(stage, 'endpoint-test'), { timeout }).toEqual(['basic-2:8080']);
  await expect.poll(() => ask(url), { timeout }).toContain('basic-2 ');
  await stage.of(pods).delete('basic-2', inDefault);
  await expect.poll(() => addressesOf(stage, 'endpoint-test'), { timeout }).toEqual([]);
});

/** The answer to a datagram, or that there is none. Datagrams may get lost while a Service changes: callers ask again. */
const askByDatagram = (host: string, port: number): Promise<string> =>
  new Promise((resolve) => {
    const socket = createSocket('udp4');
    const end = (text: string): void => {
      clearTimeout(timer);
      socket.close();
      resolve(text);
    };
    const timer = setTimeout(() => end('(none)'), 1_000);
    socket.once('message', (data) => end(data.toString()));
    socket.once('error', () => end('(none)'));
    socket.send('who', port, host);
  });

behaviour('[sig-network] Services should serve endpoints on same port and different protocols', async (stage) => {
  const labels = { app: 'multiprotocol' };
  const containerPorts = [
    { name: 'tcp', containerPort: 8080 },
    { name: 'udp', containerPort: 8080, protocol: 'UDP' as const },
  ];
  const containers = [{ name: 'main', image: netexec, args: ['8080'], ports: containerPorts }];
  await stage.create({ containers }, { name: 'multiprotocol', labels });
  const tcp = { name: 'tcp-port', port: 80, targetPort: 8080, protocol: 'TCP' as const };
  const udp = { name: 'udp-port', port: 80, targetPort: 8080, protocol: 'UDP' as const };
  const created = await service(stage, 'multiprotocol-test', { selector: labels, ports: [tcp, udp] });
  const clusterIp = created.spec!.clusterIP!;
  const served = async (): Promise<readonly string[]> => [
    await ask(`http://${clusterIp}:80/`),
    await askByDatagram(clusterIp, 80),
  ];
  const serveOnly = async (...ports: readonly (typeof tcp | typeof udp)[]): Promise<void> => {
    const current = await stage.of(services).get('multiprotocol-test', inDefault);
    await stage.of(services).update({ ...current, spec: { ...current.spec, ports } });
  };
  await expect.poll(served, { timeout }).toEqual(['multiprotocol', 'multiprotocol']);
  await serveOnly(tcp);
  await expect.poll(served, { timeout }).toEqual(['multiprotocol', '(none)']);
  await serveOnly(udp);
  await expect.poll(served, { timeout }).toEqual(['(none)', 'multiprotocol']);
});

behaviour('[sig-network] Services should serve multiport endpoints from pods', async (stage) => {
  const ports = [
    { name: 'portname1', port: 80, targetPort: 'svc1' },
    { name: 'portname2', port: 81, targetPort: 'svc2' },
  ];
  const created = await service(stage, 'multi-endpoint', { selector: { name: 'multi-endpoint' }, ports });
  const labels = { name: 'multi-endpoint' };
  await run(stage, echo('multi-1', labels, [{ name: 'svc1', containerPort: 8100 }]));
  await expect.poll(() => addressesOf(stage, 'multi-endpoint').catch(() => []), { timeout }).toEqual(['multi-1:8100']);
  await run(stage, echo('multi-2', labels, [{ name: 'svc2', containerPort: 8101 }]));
  await expect.poll(() => addressesOf(stage, 'multi-endpoint'), { timeout }).toEqual(['multi-1:8100', 'multi-2:8101']);
  await expect.poll(() => ask(`http://${created.spec?.clusterIP}:80/`), { timeout }).toContain('multi-1 ');
  await expect.poll(() => ask(`http://${created.spec?.clusterIP}:81/`), { timeout }).toContain('multi-2 ');
  await stage.of(pods).delete('multi-1', inDefault);
  await expect.poll(() => addressesOf(stage, 'multi-endpoint'), { timeout }).toEqual(['multi-2:8101']);
  await stage.of(pods).delete('multi-2', inDefault);
  await expect.poll(() => addressesOf(stage, 'multi-endpoint'), { timeout }).toEqual([]);
});

for (const [title, sameIp] of [
  [
    '[sig-network] EndpointSlice should support a Service with multiple ports specified in multiple EndpointSlices',
    true,
  ],
  [
    '[sig-network] EndpointSlice should support a Service with multiple endpoint IPs specified in multiple EndpointSlices',
    false,
  ],
] as const) {
  behaviour(title, async (stage) => {
    const name = stage.name('custom-slices');
    const first = echo(`${name}-a`, {}, [{ containerPort: 8200 }]);
    const second = echo(`${name}-b`, {}, [{ containerPort: 8201 }]);
    const ip = await run(
      stage,
      sameIp ? { ...first, containers: [...first.containers, { ...second.containers[0]!, name: 'second' }] } : first,
    );
    const other = sameIp ? ip : await run(stage, second);
    const ports = [
      { name: 'portname1', port: 8080, protocol: 'TCP' },
      { name: 'portname2', port: 8081, protocol: 'TCP' },
    ];
    const created = await service(stage, name, { ports });
    const slice = (suffix: string, port: object, address: string) => ({
      apiVersion: 'discovery.k8s.io/v1' as const,
      kind: 'EndpointSlice' as const,
      metadata: { name: `${name}-${suffix}`, ...inDefault, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4' as const,
      endpoints: [{ addresses: [address] }],
      ports: [port],
    });
    await stage.of(endpointSlices).create(slice('a', { name: 'portname1', port: 8200, protocol: 'TCP' }, ip));
    await stage.of(endpointSlices).create(slice('b', { name: 'portname2', port: 8201, protocol: 'TCP' }, other));
    await expect.poll(() => ask(`http://${created.spec?.clusterIP}:8080/`), { timeout }).toContain(`${name}-a `);
    await expect
      .poll(() => ask(`http://${created.spec?.clusterIP}:8081/`), { timeout })
      .toContain(sameIp ? `${name}-a ` : `${name}-b `);
  });
}

for (const kind of ['ReplicaSet', 'ReplicationController'] as const) {
  behaviour(`[sig-apps] ${kind} should serve a basic image on each replica with a public image`, async (stage) => {
    const name = `basic-${kind.toLowerCase()}`;
    const podSpec = { containers: [{ name: 'main', image: 'coxswain.dev/echo:v1' }] };
    const options = { replicas: 2, podSpec };
    const metadata = { name, ...inDefault };
    if (kind === 'ReplicaSet') await stage.of(replicaSets).create({ ...replicaSet(name, options), metadata });
    else await stage.of(replicationControllers).create({ ...replicationController(name, options), metadata });
    const replicas = async (): Promise<readonly string[]> => {
      const { items } = await stage.of(pods).list({ ...inDefault, labelSelector: `name=${name}` });
      const answers = items.map(async (pod) =>
        (await ask(`http://${pod.status?.podIP}:8080/`)).startsWith(`${pod.metadata?.name} `) ? 'itself' : '',
      );
      return Promise.all(answers);
    };
    await expect.poll(replicas, { timeout }).toEqual(['itself', 'itself']);
  });
}
