/** A short run of the fuzzer of the wire against servers of this process; `tests/e2e/attack/wire.test.ts` makes a long one against a cluster. */
import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serveHealth } from '#cmd/common/health-server.ts';
import { createDocumentProvider } from '#pkg/apiserver/discovery/provider.ts';
import { startTestServer } from '#pkg/apiserver/testing/test-server.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { HealthChecks } from '#pkg/component/health.ts';
import { createHealthCheckServer } from '#pkg/proxy/health/health-check-server.ts';
import { createStrategies } from '#pkg/registry/table.ts';
import { serveHttps } from './fuzz-https.ts';
import { fuzzWire, type WireAddress } from './fuzz-wire.ts';

const ends: (() => Promise<unknown>)[] = [];
const addresses: WireAddress[] = [];
const host = '127.0.0.1';
/** Nobody else listens there, so that a port which is free stays so. */
const proxyHost = '127.9.8.3';
let connections: () => number;

beforeAll(async () => {
  const api = await startTestServer({ strategies: createStrategies(), documents: createDocumentProvider });
  const https = await serveHttps(api.server.handle);
  connections = () => https.connectionCount;
  const { port, client } = https;
  addresses.push({ name: 'API server, known', host, port, tls: client }, { name: 'API server', host, port, tls: {} });
  addresses.push({ name: 'API server, known, HTTP/2', host, port, tls: client, isHttp2: true });
  addresses.push({ name: 'API server, HTTP/2', host, port, tls: {}, isHttp2: true });
  const health = await serveHealth(new HealthChecks(), 0);
  addresses.push({ name: 'health', host, port: Number(new URL(health.url).port) });
  const proxy = createHealthCheckServer({ addresses: [proxyHost], clock: new SystemClock(), log: silentLogger });
  const check = { namespace: 'a', serviceName: 'b', serviceUid: 'c', port: await freePort(), localEndpoints: 0 };
  expect(await proxy.sync([check])).toEqual([]);
  addresses.push({ name: 'health check port', host: proxyHost, port: check.port, goodStatuses: [503] });
  ends.push(
    () => https.close(),
    () => health.close(),
    () => proxy.close(),
  );
});

afterAll(() => Promise.all(ends.map((end) => end())));

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, proxyHost, () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

test('whatever bytes come, every address answers the next, and keeps nothing (faults 52, 65)', {
  timeout: 180_000,
}, async () => {
  const { faults, statuses } = await fuzzWire(addresses, 700, 7);
  expect(faults).toEqual([]);
  // The run is of use only if every address was spoken to and some of it was understood; how many answers come in time is the machine's matter.
  for (const { name } of addresses) expect(Object.keys(statuses[name] ?? {}).length, name).toBeGreaterThan(1);
  expect(statuses['API server, known']).toHaveProperty('200');
  for (const { name, host: at, port, tls } of addresses.filter((one) => one.tls === undefined)) {
    expect((await fetch(`http://${at}:${port}/healthz`)).status, `${name} ${tls}`).toBeLessThan(504);
  }
  while (connections() > 0) await new Promise((resolve) => setImmediate(resolve));
});
