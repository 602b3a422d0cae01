import { afterEach, beforeEach, expect, test } from 'vitest';
import { endpointSlices, endpoints, leases, services } from '#pkg/api/types/refs.ts';
import { type Logger, silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Client } from '#pkg/client/client.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import type { Store } from '#pkg/storage/store.ts';
import { startBareApi } from '#pkg/testing/bare-api.ts';
import { createIdentityLease } from './identity-lease.ts';
import { createKubernetesService } from './kubernetes-service.ts';
import { type ServerPresence, serverPresence } from './server-presence.ts';

const own = { namespace: 'default' };
const clock = new VirtualClock();
let client: Client;
let stop: AbortController;
let running: Promise<void>;

beforeEach(async () => {
  const server = await startBareApi({
    clock,
    random: new SeededRandom(1),
    serviceCidr: '127.96.0.0/18',
    port: 6443,
  });
  stop = new AbortController();
  running = server.run(stop.signal);
  ({ client } = server.connect('system:apiserver', 'test'));
});
afterEach(async () => {
  stop.abort();
  await clock.settle();
  await running;
});

/** What is published while an API server listens at `port`, after `meanwhile` and the time of a look. */
async function publishedAt(port: number, meanwhile: () => Promise<unknown> = async () => {}) {
  const controller = new AbortController();
  const options = { client, clock, log: silentLogger, presence: presenceOf(port), port, clusterIp: '127.96.0.1' };
  const ended = createKubernetesService(options).run(controller.signal);
  await clock.settle();
  await meanwhile();
  await clock.advance(10_000);
  controller.abort();
  await ended;
  const { spec } = await client.resource(services).get('kubernetes', own);
  const slice = await client.resource(endpointSlices).get('kubernetes', own);
  const { subsets } = await client.resource(endpoints).get('kubernetes', own);
  return {
    service: [spec?.clusterIP, spec?.type, spec?.ports],
    slice: [slice.endpoints?.[0]?.addresses, slice.ports?.[0]?.port],
    endpoints: [subsets?.[0]?.addresses, subsets?.[0]?.ports?.[0]?.port],
  };
}

/** Of a server that is alone. */
function presenceOf(port: number): ServerPresence {
  return { renew: async () => [{ address: '127.0.0.1', port }], leave: async () => [] };
}

const at = (port: number) => ({
  service: ['127.96.0.1', 'ClusterIP', [{ name: 'https', protocol: 'TCP', port: 443, targetPort: port }]],
  slice: [['127.0.0.1'], port],
  endpoints: [[{ ip: '127.0.0.1' }], port],
});

test('after a start at another port the Service, its slice and its endpoints all follow (fault 27)', async () => {
  expect(await publishedAt(6443)).toEqual(at(6443));
  expect(await publishedAt(7443)).toEqual(at(7443));
});

test('what somebody changes of them, or deletes, is put right', async () => {
  const spoil = async () => {
    await client.resource(services).delete('kubernetes', own);
    await client.resource(endpointSlices).patch('kubernetes', { ports: [{ port: 1 }] }, { type: 'merge', ...own });
    await client.resource(endpoints).patch('kubernetes', { subsets: [] }, { type: 'merge', ...own });
  };
  expect(await publishedAt(6443, spoil)).toEqual(at(6443));
});

test('of servers that begin at the same moment none complains', async () => {
  const controller = new AbortController();
  const said: string[] = [];
  const log: Logger = { ...silentLogger, warn: (message) => void said.push(message), with: () => log };
  const presence: ServerPresence = {
    renew: async () => [6443, 7443, 8443].map((port) => ({ address: '127.0.0.1', port })),
    leave: async () => [],
  };
  const ended = [6443, 7443, 8443].map((port) =>
    createKubernetesService({ client, clock, log, presence, port, clusterIp: '127.96.0.1' }).run(controller.signal),
  );
  await clock.settle();
  controller.abort();
  await Promise.all(ended);
  expect(said).toEqual([]);
  const { items } = await client.resource(endpointSlices).list(own);
  expect(items.map(({ ports }) => ports?.[0]?.port)).toEqual([6443, 7443, 8443]);
});

test('where nothing has changed nothing is written', async () => {
  await publishedAt(6443);
  const versions = async () => {
    const service = await client.resource(services).get('kubernetes', own);
    const slice = await client.resource(endpointSlices).get('kubernetes', own);
    const old = await client.resource(endpoints).get('kubernetes', own);
    return [service, slice, old].map(({ metadata }) => metadata?.resourceVersion);
  };
  const before = await versions();
  await publishedAt(6443);
  expect(await versions()).toEqual(before);
});

test('servers are published as they come, and one that is stopped takes itself away first', async () => {
  const store = createMemoryStore({ clock });
  // A store that others may have too.
  const shared: Store = {
    get: (key) => store.get(key),
    range: (options) => store.range(options),
    write: (operation) => store.write(operation),
    watch: (options, sink) => store.watch(options, sink),
    currentRevision: () => store.currentRevision(),
    compact: (revision) => store.compact(revision),
    close: () => store.close(),
  };
  const servers = [
    { address: '127.0.0.1', port: 6443 },
    { address: '127.0.0.2', port: 6443 },
    { address: '127.0.0.1', port: 7443 },
  ].map((own) => {
    const controller = new AbortController();
    const presence = serverPresence(shared, own);
    const options = { client, clock, log: silentLogger, presence, port: own.port, clusterIp: '127.96.0.1' };
    return { controller, ended: createKubernetesService(options).run(controller.signal) };
  });
  const published = async () => {
    const { subsets = [] } = await client.resource(endpoints).get('kubernetes', own);
    const { items } = await client.resource(endpointSlices).list(own);
    return [
      subsets?.map(({ addresses, ports }) => [addresses?.map(({ ip }) => ip), ports?.[0]?.port]),
      items.map((slice) => [slice.endpoints?.flatMap(({ addresses }) => addresses), slice.ports?.[0]?.port]),
    ];
  };
  await clock.advance(10_000);
  const [both, other] = [
    [['127.0.0.1', '127.0.0.2'], 6443],
    [['127.0.0.1'], 7443],
  ];
  expect(await published()).toEqual([
    [both, other],
    [both, other],
  ]);
  for (const index of [2, 1]) {
    servers[index]!.controller.abort();
    await clock.settle();
    await servers[index]!.ended;
  }
  const alone = [['127.0.0.1'], 6443];
  expect(await published()).toEqual([[alone], [alone]]);
  servers[0]!.controller.abort();
  await servers[0]!.ended;
});

test('a server says by its lease that it is there, and removes those of servers that are long gone', async () => {
  const where = { namespace: 'kube-system' };
  const labels = { 'apiserver.kubernetes.io/identity': 'kube-apiserver' };
  const spec = { holderIdentity: 'gone', leaseDurationSeconds: 3_600, renewTime: '1999-01-01T00:00:00.000000Z' };
  await client.resource(leases).create({ metadata: { name: 'apiserver-gone', ...where, labels }, spec });
  const controller = new AbortController();
  const random = new SeededRandom(2);
  const options = { client, clock, random, log: silentLogger, server: '127.0.0.1:6443' };
  const ended = createIdentityLease(options).run(controller.signal);
  await clock.advance(10_000);
  const { items } = await client.resource(leases).list(where);
  expect(items.map(({ metadata, spec: found }) => [metadata?.labels, found?.leaseDurationSeconds])).toEqual([
    [{ ...labels, 'kubernetes.io/hostname': '127.0.0.1-6443' }, 3_600],
  ]);
  controller.abort();
  await ended;
});
