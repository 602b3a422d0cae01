import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { socketProbeTransport } from './socket-transport.ts';

const transport = socketProbeTransport({ clock: new SystemClock() });
const target = { containerId: 'c', kind: 'readiness' } as const;
const { signal } = new AbortController();

async function serve(): Promise<number> {
  const server = createServer((request, response) => {
    if (request.url !== '/hang') response.writeHead(Number(request.url!.slice(1))).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test('an HTTP probe succeeds from 200 to 399 and says what went wrong otherwise', async () => {
  const port = await serve();
  const probe = (path: string, timeoutMs = 2_000) =>
    transport.http({ scheme: 'http', host: '127.0.0.1', port, path, headers: {}, timeoutMs, signal }, target);
  expect([await probe('/200'), await probe('/302'), await probe('/500'), await probe('/hang', 30)]).toEqual([
    { ok: true, message: '' },
    { ok: true, message: '' },
    { ok: false, message: 'HTTP probe failed with statuscode: 500' },
    {
      ok: false,
      message: `Get "http://127.0.0.1:${port}/hang": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
    },
  ]);
});

test('a TCP probe needs no more than a connection', async () => {
  const port = await serve();
  const probe = (to: number) => transport.tcp({ host: '127.0.0.1', port: to, timeoutMs: 2_000, signal }, target);
  expect([await probe(port), await probe(1)]).toEqual([
    { ok: true, message: '' },
    { ok: false, message: 'dial tcp 127.0.0.1:1: connect: connection refused' },
  ]);
});
