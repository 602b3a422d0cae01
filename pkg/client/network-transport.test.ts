import { createServer, type RequestListener } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { pods } from '#pkg/api/types/refs.ts';
import { notFound } from '#pkg/apimachinery/status-error.ts';
import { testCertificate, testKey } from '#pkg/serving/test-server.ts';
import { networkTransport } from './network-transport.ts';
import { createClient } from './rest-client.ts';

async function serve(listener: RequestListener) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const transport = networkTransport({ server: `http://127.0.0.1:${port}/base/`, token: 't0' });
  onTestFinished(async () => {
    await transport.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return createClient({ transport, userAgent: 'test/1' }).resource(pods);
}

test('a request carries path, query, token and the object as JSON', async () => {
  const seen: unknown[] = [];
  const client = await serve((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      seen.push([request.method, request.url, request.headers.authorization, JSON.parse(body)]);
      response.end(body);
    });
  });
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'x' } } as const;
  expect(await client.create(pod, { fieldManager: 'me' })).toEqual(pod);
  expect(seen).toEqual([['POST', '/base/api/v1/namespaces/x/pods?fieldManager=me', 'Bearer t0', pod]]);
});

test('a refusal is a StatusError', async () => {
  const { status } = notFound({ group: '', resource: 'pods' }, 'a');
  const client = await serve((_, response) => {
    response.statusCode = 404;
    response.end(JSON.stringify(status));
  });
  await expect(client.get('a', { namespace: 'x' })).rejects.toMatchObject({ reason: 'NotFound', code: 404 });
});

test('a watch streams, and leaving it closes the connection', async () => {
  let closed: () => void;
  const whenClosed = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const client = await serve((_, response) => {
    response.on('close', () => closed());
    response.write('{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n');
  });
  for await (const batch of client.watch({ namespace: 'x' })) {
    expect(batch).toEqual([{ type: 'ADDED', object: { metadata: { name: 'a' } } }]);
    break;
  }
  await whenClosed;
});

test('aborting ends a watch that waits, with the reason', async () => {
  const stop = new AbortController();
  const client = await serve((_, response) => response.flushHeaders());
  const watch = (async () => {
    for await (const _ of client.watch({ signal: stop.signal }));
  })();
  stop.abort(new Error('enough'));
  await expect(watch).rejects.toThrow('enough');
});

test('a connection that breaks and a server that is not there are ServiceUnavailable', async () => {
  const client = await serve((request) => request.socket.destroy());
  await expect(client.list()).rejects.toMatchObject({ reason: 'ServiceUnavailable', code: 503 });
  const transport = networkTransport({ server: 'http://127.0.0.1:1' });
  const nobody = createClient({ transport, userAgent: 'test/1' }).resource(pods);
  await expect(nobody.list()).rejects.toMatchObject({ reason: 'ServiceUnavailable', code: 503 });
  await transport.close();
});

test('a server that offers HTTP/2 is spoken to by HTTP/1.1 all the same', async () => {
  const versions: string[] = [];
  const server = createSecureServer({ cert: testCertificate, key: testKey, allowHTTP1: true }, (request, response) => {
    versions.push(request.httpVersion);
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const transport = networkTransport({ server: `https://127.0.0.1:${port}`, insecure: true });
  onTestFinished(async () => {
    await transport.close();
    await new Promise((resolve) => server.close(resolve));
  });
  await createClient({ transport, userAgent: 'test/1' }).resource(pods).get('a', { namespace: 'x' });
  expect(versions).toEqual(['1.1']);
});
