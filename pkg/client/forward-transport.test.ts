/** How connections are kept; what is passed on and how is tested with the proxies. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type ForwardTransport, forwardTransport } from './forward-transport.ts';

/** A server that keeps connections for ever, and a transport to it that does not. */
async function connected(answer: RequestListener, keepsIdleMs: number) {
  const sockets: Socket[] = [];
  const server = createServer({ keepAliveTimeout: 0 }, answer).on('connection', (socket) => sockets.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const transport = forwardTransport({ scheme: 'http', host: '127.0.0.1', port, keepsIdleMs });
  onTestFinished(() => {
    transport.close();
    server.close();
  });
  return { transport, sockets };
}

async function ask(transport: ForwardTransport): Promise<string> {
  const { body } = await transport.request({
    method: 'GET',
    path: '/',
    query: '',
    headers: {},
    peer: { address: '' },
    signal: new AbortController().signal,
  });
  let text = '';
  if (body.kind === 'stream') for await (const piece of body.chunks) text += Buffer.from(piece).toString();
  return text;
}

test('a connection that nobody uses is ended by the client, before a server would', async () => {
  const { transport, sockets } = await connected((_, response) => void response.end('yes'), 20);
  expect(await ask(transport)).toBe('yes');
  await expect.poll(() => sockets[0]?.destroyed).toBe(true);
  expect(await ask(transport)).toBe('yes');
  expect(sockets).toHaveLength(2);
});

test('one that is used again is not ended while its answer is awaited', async () => {
  const late: (() => void)[] = [];
  const { transport, sockets } = await connected((_, response) => void late.push(() => response.end('yes')), 500);
  const both = Promise.all([ask(transport), ask(transport)]);
  await expect.poll(() => late.length).toBe(2);
  for (const answer of late) answer();
  await both;
  const again = ask(transport);
  await expect.poll(() => late.length).toBe(3);
  // The other one was free as long.
  await expect.poll(() => sockets.filter(({ destroyed }) => destroyed).length).toBe(1);
  late[2]?.();
  expect(await again).toBe('yes');
  expect(sockets).toHaveLength(2);
});
