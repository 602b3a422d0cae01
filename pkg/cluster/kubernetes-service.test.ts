import { afterEach, beforeEach, expect, test } from 'vitest';
import { endpointSlices, endpoints, services } from '#pkg/api/types/refs.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import type { Client } from '#pkg/client/client.ts';
import { startBareApi } from '#pkg/testing/bare-api.ts';
import { createKubernetesService } from './kubernetes-service.ts';

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
  const options = { client, clock, log: silentLogger, address: '127.0.0.1', port, clusterIp: '127.96.0.1' };
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
