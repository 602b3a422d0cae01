/** What asking a process comes to. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { ask } from './ask.ts';

async function served(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/healthz`;
}

test('the answer is given, also that of a process that is not well', async () => {
  const url = await served((_, response) => response.writeHead(500).end('[{"name":"a"}]'));
  expect(await ask(url, new AbortController().signal)).toBe('[{"name":"a"}]');
});

test('who waits no longer is told why', async () => {
  const controller = new AbortController();
  const url = await served(() => controller.abort(new Error('enough')));
  await expect(ask(url, controller.signal)).rejects.toThrow('enough');
});

test('an answer that is cut off, or has no end, is none', async () => {
  const { signal } = new AbortController();
  const cut = await served((_, response) => {
    response.writeHead(200, { 'content-length': 10 });
    response.write('12345', () => response.destroy());
  });
  await expect(ask(cut, signal)).rejects.toThrow();
  const long = await served((_, response) => response.end(Buffer.alloc(2 * 1024 * 1024)));
  await expect(ask(long, signal)).rejects.toThrow('too long');
});

test('a process that is not there is said not to be', async () => {
  // Nobody else listens at that address, so that the port stays free.
  const host = '127.9.8.4';
  const closed = createServer().listen(0, host);
  await once(closed, 'listening');
  const free = (closed.address() as AddressInfo).port;
  closed.close();
  await once(closed, 'close');
  await expect(ask(`http://${host}:${free}/`, new AbortController().signal)).rejects.toThrow('ECONNREFUSED');
});
