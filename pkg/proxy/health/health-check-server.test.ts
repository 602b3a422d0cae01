/** Health checks on real sockets of 127/8. */
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { Service } from '#pkg/api/types/core-v1.ts';
import type { Endpoint } from '#pkg/api/types/discovery-v1.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { type HealthCheck, healthCheckOf } from '../model/health-check.ts';
import { createHealthCheckServer } from './health-check-server.ts';

const address = '127.78.4.1';
let nextPort = 27_000 + (process.pid % 100) * 10;

const checkOf = (name: string, localEndpoints: number): HealthCheck => ({
  namespace: 'shop',
  serviceName: name,
  serviceUid: name,
  port: nextPort++,
  localEndpoints,
});

async function ask(port: number): Promise<unknown> {
  const response = await fetch(`http://${address}:${port}/healthz`).catch(() => undefined);
  if (response === undefined) return 'refused';
  return [response.status, response.headers.get('x-load-balancing-endpoint-weight'), await response.text()];
}

const body = (name: string, count: number): string =>
  `{\n\t"service": {\n\t\t"namespace": "shop",\n\t\t"name": "${name}"\n\t},\n\t"localEndpoints": ${count},\n\t"serviceProxyHealthy": true\n}`;

test('a port answers by the endpoints that the node has, until it is not wanted', async () => {
  const server = createHealthCheckServer({ addresses: [address], clock: new SystemClock(), log: silentLogger });
  onTestFinished(() => server.close());
  const [web, db] = [checkOf('web', 2), checkOf('db', 0)];
  expect(await server.sync([web, db])).toEqual([]);
  expect([await ask(web.port), await ask(db.port)]).toEqual([
    [200, '2', body('web', 2)],
    [503, '0', body('db', 0)],
  ]);
  await server.sync([{ ...web, localEndpoints: 0 }]);
  expect([await ask(web.port), await ask(db.port)]).toEqual([[503, '0', body('web', 0)], 'refused']);
});

test('a port that is taken is told and tried again', async () => {
  const other = createServer();
  const web = checkOf('web', 1);
  await new Promise<void>((resolve) => other.listen(web.port, address, resolve));
  const server = createHealthCheckServer({ addresses: [address], clock: new SystemClock(), log: silentLogger });
  onTestFinished(() => server.close());
  expect((await server.sync([web])).map(({ message }) => message)).toEqual([
    `Cannot answer health checks on ${address}:${web.port} as another program has that port`,
  ]);
  await new Promise((resolve) => other.close(resolve));
  expect(await server.sync([web])).toEqual([]);
});

test('ready endpoints of the node count, each once, for load balancers with the policy Local alone', () => {
  const at = (ip: string, nodeName: string, ready = true): Endpoint => ({
    addresses: [ip],
    nodeName,
    conditions: { ready },
  });
  const slices = [
    { addressType: 'IPv4', endpoints: [at('a', 'n1'), at('b', 'n2'), at('c', 'n1', false), at('a', 'n1')] },
  ];
  const service: Service = {
    metadata: { name: 'web', namespace: 'shop', uid: 'u' },
    spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 30_000 },
  };
  const expected = { namespace: 'shop', serviceName: 'web', serviceUid: 'u', port: 30_000 };
  expect(healthCheckOf(service, slices, { nodeName: 'n1' })).toEqual({ ...expected, localEndpoints: 1 });
  expect(healthCheckOf(service, slices, { nodeName: undefined })).toEqual({ ...expected, localEndpoints: 2 });
  for (const spec of [{ type: 'NodePort' }, { externalTrafficPolicy: 'Cluster' }, { healthCheckNodePort: 0 }]) {
    const other = { ...service, spec: { ...service.spec, ...spec } };
    expect(healthCheckOf(other, slices, { nodeName: 'n1' })).toBe(undefined);
  }
});
