/** The proxy component against an API in memory, on virtual time, with a backend that only notes what it is told. */

import { expect, test } from 'vitest';
import type { Service } from '#pkg/api/types/core-v1.ts';
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { endpointSlices, events, nodes, services } from '#pkg/api/types/refs.ts';
import { type Logger, silentLogger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { FakeApi } from '#pkg/client/fake-api.ts';
import { inProcessTransport } from '#pkg/client/in-process-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import type { Backend, RuleFailure } from './backend.ts';
import type { RuleSet } from './model/rule.ts';
import { createProxy } from './proxy.ts';

class NotingBackend implements Backend {
  /** One line per sync: each rule with its endpoints. */
  readonly syncs: string[] = [];
  /** Ports that cannot be had. */
  readonly taken = new Set<number>();
  isClosed = false;

  sync(rules: RuleSet): Promise<readonly RuleFailure[]> {
    const all = [...rules.values()];
    this.syncs.push(
      all.map((rule) => `${rule.serviceName} -> ${rule.internalEndpoints.map(({ ip }) => ip).join(' ')}`).join(', '),
    );
    const failed = all.filter(({ port }) => this.taken.has(port));
    return Promise.resolve(failed.map((rule) => ({ rule, address: `127.1.0.1:${rule.port}`, message: 'taken' })));
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

function makeWorld() {
  const clock = new VirtualClock();
  const random = new SeededRandom(1);
  const warnings: string[] = [];
  const log: Logger = {
    ...silentLogger,
    warn: (message, fields) => void warnings.push(`${message}: ${String(fields?.service)}`),
    with: () => log,
  };
  const transport = inProcessTransport(new FakeApi().handle, { commonName: 'system:kube-proxy', organizations: [] });
  const client = createClient({ transport, userAgent: 'kube-proxy' });
  const informers = createInformers({ client, clock, random, log });
  const backend = new NotingBackend();
  const stop = new AbortController();
  const proxy = createProxy({
    deps: { client, informers, clock, random, log, metrics: new Metrics() },
    backend,
    nodeName: 'n1',
  });
  const running = Promise.all([informers.run(stop.signal), proxy.run(stop.signal)]);
  return {
    client,
    clock,
    backend,
    warnings,
    async stop() {
      stop.abort();
      await running;
    },
  };
}

const web: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop' },
  spec: { clusterIP: '127.1.0.1', ports: [{ port: 80 }] },
};

const slice = (...ips: readonly string[]): EndpointSlice => ({
  metadata: { name: 'web-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  endpoints: ips.map((ip) => ({ addresses: [ip] })),
  ports: [{ port: 8080 }],
});

test('changes that come together are one sync, and the backend is closed at the end', async () => {
  const { client, clock, backend, stop } = makeWorld();
  await clock.advance(100);
  await client.resource(services).create(web);
  await client.resource(endpointSlices).create(slice('10.0.0.1'));
  await clock.advance(100);
  await client.resource(endpointSlices).update(slice('10.0.0.1', '10.0.0.2'));
  await clock.advance(100);
  await client.resource(services).delete('web', { namespace: 'shop' });
  await clock.advance(100);
  expect(backend.syncs).toEqual(['', 'web -> 10.0.0.1', 'web -> 10.0.0.1 10.0.0.2', '']);
  await clock.advance(3_600_000);
  expect(backend.syncs.length).toBe(4);
  await stop();
  expect(backend.isClosed).toBe(true);
});

test('the zone of the node, and its change, choose endpoints that are meant for it', async () => {
  const { client, clock, backend, stop } = makeWorld();
  const node = (zone: string) => ({ metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': zone } } });
  await client.resource(nodes).create(node('a'));
  await client.resource(services).create(web);
  const endpoints = ['a', 'b'].map((zone, index) => ({
    addresses: [`10.0.0.${index + 1}`],
    hints: { forZones: [{ name: zone }] },
  }));
  await client.resource(endpointSlices).create({ ...slice(), endpoints });
  await clock.advance(100);
  await client.resource(nodes).update(node('b'));
  await clock.advance(100);
  await client.resource(nodes).update(node('b'));
  await clock.advance(100);
  await client.resource(nodes).delete('n1');
  await clock.advance(100);
  expect(backend.syncs).toEqual(['web -> 10.0.0.1', 'web -> 10.0.0.2', 'web -> 10.0.0.1 10.0.0.2']);
  await stop();
});

test('a port that cannot be served is told once on the Service and tried again', async () => {
  const { client, clock, backend, stop } = makeWorld();
  backend.taken.add(80);
  await client.resource(services).create(web);
  await clock.advance(60_000);
  expect(backend.syncs.length).toBeGreaterThan(10);
  const said = (await client.resource(events).list()).items;
  expect(said.map(({ type, reason, message, involvedObject }) => [type, reason, message, involvedObject.name])).toEqual(
    [['Warning', 'FailedToServePort', 'taken', 'web']],
  );
  backend.taken.clear();
  await clock.advance(10_000);
  const count = backend.syncs.length;
  await clock.advance(60_000);
  expect(backend.syncs.length).toBe(count);
  await stop();
});

test('what cannot be served of the Service of the API server is an event, and no warning in the log of each start (fault 49)', async () => {
  const { client, clock, backend, warnings, stop } = makeWorld();
  backend.taken.add(443).add(80);
  const spec = { clusterIP: '127.1.0.1', ports: [{ port: 443 }] };
  await client.resource(services).create({ ...web, metadata: { name: 'kubernetes', namespace: 'default' }, spec });
  await client.resource(services).create(web);
  await clock.advance(60_000);
  const said = (await client.resource(events).list()).items.map(({ involvedObject }) => involvedObject.name);
  expect(said.sort()).toEqual(['kubernetes', 'web']);
  expect(warnings).toEqual(['Cannot serve a Service: shop/web']);
  await stop();
});
