/** Services, Endpoints and EndpointSlices as objects, and what controllers make of them. Traffic is in `traffic.test.ts`. */
import { expect } from 'vitest';
import type { Service } from '#pkg/api/types/core-v1.ts';
import { endpointSlices, endpoints, ipAddresses, pods, serviceCIDrs, services } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { supportsApiOperations } from './api-operations.ts';
import { behaviour, type Stage } from './behaviour.ts';
import { container, pod } from './objects.ts';
import { observe } from './observe.ts';

const strategic = { namespace: 'conformance', type: 'strategic' } as const;
const serviceLabel = 'kubernetes.io/service-name';

const service = (name: string, spec: Service['spec'], labels: Readonly<Record<string, string>> = {}): Service => ({
  apiVersion: 'v1' as const,
  kind: 'Service' as const,
  metadata: { name, namespace: 'conformance', labels },
  spec: { ports: [{ name: 'http', port: 80, targetPort: 8080 }], ...spec },
});

const slicesOf = async (stage: Stage, name: string) =>
  (await stage.of(endpointSlices).list({ namespace: stage.namespace, labelSelector: `${serviceLabel}=${name}` })).items;

const isGone = (promise: Promise<unknown>): Promise<boolean> =>
  promise.then(
    () => false,
    (error: unknown) => isNotFound(error),
  );

behaviour('[sig-network] Endpoints should test the lifecycle of an Endpoint', async (stage) => {
  const { namespace } = stage;
  const client = stage.of(endpoints);
  const labelSelector = 'test-endpoint-static=true';
  const observer = observe(stage, endpoints, { namespace, labelSelector });
  const labels = { 'test-endpoint-static': 'true' };
  await client.create({
    apiVersion: 'v1' as const,
    kind: 'Endpoints' as const,
    metadata: { name: 'testservice', namespace, labels },
    subsets: [{ addresses: [{ ip: '10.0.0.24' }], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] }],
  });
  const created = await observer.saw('ADDED');
  expect((await client.list({ labelSelector })).items.length).toBe(1);
  await client.update({
    ...created,
    metadata: { ...created.metadata, labels: { ...labels, 'test-service': 'updated' } },
  });
  await observer.saw('MODIFIED', ({ metadata }) => metadata?.labels?.['test-service'] === 'updated');
  const subsets = [{ addresses: [{ ip: '10.0.0.25' }], ports: [{ name: 'http-test', port: 8080 }] }];
  await client.patch('testservice', { metadata: { labels: { 'test-service': 'patched' } }, subsets }, strategic);
  await observer.saw('MODIFIED', ({ metadata }) => metadata?.labels?.['test-service'] === 'patched');
  const [subset] = (await client.get('testservice', { namespace })).subsets ?? [];
  expect([subset?.addresses?.[0]?.ip, subset?.ports?.[0]]).toEqual([
    '10.0.0.25',
    { name: 'http-test', port: 8080, protocol: 'TCP' },
  ]);
  await client.deleteCollection({ namespace, labelSelector });
  await observer.saw('DELETED');
  await expect(client.get('testservice', { namespace })).rejects.toSatisfy(isNotFound);
  await observer.stop();
});

behaviour(
  '[sig-network] EndpointsController should create and delete Endpoints for a Service with a selector that matches no pods',
  async (stage) => {
    const { namespace } = stage;
    await stage.of(services).create(service('empty', { selector: { 'does-not-match-anything': 'pods' } }));
    await stage.cluster.until(async () => !(await isGone(stage.of(endpoints).get('empty', { namespace }))));
    expect((await stage.of(endpoints).get('empty', { namespace })).subsets ?? []).toEqual([]);
    await stage.of(services).delete('empty', { namespace });
    await stage.cluster.until(() => isGone(stage.of(endpoints).get('empty', { namespace })));
  },
);

behaviour(
  '[sig-network] EndpointSlice should create and delete EndpointSlices for a Service with a selector that matches no pods',
  async (stage) => {
    await stage.of(services).create(service('empty', { selector: { 'does-not-match-anything': 'pods' } }));
    await stage.cluster.until(async () => (await slicesOf(stage, 'empty')).length > 0);
    const slices = await slicesOf(stage, 'empty');
    expect(slices.map((slice) => [slice.endpoints?.length ?? 0, slice.ports?.length ?? 0, slice.addressType])).toEqual([
      [0, 0, 'IPv4'],
    ]);
    await stage.of(services).delete('empty', { namespace: stage.namespace });
    await stage.cluster.until(async () => (await slicesOf(stage, 'empty')).length === 0);
  },
);

/** Two pods that answer to `foo=bar`; the second also to `baz=qux`, and by another port of the same name. */
async function twoPods(stage: Stage): Promise<readonly string[]> {
  const of = (name: string, containerPort: number) => ({
    containers: [{ ...container, ports: [{ name, containerPort, protocol: 'TCP' as const }] }],
  });
  await stage.of(pods).create(pod('pod1', of('example-name', 3000), { labels: { foo: 'bar' } }));
  await stage.of(pods).create(pod('pod2', of('example-name', 3001), { labels: { foo: 'bar', baz: 'qux' } }));
  await stage.cluster.until(
    () => stage.cluster.pods(stage.namespace).filter(({ status }) => status?.podIP).length === 2,
  );
  return stage.cluster.pods(stage.namespace).map(({ status }) => status!.podIP!);
}

async function twoServices(stage: Stage): Promise<void> {
  const ports = [{ name: 'example', port: 80, targetPort: 'example-name', protocol: 'TCP' as const }];
  await stage
    .of(services)
    .create(service('example-int-port', { selector: { foo: 'bar' }, ports: [{ ...ports[0]!, targetPort: 3000 }] }));
  await stage.of(services).create(service('example-named-port', { selector: { foo: 'bar' }, ports }));
  await stage.of(services).create(service('example-no-match', { selector: { foo: 'not-here' }, ports }));
}

behaviour(
  '[sig-network] EndpointSlice should create Endpoints and EndpointSlices for Pods matching a Service',
  async (stage) => {
    const [ip1, ip2] = await twoPods(stage);
    await twoServices(stage);
    await stage.cluster.until(async () => {
      const ready = (await slicesOf(stage, 'example-named-port')).flatMap((slice) => slice.endpoints ?? []);
      return ready.filter(({ conditions }) => conditions?.ready).length === 2;
    });
    const found = async (name: string) =>
      (await slicesOf(stage, name))
        .flatMap((slice) =>
          (slice.endpoints ?? []).map((one) => `${one.addresses[0]}:${slice.ports?.[0]?.port} ${one.targetRef?.name}`),
        )
        .sort();
    expect(await found('example-int-port')).toEqual([`${ip1}:3000 pod1`, `${ip2}:3000 pod2`].sort());
    expect(await found('example-named-port')).toEqual([`${ip1}:3000 pod1`, `${ip2}:3001 pod2`].sort());
    expect(await found('example-no-match')).toEqual([]);
    const [slice] = await slicesOf(stage, 'example-int-port');
    expect(slice?.metadata?.ownerReferences?.[0]).toMatchObject({ kind: 'Service', name: 'example-int-port' });
    expect(slice?.metadata?.labels).toMatchObject({
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
    });
    const { subsets = [] } = await stage.of(endpoints).get('example-named-port', { namespace: stage.namespace });
    expect(subsets.map(({ addresses, ports }) => `${addresses?.[0]?.ip}:${ports?.[0]?.port}`).sort()).toEqual(
      [`${ip1}:3000`, `${ip2}:3001`].sort(),
    );
  },
);

behaviour('[sig-network] EndpointsController should create Endpoints for Pods matching a Service', async (stage) => {
  const [ip1, ip2] = await twoPods(stage);
  await twoServices(stage);
  const found = async (name: string) => {
    const { subsets = [] } = await stage.of(endpoints).get(name, { namespace: stage.namespace });
    return subsets
      .flatMap(({ addresses = [], ports = [] }) => addresses.map(({ ip }) => `${ip}:${ports[0]?.port}`))
      .sort();
  };
  await stage.cluster.until(async () => (await found('example-named-port').catch(() => [])).length === 2);
  expect(await found('example-int-port')).toEqual([`${ip1}:3000`, `${ip2}:3000`].sort());
  expect(await found('example-named-port')).toEqual([`${ip1}:3000`, `${ip2}:3001`].sort());
  expect(await found('example-no-match')).toEqual([]);
});

behaviour(
  '[sig-network] EndpointSliceMirroring should mirror a custom Endpoints resource through create update and delete',
  async (stage) => {
    const { namespace } = stage;
    await stage.of(services).create(service('example-custom-endpoints', {}));
    const subsets = (ip: string) => [{ addresses: [{ ip }], ports: [{ port: 80 }] }];
    const made = await stage.of(endpoints).create({
      apiVersion: 'v1' as const,
      kind: 'Endpoints' as const,
      metadata: { name: 'example-custom-endpoints', namespace },
      subsets: subsets('10.1.2.3'),
    });
    const addresses = async () =>
      (await slicesOf(stage, 'example-custom-endpoints')).flatMap((slice) =>
        (slice.endpoints ?? []).flatMap((one) => one.addresses),
      );
    await stage.cluster.until(async () => (await addresses()).join() === '10.1.2.3');
    const current = await stage.of(endpoints).get(made.metadata!.name!, { namespace });
    await stage.of(endpoints).update({ ...current, subsets: subsets('10.2.3.4') });
    await stage.cluster.until(async () => (await addresses()).join() === '10.2.3.4');
    await stage.of(endpoints).delete('example-custom-endpoints', { namespace });
    await stage.cluster.until(async () => (await slicesOf(stage, 'example-custom-endpoints')).length === 0);
  },
);

behaviour(
  '[sig-network] HostPort validates that there is no conflict between pods with same hostPort but different hostIP and protocol [LinuxOnly]',
  async (stage) => {
    const on = (hostIP: string, protocol: 'TCP' | 'UDP') => ({
      containers: [{ ...container, ports: [{ containerPort: 8080, hostPort: 54_323, protocol, hostIP }] }],
      nodeSelector: { 'kubernetes.io/hostname': 'node-1' },
    });
    await stage.of(pods).create(pod('pod1', on('127.0.0.1', 'TCP')));
    await stage.of(pods).create(pod('pod2', on('127.0.0.2', 'TCP')));
    await stage.of(pods).create(pod('pod3', on('127.0.0.2', 'UDP')));
    await stage.cluster.until(
      () => stage.cluster.pods(stage.namespace).filter(({ status }) => status?.phase === 'Running').length === 3,
    );
    expect(stage.cluster.pods(stage.namespace).map(({ spec }) => spec?.nodeName)).toEqual([
      'node-1',
      'node-1',
      'node-1',
    ]);
  },
);

behaviour('[sig-network] ServiceCIDR and IPAddress API should support IPAddress API operations', async (stage) => {
  const client = stage.of(ipAddresses);
  const parentRef = { resource: 'services', namespace: 'default', name: 'foo' };
  const object = {
    apiVersion: 'networking.k8s.io/v1' as const,
    kind: 'IPAddress' as const,
    metadata: { name: '192.168.1.2', labels: { ip: 'e2e' } },
  };
  await client.create({ ...object, spec: { parentRef } });
  expect((await client.get('192.168.1.2')).spec?.parentRef).toEqual(parentRef);
  expect((await client.list({ labelSelector: 'ip=e2e' })).items.length).toBe(1);
  const patched = await client.patch(
    '192.168.1.2',
    { metadata: { annotations: { patched: 'true' } } },
    { type: 'merge' },
  );
  const annotations = { ...patched.metadata?.annotations, updated: 'true' };
  const updated = await client.update({ ...patched, metadata: { ...patched.metadata, annotations } });
  expect(updated.metadata?.annotations).toEqual({ patched: 'true', updated: 'true' });
  await client.delete('192.168.1.2');
  await client.create({ ...object, metadata: { ...object.metadata, name: '192.168.1.3' }, spec: { parentRef } });
  await client.deleteCollection({ labelSelector: 'ip=e2e' });
  expect((await client.list({ labelSelector: 'ip=e2e' })).items).toEqual([]);
});

behaviour('[sig-network] ServiceCIDR and IPAddress API should support ServiceCIDR API operations', async (stage) => {
  const object = {
    apiVersion: 'networking.k8s.io/v1' as const,
    kind: 'ServiceCIDR' as const,
    spec: { cidrs: ['192.168.0.0/24'] },
  };
  const status = {
    conditions: [
      { type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'm', lastTransitionTime: '2026-01-02T03:04:05Z' },
    ],
  };
  await supportsApiOperations(stage, { object, status, lingers: true });
  expect((await stage.of(serviceCIDrs).list({})).items.every(({ spec }) => (spec?.cidrs?.length ?? 0) > 0)).toBe(true);
});

behaviour('[sig-network] Services should find a service from listing all namespaces', async (stage) => {
  await stage.of(services).create(service('one', {}));
  const all = (await stage.of(services).list({})).items.map(
    ({ metadata }) => `${metadata?.namespace}/${metadata?.name}`,
  );
  expect(all).toEqual(expect.arrayContaining(['default/kubernetes', 'conformance/one']));
});

behaviour('[sig-network] Services should delete a collection of services', async (stage) => {
  const { namespace } = stage;
  const labels = { 'e2e-service': 'collection' };
  await stage.of(services).create(service('a', {}, labels));
  await stage.of(services).create(service('b', {}, labels));
  await stage.of(services).create(service('c', {}));
  const client = stage.of(services);
  expect((await client.list({ namespace })).items.length).toBe(3);
  await client.deleteCollection({ namespace, labelSelector: 'e2e-service=collection' });
  expect((await client.list({ namespace })).items.map(({ metadata }) => metadata?.name)).toEqual(['c']);
});

behaviour('[sig-network] Services should complete a service status lifecycle', async (stage) => {
  const { namespace } = stage;
  const client = stage.of(services);
  const labelSelector = 'test-service-static=true';
  const observer = observe(stage, services, { namespace, labelSelector });
  await client.create(service('test-service', { type: 'LoadBalancer' }, { 'test-service-static': 'true' }));
  await observer.saw('ADDED');
  expect((await client.get('test-service', { namespace, subresource: 'status' })).status).toEqual({ loadBalancer: {} });
  const status = { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } };
  const patch = { metadata: { annotations: { patchedstatus: 'true' } }, status };
  const patched = await client.patch('test-service', patch, { ...strategic, type: 'merge', subresource: 'status' });
  expect(patched.status?.loadBalancer?.ingress?.[0]?.ip).toBe('203.0.113.1');
  expect(patched.metadata?.annotations).toMatchObject({ patchedstatus: 'true' });
  const condition = {
    type: 'StatusUpdate',
    status: 'True',
    reason: 'E2E',
    message: 'Set by a test',
    lastTransitionTime: '2026-01-02T03:04:05Z',
  };
  const current = await client.get('test-service', { namespace });
  const updated = await client.update(
    { ...current, status: { ...current.status, conditions: [condition] } } as Service,
    { subresource: 'status' },
  );
  expect(updated.status?.conditions).toEqual([condition]);
  await client.patch('test-service', { metadata: { labels: { 'test-service': 'patched' } } }, strategic);
  await observer.saw('MODIFIED', ({ metadata }) => metadata?.labels?.['test-service'] === 'patched');
  await client.delete('test-service', { namespace });
  await observer.saw('DELETED');
  await observer.stop();
});

behaviour('[sig-network] Service endpoints latency should not be very high', async (stage) => {
  await stage.of(pods).create(pod('svc-latency', {}, { labels: { name: 'svc-latency' } }));
  await stage.cluster.until(() => stage.cluster.pods(stage.namespace)[0]?.status?.phase === 'Running');
  const took: number[] = [];
  for (let index = 0; index < 100; index++) {
    const name = `latency-svc-${index}`;
    const startMs = stage.cluster.clock.monotonicMs();
    await stage.of(services).create(service(name, { selector: { name: 'svc-latency' } }));
    await stage.cluster.until(async () => {
      const found = await stage
        .of(endpoints)
        .get(name, { namespace: stage.namespace })
        .catch(() => undefined);
      return found?.subsets?.[0]?.addresses?.length === 1;
    });
    took.push(stage.cluster.clock.monotonicMs() - startMs);
  }
  took.sort((a, b) => a - b);
  expect(took[50]).toBeLessThan(20_000);
  expect(took[90]).toBeLessThan(50_000);
});
