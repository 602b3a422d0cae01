/** Ranges of cluster IPs, from their making to the end: what Services get of them, and what keeps them. Source: upstream `test/integration/servicecidr`. */
import { afterEach, expect, test } from 'vitest';
import type { Service } from '#pkg/api/types/core-v1.ts';
import { ipAddresses, serviceCIDrs, services } from '#pkg/api/types/refs.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { type Harness, startHarness } from '../testing/harness.ts';
import { createAddressRepair } from './address-repair.ts';

let harness: Harness;
afterEach(() => harness.stop());

async function start(controllers: readonly string[] = ['service-cidr-controller']): Promise<Harness> {
  harness = await startHarness({ controllers });
  return harness;
}

const makeRange = (name: string, ...cidrs: readonly string[]): Promise<unknown> =>
  harness.client.resource(serviceCIDrs).create({ metadata: { name }, spec: { cidrs } });

async function makeService(name: string, spec: Partial<NonNullable<Service['spec']>> = {}): Promise<string> {
  const made = await harness.client
    .resource(services)
    .create({ metadata: { name, namespace: 'default' }, spec: { ports: [{ port: 80 }], ...spec } })
    .catch((error: unknown) => errorText(error));
  return typeof made === 'string' ? made : (made.spec?.clusterIP ?? '');
}

const removeService = (name: string): Promise<unknown> =>
  harness.client.resource(services).delete(name, { namespace: 'default' });

/** `status reason` of whether a range is ready; undefined for one that has gone. */
async function readiness(name: string): Promise<string | undefined> {
  const range = await harness.get(serviceCIDrs, name);
  const ready = (range?.status?.conditions ?? []).find(({ type }) => type === 'Ready');
  return range === undefined ? undefined : `${ready?.status} ${ready?.reason}`.trim();
}

async function addresses(): Promise<readonly string[]> {
  const all = await harness.list(ipAddresses);
  return all.map(({ metadata, spec }) => `${metadata?.name} ${spec?.parentRef?.namespace}/${spec?.parentRef?.name}`);
}

test('a new range is kept by a finalizer, is ready, and gives addresses of its own', async () => {
  await start();
  await makeRange('more', '10.5.0.0/24', 'fd00:5::/112');
  await harness.clock.settle();
  const range = await harness.get(serviceCIDrs, 'more');
  expect(range?.metadata?.finalizers).toEqual(['networking.k8s.io/service-cidr-finalizer']);
  expect(range?.status?.conditions).toMatchObject([
    { type: 'Ready', status: 'True', message: 'Kubernetes Service CIDR is ready' },
  ]);
  expect(await makeService('named', { clusterIP: '10.5.0.7' })).toBe('10.5.0.7');
  expect(await makeService('network', { clusterIP: '10.5.0.0' })).toContain('does not match the current range');
  expect(await makeService('broadcast', { clusterIP: '10.5.0.255' })).toContain('does not match the current range');
  expect(await addresses()).toEqual(['10.5.0.7 default/named', '10.96.0.1 default/kubernetes']);
});

test('when a range is full the next one gives, and without one the refusal says so', async () => {
  // Nobody says that the large one is ready.
  await start([]);
  const range = await harness.get(serviceCIDrs, 'kubernetes');
  const conditions = [
    { type: 'Ready', status: 'False', reason: 'Test', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
  ];
  await harness.client.resource(serviceCIDrs).update({ ...range, status: { conditions } }, { subresource: 'status' });
  await makeRange('small', '10.5.0.0/30');
  const first = [await makeService('a'), await makeService('b')];
  expect(first.toSorted()).toEqual(['10.5.0.1', '10.5.0.2']);
  expect(await makeService('c')).toContain('failed to allocate a serviceIP: range is full');
  await makeRange('next', '10.6.0.0/30');
  expect(['10.6.0.1', '10.6.0.2']).toContain(await makeService('c'));
  await removeService('a');
  expect(await makeService('d', { clusterIP: first[0] ?? '' })).toBe(first[0]);
});

test('a range in use stays, gives nothing, says why, and goes ten seconds after its last address', async () => {
  await start();
  await makeRange('more', '10.5.0.0/24');
  await makeService('user', { clusterIP: '10.5.0.7' });
  await harness.client.resource(serviceCIDrs).delete('more');
  await harness.clock.settle();
  expect(await readiness('more')).toBe('False Terminating');
  expect(await makeService('late', { clusterIP: '10.5.0.8' })).toContain('does not match the current range');
  await harness.clock.advance(60_000);
  expect(await readiness('more')).toBe('False Terminating');
  await removeService('user');
  await harness.clock.advance(1_000);
  expect(await readiness('more')).toBeUndefined();
});

test('a range that nobody uses goes after ten seconds, and one that another has all of in spite of its users', async () => {
  await start();
  await makeRange('unused', '10.5.0.0/24');
  await makeRange('inner', '10.96.7.0/24');
  await makeService('user', { clusterIP: '10.96.7.7' });
  for (const name of ['unused', 'inner']) await harness.client.resource(serviceCIDrs).delete(name);
  await harness.clock.advance(9_000);
  expect([await readiness('unused'), await readiness('inner')]).toEqual(['True', 'True']);
  await harness.clock.advance(2_000);
  expect([await readiness('unused'), await readiness('inner')]).toEqual([undefined, undefined]);
  expect(await addresses()).toContain('10.96.7.7 default/user');
});

test('a wider range lets one go that is in use', async () => {
  await start();
  await makeRange('more', '10.5.0.0/24');
  await makeService('user', { clusterIP: '10.5.0.7' });
  await harness.client.resource(serviceCIDrs).delete('more');
  await harness.clock.advance(20_000);
  expect(await readiness('more')).toBe('False Terminating');
  await makeRange('wider', '10.4.0.0/15');
  await harness.clock.advance(1_000);
  expect(await readiness('more')).toBeUndefined();
});

test('an object that others have made keeps its address from Services', async () => {
  await start();
  const parentRef = { group: 'gateway.networking.k8s.io', resource: 'gateways', namespace: 'default', name: 'g' };
  await harness.client.resource(ipAddresses).create({ metadata: { name: '10.96.7.7' }, spec: { parentRef } });
  expect(await makeService('user', { clusterIP: '10.96.7.7' })).toContain('provided IP is already allocated');
  expect(await addresses()).toContain('10.96.7.7 default/g');
});

test('what is dry, refused or of a taken name leaves no object', async () => {
  await start();
  const resource = harness.client.resource(services);
  const service = { metadata: { name: 'a', namespace: 'default' }, spec: { ports: [{ port: 80 }] } };
  await resource.create(service, { dryRun: true });
  expect(await addresses()).toEqual(['10.96.0.1 default/kubernetes']);
  await resource.create(service);
  const before = await addresses();
  await expect(resource.create(service)).rejects.toThrow('already exists');
  expect(await addresses()).toEqual(before);
  await resource.update({
    ...(await resource.get('a', { namespace: 'default' })),
    spec: { type: 'ExternalName', externalName: 'x.example' },
  });
  expect(await addresses()).toEqual(['10.96.0.1 default/kubernetes']);
});

test('the repair loop gives Services their objects, and takes away what is left over for a minute', async () => {
  await start();
  const ip = await makeService('a');
  const resource = harness.client.resource(ipAddresses);
  await resource.delete(ip);
  const parentRef = { group: '', resource: 'services', namespace: 'default', name: 'gone' };
  const labels = { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' };
  await resource.create({ metadata: { name: '10.96.7.7', labels }, spec: { parentRef } });
  const { client, clock } = harness;
  const stop = new AbortController();
  const running = createAddressRepair({ client, clock, random: new SeededRandom(1), log: silentLogger }).run(
    stop.signal,
  );
  await clock.settle();
  expect(await addresses()).toEqual(
    ['10.96.0.1 default/kubernetes', `${ip} default/a`, '10.96.7.7 default/gone'].toSorted(),
  );
  await clock.advance(180_000);
  expect(await addresses()).toEqual(['10.96.0.1 default/kubernetes', `${ip} default/a`].toSorted());
  expect(await harness.eventsOf('a')).toEqual([
    `ClusterIPNotAllocated: Cluster IP [IPv4]: ${ip} is not allocated; repairing`,
  ]);
  stop.abort();
  await running;
});
