import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { configMaps } from '#pkg/api/types/refs.ts';
import { failoverTransport } from './failover-transport.ts';
import { networkTransport } from './network-transport.ts';
import { createClient } from './rest-client.ts';

/** Nobody else listens here, so a port that was closed stays so. */
const host = '127.9.8.7';

/** A server that names itself in what it answers, and counts. With `isCut` it hears requests and says nothing. */
async function serve(name: string, { isCut = false } = {}) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    request.resume();
    seen.push(request.method ?? '');
    if (isCut) request.socket.destroy();
    else if (request.url?.includes('watch=')) response.write('{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n');
    else response.end(JSON.stringify({ metadata: { name } }));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(close);
  return { url: `http://${host}:${port}`, seen, close };
}

function connect(first: { readonly url: string }, second: { readonly url: string }) {
  const servers = [networkTransport({ server: first.url }), networkTransport({ server: second.url })] as const;
  const transport = failoverTransport({ servers, first: 0 });
  onTestFinished(() => transport.close());
  return createClient({ transport, userAgent: 'test/1' }).resource(configMaps);
}

const place = { namespace: 'x' };
const object = { metadata: { name: 'a', ...place } };

test('requests stay with one server while it is there, and all go to the next when it is gone', async () => {
  const [a, b] = [await serve('a'), await serve('b')];
  const client = connect(a, b);
  expect((await client.get('a', place)).metadata?.name).toBe('a');
  expect((await client.create(object)).metadata?.name).toBe('a');
  await a.close();
  expect((await client.get('a', place)).metadata?.name).toBe('b');
  expect((await client.create(object)).metadata?.name).toBe('b');
  expect([a.seen, b.seen]).toEqual([
    ['GET', 'POST'],
    ['GET', 'POST'],
  ]);
});

test('a write that may have arrived is not made again, and the next goes elsewhere; a read is', async () => {
  const [cut, sound] = [await serve('cut', { isCut: true }), await serve('sound')];
  const writer = connect(cut, sound);
  await expect(writer.create(object)).rejects.toMatchObject({ code: 503 });
  expect((await writer.create(object)).metadata?.name).toBe('sound');
  expect((await connect(cut, sound).get('a', place)).metadata?.name).toBe('sound');
  expect(cut.seen).toEqual(['POST', 'GET']);
});

test('a write to a server that was never there goes to the next', async () => {
  const [gone, sound] = [await serve('gone'), await serve('sound')];
  await gone.close();
  expect((await connect(gone, sound).create(object)).metadata?.name).toBe('sound');
});

test('a watch that is cut off goes on at the next server', async () => {
  const [a, b] = [await serve('a'), await serve('b')];
  const client = connect(a, b);
  const watch = client.watch(place)[Symbol.asyncIterator]();
  await watch.next();
  await a.close();
  await watch.next().catch(() => {});
  for await (const batch of client.watch(place)) {
    expect(batch).toHaveLength(1);
    break;
  }
  expect(b.seen).toEqual(['GET']);
});

test('where all are gone the error comes at once', async () => {
  const [a, b] = [await serve('a'), await serve('b')];
  await Promise.all([a.close(), b.close()]);
  await expect(connect(a, b).get('a', place)).rejects.toMatchObject({ code: 503 });
});
