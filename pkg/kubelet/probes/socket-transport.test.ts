import { createServer } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { socketProbeTransport } from './socket-transport.ts';

const transport = socketProbeTransport({ clock: new SystemClock() });
/** That does not pass. */
const enoughMs = 100_000;
const target = { containerId: 'c', kind: 'readiness' } as const;
const { signal } = new AbortController();

async function serve(): Promise<number> {
  const server = createServer((request, response) => {
    const [, what = '', location] = /^\/(\w+)(?:\?to=(.*))?$/.exec(request.url!) ?? [];
    if (what === 'hang') return;
    response.writeHead(Number(what), location === undefined ? {} : { location }).end(location);
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
  const probe = (path: string, timeoutMs = enoughMs) =>
    transport.http({ scheme: 'http', host: '127.0.0.1', port, path, headers: {}, timeoutMs, signal }, target);
  expect([await probe('/200'), await probe('/302'), await probe('/500'), await probe('/hang', 30)]).toEqual([
    { ok: true, statusCode: 200, message: '' },
    { ok: true, statusCode: 302, message: '' },
    { ok: false, statusCode: 500, message: 'HTTP probe failed with statuscode: 500' },
    {
      ok: false,
      message: `Get "http://127.0.0.1:${port}/hang": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
    },
  ]);
});

test('an HTTP probe follows redirects on its host, up to ten, and succeeds with a warning where one leads away', async () => {
  const port = await serve();
  const probe = (path: string) =>
    transport.http({ scheme: 'http', host: '127.0.0.1', port, path, headers: {}, timeoutMs: enoughMs, signal }, target);
  const away = 'http://192.0.2.1/';
  expect([await probe('/301?to=/503'), await probe('/307?to=/200'), await probe(`/302?to=${away}`)]).toEqual([
    { ok: false, statusCode: 503, message: 'HTTP probe failed with statuscode: 503' },
    { ok: true, statusCode: 200, message: '' },
    { ok: true, statusCode: 302, message: '', warning: `Probe terminated redirects, Response body: ${away}` },
  ]);
  const circle = '/302?to=/302?to=/302?to=/302?to=/302?to=/302?to=/302?to=/302?to=/302?to=/302?to=/200';
  expect(await probe(circle)).toEqual({
    ok: false,
    message: `Get "http://127.0.0.1:${port}/200": stopped after 10 redirects`,
  });
});

test.each([
  ['ftp://127.0.0.1/', 'unsupported protocol scheme "ftp"'],
  ['ws://127.0.0.1:1/', 'unsupported protocol scheme "ws"'],
])('an HTTP probe that is led to %s fails (fault 53)', async (to, why) => {
  const port = await serve();
  const request = { scheme: 'http', host: '127.0.0.1', port, path: `/302?to=${to}`, headers: {} } as const;
  expect(await transport.http({ ...request, timeoutMs: enoughMs, signal }, target)).toEqual({
    ok: false,
    message: `Get "${to}": ${why}`,
  });
});

test.each([
  [{ host: 'a b' }, { ok: false, errored: true, message: 'parse "http://a b:1/": invalid address' }],
  [
    { headers: { x: 'a\r\nb' } },
    { ok: false, message: 'Get "http://127.0.0.1:1/": Invalid character in header content ["x"]' },
  ],
  [
    { headers: { trailer: 'x' } },
    { ok: false, message: 'Get "http://127.0.0.1:1/": Trailers are invalid with this transfer encoding' },
  ],
])('an HTTP probe that cannot be sent is an answer too: %j', async (more, answer) => {
  const request = { scheme: 'http', host: '127.0.0.1', port: 1, path: '/', headers: {}, ...more } as const;
  expect(await transport.http({ ...request, timeoutMs: enoughMs, signal }, target)).toEqual(answer);
});

/** A gRPC server whose health service answers as asked: the name of the service is the status it gives. */
async function serveGrpc(): Promise<number> {
  const server = createHttp2Server();
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('data', (data: Buffer) => {
      const service = data.subarray(7).toString();
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      const status = service === 'unimplemented' ? '12' : service === 'odd' ? '2' : '0';
      const message = service === 'odd' ? '%zz' : 'unknown%20service';
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status, 'grpc-message': message }));
      stream.end(status === '0' ? Buffer.from([0, 0, 0, 0, 2, 8, service === 'down' ? 2 : 1]) : undefined);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

test('a gRPC probe asks the health service', async () => {
  const port = await serveGrpc();
  const probe = (service: string, to = port) =>
    transport.grpc({ host: '127.0.0.1', port: to, service, timeoutMs: to === port ? enoughMs : 100, signal }, target);
  expect([await probe(''), await probe('down'), await probe('unimplemented'), await probe('', 1)]).toEqual([
    { ok: true, message: '' },
    { ok: false, message: 'service unhealthy (responded with "NOT_SERVING")' },
    {
      ok: false,
      message:
        'error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service',
    },
    {
      ok: false,
      message: 'timeout: failed to connect service "127.0.0.1:1" within 0.1s: context deadline exceeded',
    },
  ]);
});

test('a message of gRPC whose percents stand for nothing is told as it came (fault 53)', async () => {
  const port = await serveGrpc();
  const request = { host: '127.0.0.1', port, service: 'odd', timeoutMs: enoughMs, signal };
  expect(await transport.grpc(request, target)).toEqual({
    ok: false,
    message: 'error: health rpc probe failed: rpc error: code = 2 desc = %zz',
  });
});

test('a TCP probe needs no more than a connection', async () => {
  const port = await serve();
  const probe = (to: number) => transport.tcp({ host: '127.0.0.1', port: to, timeoutMs: enoughMs, signal }, target);
  expect([await probe(port), await probe(1)]).toEqual([
    { ok: true, message: '' },
    { ok: false, message: 'dial tcp 127.0.0.1:1: connect: connection refused' },
  ]);
});
